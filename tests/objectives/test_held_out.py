import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from fathom.data import Batch
from fathom.errors import DataError
from fathom.model import LanguageModel
from fathom.objectives import (
    CausalLanguage,
    MaskedLanguage,
    Mixture,
    NextSentence,
    PermutationLanguage,
    ReplacedTokens,
    TokenCounts,
    held_out,
    measure,
)
from tests.objectives.batches import MASK, SPECIAL_IDS, VOCABULARY, batch, language_model, of, pretraining_model
from tests.objectives.test_permutation import RELATIVE
from tests.objectives.test_replaced import models
from tests.tiny import config

MASKED = MaskedLanguage(MASK, VOCABULARY, SPECIAL_IDS)


def text(rows: int, seed: int) -> Batch:
    """At each place a token of its own, in three of four cases; the others are random."""
    generator = np.random.default_rng(seed)
    columns = np.arange(24)
    token_ids = np.where(generator.random((rows, 24)) < 0.75, 5 + columns * 7 % 45, generator.integers(5, 50, (rows, 24)))
    token_ids[:, 0] = 2
    return of(torch.from_numpy(token_ids))


def test_counts_are_the_formulas_of_unigram_and_bigram(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [batch([30, 12, 3], seed=seed) for seed in range(40)]
    small = [replace(each, token_ids=each.token_ids.where(each.token_ids < 5, 5 + each.token_ids % 20)) for each in batches]
    counts = TokenCounts.of(small, vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)
    single: Counter[int] = Counter()
    double: Counter[tuple[int, int]] = Counter()
    for each in small:
        for row, length in zip(each.token_ids.tolist(), [30, 12, 3], strict=True):
            for before, token in pairwise(row[:length]):
                if token >= 5:
                    single[token] += 1
                    double[before, token] += 1
    tokens = np.arange(5, VOCABULARY)
    unigram = counts.unigram(tokens)
    assert unigram.sum() == pytest.approx(1)
    assert unigram == pytest.approx([(single[token] + 1) / (single.total() + 195) for token in tokens.tolist()])
    for before in (2, 5, 17, 24, 100, -1):  # a beginning, three tokens, one never seen, none
        found = counts.bigram(np.full(195, before), tokens)
        assert found.sum() == pytest.approx(1)
        after = {token: count for (first, token), count in double.items() if first == before}
        for token, chance in zip(tokens.tolist(), found, strict=True):
            expected = unigram[token - 5]
            if after:
                expected *= 0.75 * len(after) / sum(after.values())
                expected += max(after.get(token, 0) - 0.75, 0) / sum(after.values())
            assert chance == pytest.approx(expected)


def test_counts_stop_at_the_borders_of_texts() -> None:
    packed = of(torch.tensor([[5, 6, 7, 8]]), documents=torch.tensor([[0, 0, 1, 1]]))
    counts = TokenCounts.of([packed], vocab_size=10, special_ids=())
    assert counts.codes.tolist() == [56, 78]


def test_a_model_that_has_learned_beats_counting_on_text_it_has_not_seen() -> None:
    train, test = [text(200, seed) for seed in range(8)], [text(100, seed) for seed in range(100, 103)]
    counts = TokenCounts.of(train, vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)
    torch.manual_seed(0)
    model = LanguageModel(config(width=32, segments=0, dropout=0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(80):
        loss = MASKED.losses(model, train[step % 8]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = measure(model, MASKED, test, special_ids=SPECIAL_IDS, text_bytes=10_000, counts=counts)["token"]
    assert found.unigram_loss < math.log(45) + 0.1
    assert found.bigram_loss < found.unigram_loss - 0.5
    assert found.loss < found.bigram_loss - 0.2  # it knows the place
    assert found.accuracy > 0.5
    assert found.bits_per_byte == pytest.approx(found.loss * 300 * 23 / 10_000 / math.log(2))
    assert model.training


def test_measure_is_the_mean_over_all_answers_and_the_same_every_time() -> None:
    model, batches = language_model(), [batch([30, 12], seed=1), batch([9, 20, 5], seed=2)]
    state = torch.get_rng_state()
    first, again = (measure(model, MASKED, batches, seed=3) for _ in range(2))
    assert first == again
    assert torch.equal(torch.get_rng_state(), state)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        answers = [MASKED.answers(model, each, generator) for each in batches]
    nats = torch.cat([each.nats for each in answers])
    assert first["token"].answers == len(nats)
    assert first["token"].loss == pytest.approx(nats.mean().item(), abs=1e-5)
    assert first["token"].accuracy == pytest.approx(torch.cat([each.hits for each in answers]).double().mean().item())
    assert first["token"].bits_per_byte is first["token"].unigram_loss is None
    assert measure(model, MASKED, batches, seed=4) != first


def test_measure_of_a_causal_model_compares_the_same_tokens() -> None:
    train, test = [text(200, seed) for seed in range(3)], [text(50, 9)]
    counts = TokenCounts.of(train, vocab_size=VOCABULARY, special_ids=(0,))
    found = measure(language_model(causal=True, segments=0), CausalLanguage(), test, counts=counts)["token"]
    assert found.answers == 50 * 23
    tokens = test[0].token_ids.numpy()
    chances = counts.bigram(tokens[:, :-1].ravel(), tokens[:, 1:].ravel())
    assert found.bigram_loss == pytest.approx(-np.log(chances).mean())


def test_measure_takes_every_objective() -> None:
    pairs = [batch([20, 14], pairs=True, labels=[0, 1])]
    mixture = Mixture(((1.0, MASKED), (1.0, NextSentence())))
    found = measure(pretraining_model(), mixture, pairs)
    assert set(found) == {"token", "relation"}
    assert found["relation"].answers == 2
    replaced = measure(models(), ReplacedTokens(MASKED), [batch([20, 14])])
    assert replaced["replaced"].answers == 34
    remembering = PermutationLanguage(SPECIAL_IDS, memory=8)
    model = language_model(**RELATIVE)
    remembering.losses(model, batch([20]))
    before = {name: tensor.clone() for name, tensor in remembering.state().items()}
    measure(model, remembering, [batch([20, 14]), batch([20, 14])])
    after = remembering.state()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_measure_stops_if_asked_and_refuses_nothing() -> None:
    assert measure(language_model(), MASKED, [batch([9])], stop=lambda: True) is None
    for batches in ([], [batch([2])]):
        with pytest.raises(DataError, match="nothing can be asked"):
            measure(language_model(), MASKED, batches)


def test_counts_of_many_tokens_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [text(20, seed) for seed in range(6)]
    whole = TokenCounts.of(batches, vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)
    monkeypatch.setattr(held_out, "_WAITING", 700)
    parts = TokenCounts.of(batches, vocab_size=VOCABULARY, special_ids=SPECIAL_IDS)
    assert np.array_equal(whole.codes, parts.codes)
    assert np.array_equal(whole.counts, parts.counts)
