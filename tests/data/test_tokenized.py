"""A data set as numbers: what is in memory and what lies in a file are the same, and nothing is lost unsaid."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fathom.data import Example, TokenizedDataset, plan_batches
from fathom.data.batches import padded_length
from fathom.data.tokenized import _CHUNK
from fathom.errors import DataError
from fathom.text import Encoded, Tokenizer
from tests import tiny

LABELS = ["bad", "good"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny.tokenizer()


def build(examples: Any, tokenizer: Tokenizer, **options: Any) -> TokenizedDataset:
    return TokenizedDataset.build(examples, tokenizer, **{"labels": LABELS, "max_length": 16, **options})


def rows_of(data: TokenizedDataset) -> list[list[int]]:
    return [ids.tolist() for ids in np.split(data.token_ids, data.ends[:-1])]


def test_tokenized_rows_are_what_the_tokenizer_gives(tokenizer: Tokenizer) -> None:
    examples = [*tiny.examples(), Example("", "bad"), Example("funny " * 30, "good")]
    data = build(examples, tokenizer)
    encoded = tokenizer.encode([example.text for example in examples], max_length=16)
    assert rows_of(data) == [window.token_ids for (window,) in encoded]
    assert data.lengths.tolist() == [len(window.token_ids) for (window,) in encoded]
    assert data.dropped.tolist() == [window.dropped for (window,) in encoded]
    assert data.labels.tolist() == [LABELS.index(example.label or "") for example in examples]
    assert data.example_of.tolist() == list(range(len(examples)))
    assert data.segment_ids is None
    assert data.dropped[-1] > 0
    assert data.truncated_share == (data.dropped > 0).mean()


def test_tokenized_windows_are_rows_of_one_example(tokenizer: Tokenizer) -> None:
    examples = [Example("a joy", "good"), Example("dull and endless " * 20, "bad"), Example("warm", "good")]
    data = build(examples, tokenizer, long_text="windows", stride=4)
    windows = tokenizer.encode([examples[1].text], max_length=16, long_text="windows", stride=4)[0]
    assert len(windows) > 2
    assert data.example_of.tolist() == [0, *[1] * len(windows), 2]
    assert data.labels.tolist() == [1, *[0] * len(windows), 1]
    assert rows_of(data)[1:-1] == [window.token_ids for window in windows]
    assert data.dropped.tolist() == [0, 0, 0]
    assert data.truncated_share == 0


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
def test_tokenized_in_a_file_equals_in_memory(tmp_path: Path, tokenizer: Tokenizer, pairs: bool) -> None:
    examples = [
        Example(f"a joy from start to finish {number} " * (number % 5), LABELS[number % 2], pair="dull film" if pairs else None)
        for number in range(2 * _CHUNK + 7)
    ]
    in_memory = build(examples, tokenizer)
    in_file = build(iter(examples), tokenizer, spill_to=tmp_path / "ids")
    assert isinstance(in_file.token_ids, np.memmap)
    assert (tmp_path / "ids").stat().st_size == in_memory.token_ids.nbytes
    for name in ("token_ids", "ends", "example_of", "labels", "dropped"):
        np.testing.assert_array_equal(getattr(in_file, name), getattr(in_memory, name))
        assert getattr(in_file, name).dtype == getattr(in_memory, name).dtype
    assert (in_memory.segment_ids is not None) == pairs
    if in_memory.segment_ids is not None and in_file.segment_ids is not None:
        np.testing.assert_array_equal(in_file.segment_ids, in_memory.segment_ids)
    rows = np.array([3, 2 * _CHUNK, 0, 1])
    torch.testing.assert_close(in_file.batch(rows).token_ids, in_memory.batch(rows).token_ids)


class Words:
    """A tokenizer that knows one word."""

    pad_id = 0

    def encode(self, texts: Any, pairs: Any = None, *, max_length: int, long_text: str = "head", stride: int = 64) -> Any:
        return [[Encoded([7] * max_length, None, None, 0)] for _ in texts]


def test_tokenized_with_a_file_holds_neither_texts_nor_ids(tmp_path: Path) -> None:
    rows, length = 20_000, 512

    def examples() -> Iterator[Example]:
        for number in range(rows):
            yield Example(f"{number} " * 100, "good")

    tracemalloc.start()
    try:
        data = TokenizedDataset.build(examples(), Words(), labels=LABELS, max_length=length, spill_to=tmp_path / "ids")
        alive, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data) == rows
    assert data.token_ids.nbytes == 4 * rows * length
    assert alive < data.token_ids.nbytes / 5
    assert peak < data.token_ids.nbytes / 2


def test_tokenized_asks_for_a_chunk_of_examples_at_a_time(tokenizer: Tokenizer) -> None:
    asked = 0

    def examples() -> Iterator[Example]:
        nonlocal asked
        for number in range(3 * _CHUNK):
            asked += 1
            yield Example("a joy", "good" if number < _CHUNK else "odd")

    with pytest.raises(DataError, match=f"example {_CHUNK} "):
        build(examples(), tokenizer)
    assert asked == 2 * _CHUNK


def test_tokenized_unknown_label_names_the_row_and_those_that_are_known(tokenizer: Tokenizer) -> None:
    examples = [*tiny.examples(), Example("odd", "meh"), Example("odder", "meh")]
    with pytest.raises(DataError) as error:
        build(examples, tokenizer)
    assert f"example {len(examples) - 2} (counted from 0) has the label 'meh'" in str(error.value)
    assert "'bad', 'good'" in str(error.value)


def test_tokenized_labels_are_not_read_unless_asked_for(tokenizer: Tokenizer) -> None:
    data = build([Example("a joy", "unheard of"), Example("dull")], tokenizer, labels=None)
    assert data.labels.tolist() == [-1, -1]
    assert data.batch(np.array([0, 1])).labels is None
    partly = build([Example("a joy", "good"), Example("dull")], tokenizer)
    assert partly.labels.tolist() == [1, -1]
    assert partly.batch(np.array([0, 1])).labels is None
    labels = partly.batch(np.array([0])).labels
    assert labels is not None
    assert labels.tolist() == [1]


@pytest.mark.parametrize("odd", [1, _CHUNK - 1, _CHUNK, _CHUNK + 5], ids=["second", "end of chunk", "next chunk", "later"])
@pytest.mark.parametrize("first_has_pair", [True, False])
def test_tokenized_pairs_in_some_rows_only_name_the_row(tokenizer: Tokenizer, odd: int, first_has_pair: bool) -> None:
    pair, other = ("b", None) if first_has_pair else (None, "b")
    examples = [Example("a", "good", pair=pair if row < odd else other) for row in range(_CHUNK + 10)]
    says = "no second text, others have one" if first_has_pair else "a second text, others have none"
    with pytest.raises(DataError, match=rf"example {odd} \(counted from 0\) has {says}"):
        build(examples, tokenizer)


def test_tokenized_pairs_keep_their_segments(tokenizer: Tokenizer) -> None:
    examples = [Example("a joy", "good", pair="warm and funny"), Example("dull", "bad", pair="a film")]
    batch = build(examples, tokenizer).batch(np.array([1, 0]))
    encoded = tokenizer.encode(["dull", "a joy"], ["a film", "warm and funny"], max_length=16)
    assert batch.segment_ids is not None
    for row, (window,) in enumerate(encoded):
        size = len(window.token_ids)
        assert batch.token_ids[row, :size].tolist() == window.token_ids
        assert batch.segment_ids[row, :size].tolist() == window.segment_ids
        assert batch.segment_ids[row, size:].eq(0).all()


def test_tokenized_batch_pads_to_about_its_longest_row(tokenizer: Tokenizer) -> None:
    data = build(tiny.examples(), tokenizer)
    everything = rows_of(data)
    for rows in plan_batches(data.lengths, max_tokens=64, shuffle=True):
        batch = data.batch(rows)
        sizes = [len(everything[row]) for row in rows]
        assert batch.token_ids.shape == (len(rows), padded_length(max(sizes), int(data.lengths.max())))
        assert batch.tokens == sum(sizes)
        assert batch.example_ids == rows.tolist()
        for place, row in enumerate(rows):
            assert batch.token_ids[place].tolist() == everything[row] + [data.pad_id] * (
                batch.token_ids.shape[1] - sizes[place]
            )
        length = batch.token_ids.shape[1]
        if min(sizes) == length:
            assert batch.padding_mask is None
        else:
            assert batch.padding_mask is not None
            assert batch.padding_mask.sum(1).tolist() == [length - size for size in sizes]
            assert batch.token_ids[batch.padding_mask].eq(data.pad_id).all()


def test_tokenized_nothing_is_an_empty_data_set(tmp_path: Path, tokenizer: Tokenizer) -> None:
    for spill_to in (None, tmp_path / "ids"):
        data = build([], tokenizer, spill_to=spill_to)
        assert len(data) == len(data.token_ids) == 0
        assert data.truncated_share == 0
        assert plan_batches(data.lengths, max_tokens=10, shuffle=True) == []
