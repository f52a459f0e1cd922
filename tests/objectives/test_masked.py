import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.nn.functional import cross_entropy

from fathom.model import LanguageModel
from fathom.objectives import MaskedLanguage, answers
from tests.objectives.batches import MASK, SPECIAL_IDS, VOCABULARY, batch, language_model, of
from tests.tiny import config

MASKED = MaskedLanguage(MASK, VOCABULARY, SPECIAL_IDS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=5),
    st.sampled_from([0.01, 0.15, 0.3, 0.9]),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_masked_selects_ordinary_tokens_alone_and_changes_nothing_else(
    lengths: list[int], rate: float, whole_words: bool, seed: int
) -> None:
    words = torch.rand(len(lengths), max(lengths), generator=generator(seed)) < 0.5
    given_batch = batch(lengths, seed=seed, word_starts=words)
    objective = replace(MASKED, rate=rate, whole_words=whole_words)
    question = objective.ask(given_batch, generator(seed))
    before, after = given_batch.token_ids, question.batch.token_ids
    selected = torch.zeros_like(before, dtype=torch.bool)
    selected[question.rows, question.columns] = True
    assert int(selected.sum()) == len(question.rows)
    assert torch.equal(question.right, before[question.rows, question.columns])
    assert (question.right >= len(SPECIAL_IDS)).all()
    assert torch.equal(before[~selected], after[~selected])
    shown = after[selected]
    assert ((shown == MASK) | (shown >= len(SPECIAL_IDS))).all()
    ordinary = (before >= len(SPECIAL_IDS)).sum(dim=1)
    assert torch.equal(selected.any(dim=1), ordinary > 0)
    if not whole_words:  # each row gets its share, up to one token
        assert ((selected.sum(dim=1) - rate * ordinary).abs() < 1).all()


@pytest.mark.parametrize("rate", [0.15, 0.3])
def test_masked_hides_80_replaces_10_and_keeps_10_of_100(rate: float) -> None:
    given_batch = batch([200] * 300)
    question = replace(MASKED, rate=rate).ask(given_batch, generator())
    shown = question.batch.token_ids[question.rows, question.columns]
    counts = [int((shown == MASK).sum()), int(((shown != MASK) & (shown != question.right)).sum())]
    counts.append(len(shown) - sum(counts))
    chance = 0.1 / (VOCABULARY - len(SPECIAL_IDS))  # a random token may be the one that stood there
    assert chisquare(counts, [len(shown) * share for share in (0.8, 0.1 - chance, 0.1 + chance)]).pvalue > 0.01
    assert len(shown) == pytest.approx(rate * 300 * 198, rel=0.002)
    put_in = shown[(shown != MASK) & (shown != question.right)]
    assert chisquare(torch.bincount(put_in, minlength=VOCABULARY)[len(SPECIAL_IDS) :]).pvalue > 0.01


@pytest.mark.parametrize("whole_words", [False, True])
def test_masked_selects_every_place_equally_often(whole_words: bool) -> None:
    starts = torch.ones(20_000, 16, dtype=torch.bool)
    given_batch = of(torch.full((20_000, 16), 9), word_starts=starts)
    selected = replace(MASKED, whole_words=whole_words).select(given_batch, generator())
    assert chisquare(selected.sum(dim=0)).pvalue > 0.01
    assert set(selected.sum(dim=1).tolist()) == {2, 3}  # 2.4 on average
    assert selected.sum() / 20_000 == pytest.approx(2.4, abs=0.02)


def test_masked_selects_words_whole_and_the_asked_for_share_of_tokens() -> None:
    sizes = [1, 3, 2, 1, 5, 1, 1, 2, 4, 1, 3, 1, 1, 2, 1, 1]
    word = torch.tensor([number for number, size in enumerate(sizes) for _ in range(size)])
    starts = torch.cat([torch.ones(1, dtype=torch.bool), word[1:] != word[:-1]])
    rows = 20_000
    given_batch = of(torch.full((rows, len(word)), 9), word_starts=starts.expand(rows, -1))
    selected = replace(MASKED, whole_words=True).select(given_batch, generator())
    by_word = torch.zeros(rows, len(sizes)).index_add(1, word, selected.float())
    assert ((by_word == 0) | (by_word == torch.tensor(sizes))).all()
    share = selected.float().mean(dim=1)
    assert share.mean() == pytest.approx(0.15, abs=4 * share.std().item() / math.sqrt(rows))
    assert selected.any(dim=1).all()


