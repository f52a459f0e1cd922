import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.nn.functional import cross_entropy

from fathom.data import Batch
from fathom.model import LanguageModel
from fathom.objectives import PermutationLanguage
from tests.objectives.batches import SPECIAL_IDS, VOCABULARY, batch, language_model, of
from tests.tiny import config

RELATIVE = {
    "positions": "relative",
    "embedding_norm": False,
    "attention_bias": False,
    "output_transform": False,
    "segments": 3,
}
OBJECTIVE = PermutationLanguage(SPECIAL_IDS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5), st.sampled_from([1, 2, 6]), st.integers(0, 10**6))
def test_permutation_predicts_the_last_of_each_order_and_no_special_token(lengths: list[int], k: int, seed: int) -> None:
    given_batch = batch(lengths, seed=seed)
    order = replace(OBJECTIVE, predicted=k).factorise(given_batch, generator(seed))
    ordinary = given_batch.token_ids >= len(SPECIAL_IDS)
    for row, length in enumerate(lengths):
        count = int(ordinary[row].sum())
        assert count == length - 2
        asked = 0 if count == 0 else max(1, count // k)
        assert int(order.valid[row].sum()) == asked
        targets = order.targets[row, order.valid[row]]
        assert ordinary[row, targets].all()
        assert order.ranks[row, targets].tolist() == list(range(1, asked + 1))
        assert int((order.ranks[row] > 0).sum()) == asked
        visible = order.visible()[row]
        context = order.ranks[row] == 0
        assert visible[:, context].all()  # all see what is not predicted
        for number, target in enumerate(targets):
            assert visible[target].sum() == context.sum() + number
            assert not visible[target, target]
        assert torch.equal(visible[context].any(dim=0), context)  # what is not predicted sees nothing that is


def test_permutation_orders_are_drawn_evenly() -> None:
    given_batch = of(torch.full((20_000, 14), 9))
    order = OBJECTIVE.factorise(given_batch, generator())
    assert order.valid.all()
    assert order.targets.shape == (20_000, 2)
    pairs = order.targets[:, 0] * 14 + order.targets[:, 1]
    counts = torch.bincount(pairs, minlength=14 * 14).view(14, 14)
    assert (counts.diagonal() == 0).all()
    assert chisquare(counts[~torch.eye(14, dtype=torch.bool)]).pvalue > 0.01


def test_permutation_answer_depends_on_what_comes_before_in_the_order_alone() -> None:
    model, given_batch = language_model(**RELATIVE), batch([26])
    objective = replace(OBJECTIVE, predicted=4)
    order = objective.factorise(given_batch, generator())
    targets = order.targets[0].tolist()
    assert len(targets) == 6
    first = objective.answers(model, given_batch, generator())
    assert first.question.columns.tolist() == targets

    def distribution(batch: Batch) -> torch.Tensor:
        """(targets,) nats of one fixed token at each target."""
        query, _ = model.transformer.query_states(batch.token_ids, order.targets, order.visible(), batch.padding_mask)
        return -model.logits(query)[0].log_softmax(dim=-1)

    before = distribution(given_batch)
    torch.testing.assert_close(before[range(6), given_batch.token_ids[0, targets]], first.nats)
    for place in range(26):
        changed = given_batch.token_ids.clone()
        changed[0, place] = 5 + (changed[0, place] + 1) % 190
        after = distribution(replace(given_batch, token_ids=changed))
        rank = int(order.ranks[0, place])
        moved = [(after[number] - before[number]).abs().max().item() > 1e-5 for number in range(6)]
        assert moved == [rank == 0 or number + 1 > rank for number in range(6)]


def test_permutation_loss_averages_over_each_rows_predicted_tokens() -> None:
    model, given_batch = language_model(**RELATIVE), batch([30, 12, 2])
    found = OBJECTIVE.answers(model, given_batch, generator())
    assert torch.bincount(found.question.rows, minlength=3).tolist() == [28 // 6, 10 // 6, 0]
    assert torch.equal(found.question.right, given_batch.token_ids[found.question.rows, found.question.columns])
    for row in range(2):
        torch.testing.assert_close(found.losses()[row], found.nats[found.question.rows == row].mean())
    assert found.losses()[2] == 0
    assert len(OBJECTIVE.answers(model, of(torch.tensor([[9]]))).nats) == 0  # nothing to predict it from
    alone = batch([30])
    nats = OBJECTIVE.answers(model, alone, generator()).nats  # the same order, and no padding
    order = OBJECTIVE.factorise(alone, generator())
    query, _ = model.transformer.query_states(alone.token_ids, order.targets, order.visible())
    expected = cross_entropy(model.logits(query)[0], alone.token_ids[0, order.targets[0]], reduction="none")
    torch.testing.assert_close(nats, expected)


def test_permutation_loss_of_a_fresh_model_is_that_of_guessing_and_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    model = LanguageModel(config(width=32, **RELATIVE))
    given_batch = batch([32] * 16, pairs=True)
    loss = OBJECTIVE.losses(model, given_batch).mean()
    assert loss.item() == pytest.approx(math.log(VOCABULARY), rel=0.02)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def continued(text: torch.Tensor, length: int, **others: torch.Tensor) -> list[Batch]:
    """Rows of a text in consecutive batches."""
    parts = text.split(length, dim=1)
    return [of(part, continues=torch.full((len(part),), number > 0), **others) for number, part in enumerate(parts)]


def test_permutation_of_two_rows_with_memory_is_one_long_pass_masked_accordingly() -> None:
    model = language_model(depth=3, **RELATIVE)
    text = torch.randint(5, VOCABULARY, (2, 24))
    first, second = continued(text, 12)
    objective = replace(OBJECTIVE, memory=12)
    objective.answers(model, first, generator(1))
    nats = objective.answers(model, second, generator(2)).nats
    orders = [objective.factorise(part, generator(seed)) for part, seed in ((first, 1), (second, 2))]
    visible = torch.zeros(2, 24, 24, dtype=torch.bool)
    visible[:, :12, :12] = orders[0].visible()
    visible[:, 12:, :12] = True
    visible[:, 12:, 12:] = orders[1].visible()
    query, _ = model.transformer.query_states(text, orders[1].targets + 12, visible)
    right = text.gather(1, orders[1].targets + 12)
    expected = cross_entropy(model.logits(query).flatten(0, 1), right.flatten(), reduction="none")
    torch.testing.assert_close(nats, expected, atol=1e-4, rtol=0)
    without = replace(OBJECTIVE).answers(model, second, generator(2)).nats
    assert (nats - without).abs().max() > 1e-3


def test_permutation_memory_is_of_the_rows_own_text() -> None:
    model = language_model(depth=3, **RELATIVE)
    objective = replace(OBJECTIVE, predicted=2, memory=20)
    before = of(torch.randint(5, VOCABULARY, (3, 10)), documents=torch.tensor([[0] * 10, [0] * 4 + [1] * 6, [0] * 10]))
    objective.answers(model, before, generator())
    rows = torch.randint(5, VOCABULARY, (3, 10))
    documents = torch.tensor([[7] * 10, [1] * 3 + [2] * 7, [0] * 10])
    given_batch = of(rows, documents=documents, continues=torch.tensor([False, True, True]))

    def answered(previous: Batch) -> torch.Tensor:
        objective.forget()
        objective.answers(model, previous, generator())
        return objective.answers(model, given_batch, generator(3)).nats

    found = answered(before)
    question = objective.answers(model, given_batch, generator(3)).question
    alone = replace(objective).answers(model, given_batch, generator(3)).nats
    new_text = question.rows == 0
    torch.testing.assert_close(found[new_text], alone[new_text], atol=1e-5, rtol=0)
    assert (found[question.rows == 2] - alone[question.rows == 2]).abs().max() > 1e-3
    # in the row of two texts, only the end of the row before is seen, and only by the first of the two
    changed = before.token_ids.clone()
    changed[1, :4] = 5 + (changed[1, :4] + 1) % 190
    torch.testing.assert_close(answered(replace(before, token_ids=changed)), found, atol=1e-5, rtol=0)
    changed = before.token_ids.clone()
    changed[1, 6] = 5 + (changed[1, 6] + 1) % 190
    moved = (answered(replace(before, token_ids=changed)) - found).abs() > 1e-6
    expected = (question.rows == 1) & (question.columns < 3)
    assert expected.any()
    assert torch.equal(moved, expected)


def test_permutation_memory_reaches_as_far_as_it_is_long() -> None:
    model = language_model(depth=1, **RELATIVE)
    objective = replace(OBJECTIVE, memory=5)
    parts = continued(torch.randint(5, VOCABULARY, (1, 12)), 4)
    for place in range(8):
        found = []
        for shift in (0, 1):
            objective.forget()
            ids = torch.cat([part.token_ids for part in parts], dim=1)
            ids[0, place] = 5 + (ids[0, place] + shift) % 190
            for part, tokens in zip(parts, ids.split(4, dim=1), strict=True):
                answers = objective.answers(model, replace(part, token_ids=tokens), generator())
            found.append(answers.nats)
        assert ((found[0] - found[1]).abs().max() > 1e-6) == (place >= 3), place


@pytest.mark.parametrize("stop", [1, 2])
def test_permutation_restored_from_its_state_goes_on_as_if_never_stopped(stop: int) -> None:
    model = language_model(**RELATIVE)
    parts = continued(torch.randint(5, VOCABULARY, (2, 24)), 8)
    whole, first = replace(OBJECTIVE, memory=8), replace(OBJECTIVE, memory=8)
    expected = [whole.answers(model, part, generator(number)).nats for number, part in enumerate(parts)]
    for number in range(stop):
        first.answers(model, parts[number], generator(number))
    resumed = replace(OBJECTIVE, memory=8)
    resumed.restore({name: tensor.clone() for name, tensor in first.state().items()})
    found = [resumed.answers(model, parts[number], generator(number)).nats for number in range(stop, 3)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected[stop:], strict=True))
    resumed.forget()
    assert resumed.state() == {}
    assert not torch.equal(resumed.answers(model, parts[2], generator(2)).nats, expected[2])


def test_permutation_memory_takes_batches_with_fewer_and_with_more_rows() -> None:
    model, objective = language_model(**RELATIVE), replace(OBJECTIVE, memory=8)
    text = torch.randint(5, VOCABULARY, (2, 8))
    objective.answers(model, of(text), generator())
    fewer = objective.answers(model, of(text[:1], continues=torch.tensor([True])), generator())
    assert torch.isfinite(fewer.nats).all()
    more = of(text, continues=torch.tensor([True, False]))
    assert torch.isfinite(objective.answers(model, more, generator()).nats).all()
    with pytest.raises(ValueError, match="row 2 or a later one goes on"):
        objective.answers(model, of(torch.cat([text, text]), continues=torch.tensor([True] * 4)), generator())
    objective.answers(model, of(text, padding_mask=torch.arange(8).expand(2, 8) > 5), generator())
    with pytest.raises(ValueError, match="ended in padding"):
        objective.answers(model, of(text, continues=torch.tensor([True, False])), generator())


def test_permutation_refuses_numbers_and_models_that_do_not_fit() -> None:
    for changes in ({"predicted": 0}, {"memory": -1}):
        with pytest.raises(ValueError, match="expected at least"):
            replace(OBJECTIVE, **changes)
    with pytest.raises(ValueError, match="a query stream needs relative ones"):
        OBJECTIVE.losses(language_model(), batch([9]))
