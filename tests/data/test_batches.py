"""Batches: every row once, under the budget, with little padding, the same from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Batch, open_data, padding_share, plan_batches, random_padding_share
from fathom.data.batches import padded_length

LENGTHS = st.lists(st.integers(1, 600), max_size=200).map(lambda lengths: np.array(lengths, dtype=np.int64))


def realistic(rows: int = 5000) -> np.ndarray:
    """Lengths as reviews have them: log-normal, median 170 words, cut at 512 tokens."""
    return np.random.default_rng(0).lognormal(5.15, 0.65, rows).clip(4, 512).astype(np.int64)


def as_lists(plan: list[np.ndarray]) -> list[list[int]]:
    return [rows.tolist() for rows in plan]


@given(
    lengths=LENGTHS,
    max_tokens=st.integers(1, 3000),
    max_rows=st.none() | st.integers(1, 20),
    shuffle=st.booleans(),
    seed=st.integers(0, 1000),
    epoch=st.integers(0, 5),
)
def test_batches_hold_every_row_once_and_keep_the_budget(
    lengths: np.ndarray, max_tokens: int, max_rows: int | None, shuffle: bool, seed: int, epoch: int
) -> None:
    plan = plan_batches(lengths, max_tokens=max_tokens, max_rows=max_rows, shuffle=shuffle, seed=seed, epoch=epoch)
    assert sorted(row for rows in plan for row in rows.tolist()) == list(range(len(lengths)))
    for rows in plan:
        assert len(rows) >= 1
        assert len(rows) * lengths[rows].max() <= max_tokens or len(rows) == 1
        assert max_rows is None or len(rows) <= max_rows
    again = plan_batches(lengths, max_tokens=max_tokens, max_rows=max_rows, shuffle=shuffle, seed=seed, epoch=epoch)
    assert as_lists(again) == as_lists(plan)


def test_batches_are_as_full_as_the_budget_allows() -> None:
    plan = plan_batches(np.full(100, 10), max_tokens=100, shuffle=False)
    assert [len(rows) for rows in plan] == [10] * 10
    assert [len(rows) for rows in plan_batches(np.full(100, 10), max_tokens=100, max_rows=7, shuffle=False)] == [7] * 14 + [2]


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_keep_every_budget_to_the_token(shuffle: bool) -> None:
    lengths = np.random.default_rng(0).integers(10, 200, 300)
    for max_tokens in range(400, 1000, 7):
        plan = plan_batches(lengths, max_tokens=max_tokens, shuffle=shuffle)
        assert max(len(rows) * lengths[rows].max() for rows in plan) <= max_tokens


def test_batches_differ_by_seed_and_by_epoch() -> None:
    lengths = realistic(500)
    plans = [
        as_lists(plan_batches(lengths, max_tokens=4096, shuffle=True, seed=seed, epoch=epoch))
        for seed in range(3)
        for epoch in range(3)
    ]
    in_batches = {frozenset(frozenset(rows) for rows in plan) for plan in plans}
    assert len(in_batches) == 9, "other rows together, not only another order of batches"


def test_batches_in_random_order_do_not_go_from_short_to_long() -> None:
    lengths = realistic()
    plan = plan_batches(lengths, max_tokens=8192, shuffle=True)
    means = np.array([lengths[rows].mean() for rows in plan])
    assert abs(np.corrcoef(means, np.arange(len(plan)))[0, 1]) < 0.2
    ordered = plan_batches(lengths, max_tokens=8192, shuffle=False)
    assert np.all(np.diff([lengths[rows].max() for rows in ordered]) >= 0)


@pytest.mark.parametrize("max_tokens", [2048, 8192, 32_768])
def test_batches_pad_less_than_half_of_what_random_ones_do(max_tokens: int) -> None:
    lengths = realistic()
    plan = plan_batches(lengths, max_tokens=max_tokens, shuffle=True)
    random = random_padding_share(lengths, round(len(lengths) / len(plan)))
    assert random > 0.3
    assert padding_share(lengths, plan) < random / 2


def test_batches_of_real_sentences_pad_less_than_half_of_what_random_ones_do() -> None:
    lengths = np.array([len(example.text.split()) + 2 for example in open_data("rotten-tomatoes")])
    plan = plan_batches(lengths, max_tokens=2048, max_rows=32, shuffle=True)
    assert padding_share(lengths, plan) < random_padding_share(lengths, 32) / 2


def test_padding_share_counts_what_is_padding() -> None:
    lengths = np.array([1, 8, 5, 4])
    assert padding_share(lengths, [np.array([0, 3]), np.array([1, 2])]) == pytest.approx(1 - 18 / (2 * 4 + 2 * 8))
    assert padding_share(np.zeros(0, dtype=np.int64), []) == 0
    assert random_padding_share(np.zeros(0, dtype=np.int64), 8) == 0
    assert random_padding_share(lengths, 4) == pytest.approx(1 - 18 / 32)


@given(longest=st.integers(1, 600), more=st.integers(0, 600))
def test_padded_length_takes_few_values_and_wastes_little(longest: int, more: int) -> None:
    padded = padded_length(longest, longest + more)
    assert longest <= padded <= longest + min(15, more)
    assert padded == longest + more or padded % 4 == 0
    assert len({padded_length(length, 512) for length in range(1, 513)}) < 50


def test_batch_moves_whole() -> None:
    ids = torch.ones(2, 3, dtype=torch.long)
    batch = Batch(ids, ids.bool(), None, torch.tensor([0, 1]), [4, 5], 6)
    moved = batch.to(torch.device("meta"))
    assert moved.token_ids.is_meta
    assert moved.padding_mask is not None
    assert moved.padding_mask.is_meta
    assert moved.labels is not None
    assert moved.labels.is_meta
    assert (moved.segment_ids, moved.example_ids, moved.tokens) == (None, [4, 5], 6)