def test_masked_loss_covers_every_selected_token_and_averages_in_each_row() -> None:
    model, given_batch = language_model(), batch([30, 12, 3, 2])
    found = MASKED.answers(model, given_batch, generator())
    question = found.question
    logits = model(question.batch.token_ids, question.batch.padding_mask)
    assert len(question.rows) == pytest.approx(0.15 * 39, abs=3)
    for row in range(4):
        places = question.columns[question.rows == row]
        expected = cross_entropy(logits[row, places], given_batch.token_ids[row, places]) if len(places) else torch.tensor(0.0)
        torch.testing.assert_close(found.losses()[row], expected)
    assert (question.rows == 2).sum() == 1  # one ordinary token: it is the one
    assert not (question.rows == 3).any()
    assert torch.equal(found.hits, logits.argmax(dim=-1)[question.rows, question.columns] == question.right)
    many = MASKED.ask(batch([200] * 30), generator())
    kept = many.batch.token_ids[many.rows, many.columns] == many.right
    assert kept.sum() > 20  # those that stay as they are count, too


@pytest.mark.parametrize("changes", [{}, {"norm_position": "before", "positions": "rotary", "segments": 0, "tied": False}])
def test_masked_loss_of_a_fresh_model_is_that_of_guessing(changes: dict) -> None:
    torch.manual_seed(0)
    model = LanguageModel(config(width=32, **changes)).train()
    assert MASKED.losses(model, batch([32] * 64)).mean().item() == pytest.approx(math.log(VOCABULARY), rel=0.02)


def test_masked_scores_the_vocabulary_at_selected_tokens_alone() -> None:
    model, sizes = language_model(), []
    model.output.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape)))
    found = MASKED.answers(model, batch([32] * 4), generator())
    assert sizes == [(len(found.question.rows), VOCABULARY)]
    assert len(found.question.rows) < 4 * 32 / 5


def test_masked_draws_from_torchs_generator_in_training_and_from_the_given_one_otherwise() -> None:
    given_batch = batch([32] * 4)
    state = torch.get_rng_state()
    first = MASKED.ask(given_batch)
    second = MASKED.ask(given_batch)
    torch.set_rng_state(state)
    again = MASKED.ask(given_batch)
    assert torch.equal(first.batch.token_ids, again.batch.token_ids)
    assert not torch.equal(first.batch.token_ids, second.batch.token_ids)
    state = torch.get_rng_state()
    fixed = [MASKED.ask(given_batch, generator(3)) for _ in range(2)]
    assert torch.equal(fixed[0].batch.token_ids, fixed[1].batch.token_ids)
    assert torch.equal(torch.get_rng_state(), state)


def test_scores_made_in_parts_are_the_same_with_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given_batch = language_model(), batch([32] * 4)
    found = []
    for scores in (answers.SCORES, 3 * VOCABULARY):
        monkeypatch.setattr(answers, "SCORES", scores)
        model.zero_grad()
        made = MASKED.answers(model, given_batch, generator())
        made.losses().mean().backward()
        gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
        found.append((made.losses().detach(), made.hits.float(), *gradients))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-5)


def test_masked_of_nothing_that_can_be_hidden_is_zero_and_has_a_gradient() -> None:
    model = language_model()
    losses = MASKED.losses(model, batch([2, 2]))
    assert losses.tolist() == [0, 0]
    losses.sum().backward()


@pytest.mark.parametrize("changes", [{"rate": 0.0}, {"rate": 1.0}, {"masked": 0.8, "random": 0.3}, {"vocab_size": 5}])
def test_masked_refuses_what_means_nothing(changes: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(MASKED, **changes)
    with pytest.raises(ValueError, match="word_starts"):
        replace(MASKED, whole_words=True).ask(batch([5]))


def test_positions_of_a_model_with_a_row_for_padding_count_from_the_next_row() -> None:
    model = language_model(padding_position=0, pad_id=0)
    row = batch([12])
    given = replace(row, position_ids=torch.arange(12)[None], documents=torch.zeros(1, 12, dtype=torch.long))
    torch.testing.assert_close(answers.read(model, given), answers.read(model, row))


def test_words_end_at_special_tokens_even_where_no_start_is_marked() -> None:
    row = of(torch.tensor([[2, 9, 9, 3, 9, 9, 3]]).expand(3000, -1), word_starts=torch.zeros(3000, 7, dtype=torch.bool))
    selected = replace(MASKED, rate=0.5, whole_words=True).select(row, generator())
    assert {tuple(places) for places in selected.int().tolist()} == {(0, 1, 1, 0, 0, 0, 0), (0, 0, 0, 0, 1, 1, 0)}
