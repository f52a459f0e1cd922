"""Next sentence, sentence order, and their mixtures with masked language."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from fathom.data import Batch
from fathom.model import PretrainingModel
from fathom.objectives import MaskedLanguage, Mixture, NextSentence, SentenceOrder
from fathom.objectives.topic_baseline import _best_threshold, topic_baseline
from tests.objectives.batches import CLASS, MASK, SEPARATOR, SPECIAL_IDS, VOCABULARY, batch, of, pretraining_model
from tests.tiny import config

MASKED = MaskedLanguage(MASK, VOCABULARY, SPECIAL_IDS)
RELATIONS = [NextSentence(), SentenceOrder()]


@pytest.mark.parametrize("objective", RELATIONS)
def test_relation_loss_is_that_of_the_pairs_label(objective: NextSentence | SentenceOrder) -> None:
    model, given_batch = pretraining_model(), batch([30, 12, 8], pairs=True, labels=[0, 1, 1])
    found = objective.answers(model, given_batch)
    logits = model(given_batch.token_ids, given_batch.padding_mask, given_batch.segment_ids)[1]
    torch.testing.assert_close(found.losses(), cross_entropy(logits, given_batch.labels, reduction="none"))
    assert torch.equal(found.hits, logits.argmax(dim=1) == given_batch.labels)


@pytest.mark.parametrize("objective", RELATIONS)
def test_relation_needs_labels(objective: NextSentence | SentenceOrder) -> None:
    with pytest.raises(ValueError, match="the batch has no labels"):
        objective.losses(pretraining_model(), batch([9], pairs=True))


@pytest.mark.parametrize("relation", RELATIONS)
def test_mixture_is_the_weighted_sum_of_its_parts_in_one_reading(relation: NextSentence | SentenceOrder) -> None:
    model, given_batch = pretraining_model(), batch([30, 12, 8], pairs=True, labels=[0, 1, 1])
    passes = []
    model.transformer.register_forward_hook(lambda module, inputs, output: passes.append(inputs[0]))
    mixture = Mixture(((1.0, MASKED), (0.5, relation)))
    torch.manual_seed(1)
    losses = mixture.losses(model, given_batch)
    assert len(passes) == 1
    torch.manual_seed(1)
    question = MASKED.ask(given_batch)
    assert torch.equal(passes[0], question.batch.token_ids)
    tokens, label = model(question.batch.token_ids, given_batch.padding_mask, given_batch.segment_ids)
    for row in range(3):
        places = question.columns[question.rows == row]
        hidden = cross_entropy(tokens[row, places], given_batch.token_ids[row, places])
        torch.testing.assert_close(losses[row], hidden + 0.5 * cross_entropy(label[row], given_batch.labels[row]))


def test_mixture_of_a_fresh_model_starts_at_guessing_and_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    model = PretrainingModel(config(width=32))
    given_batch = batch([32] * 32, pairs=True, labels=[0, 1] * 16)
    loss = Mixture(((1.0, MASKED), (1.0, NextSentence()))).losses(model, given_batch).mean()
    assert loss.item() == pytest.approx(math.log(VOCABULARY) + math.log(2), rel=0.02)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith("attention.key.bias"), name


@pytest.mark.parametrize("parts", [(), ((0.0, MASKED),), ((1.0, MASKED), (-1.0, NextSentence()))])
def test_mixture_refuses_weights_that_mean_nothing(parts: tuple) -> None:
    with pytest.raises(ValueError, match="weights are"):
        Mixture(parts)


def topical(pairs: int, seed: int, share: float) -> Batch:
    """Pairs of texts: with label 0 both about one of 15 topics, with label 1 about two. `share`: of words on the topic."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(pairs) % 2
    topics = torch.randint(15, (pairs, 2), generator=generator)
    topics[:, 1] = torch.where(labels == 0, topics[:, 0], (topics[:, 0] + 1 + topics[:, 1] % 14) % 15)

    def text(topic: torch.Tensor) -> torch.Tensor:
        on_topic = 50 + 10 * topic[:, None] + torch.randint(10, (pairs, 12), generator=generator)
        common = torch.randint(5, 50, (pairs, 12), generator=generator)
        return torch.where(torch.rand(pairs, 12, generator=generator) < share, on_topic, common)

    special = torch.full((pairs, 1), SEPARATOR)
    rows = torch.cat([torch.full((pairs, 1), CLASS), text(topics[:, 0]), special, text(topics[:, 1]), special], dim=1)
    segments = (torch.arange(rows.shape[1]) > 13).long().expand(pairs, -1)
    return of(rows, segment_ids=segments, labels=labels)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.42, 0.58), (0.25, 0.65, 0.95), (1.0, 0.99, 1.0)])
def test_topic_baseline_solves_what_common_words_give_away(share: float, least: float, most: float) -> None:
    train = [topical(200, seed, share) for seed in range(3)]
    found = topic_baseline(train, [topical(400, 9, share)], vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)
    assert least <= found.accuracy <= most
    assert found.pairs == 400


def test_topic_baseline_needs_pairs_with_labels() -> None:
    pairs = [topical(10, 0, 0.5)]
    with pytest.raises(ValueError, match="no labels or no segments"):
        topic_baseline([batch([9])], pairs, vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)
    with pytest.raises(ValueError, match="there are no pairs"):
        topic_baseline(pairs, [], vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)


def test_topic_baseline_finds_the_best_threshold() -> None:
    """Against trying all of them, where labels and similarity have little to do with each other."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        cosines = (torch.randint(6, (9,), generator=generator) / 5).numpy()
        labels = torch.randint(2, (9,), generator=generator).numpy()
        tried = [((cosines <= cut) == (labels == 1)).mean() for cut in (-1, *cosines)]
        assert ((cosines <= _best_threshold(cosines, labels)) == (labels == 1)).mean() == max(tried)
