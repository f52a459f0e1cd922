"""A data set as numbers: every window's token ids in one flat array, in memory or in a file, ready to be batched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from fathom.data.batches import Batch, padded_length
from fathom.data.examples import Example
from fathom.errors import DataError
from fathom.text import Encoded, LongText

_CHUNK = 1024  # texts tokenised at a time


class Encoder(Protocol):
    """What a data set needs of a tokenizer."""

    pad_id: int

    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int,
        long_text: LongText = "head",
        stride: int = 64,
    ) -> list[list[Encoded]]:
        """The windows of each text."""
        ...


@dataclass(frozen=True)
class TokenizedDataset:
    """Windows of token ids. A row is a window; most texts have one."""

    token_ids: np.ndarray  # (tokens of all rows,) int32
    segment_ids: np.ndarray | None  # the same, int8; None: all 0
    ends: np.ndarray  # (rows,) where each row ends in token_ids
    example_of: np.ndarray  # (rows,) which example each row belongs to
    labels: np.ndarray  # (rows,) int64 class numbers; -1 where there is no label
    dropped: np.ndarray  # (examples,) content tokens that no window holds
    pad_id: int

    def __len__(self) -> int:
        return len(self.ends)

    def epoch(self, number: int) -> TokenizedDataset:
        """The rows of an epoch: always these."""
        return self

    @cached_property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row."""
        return np.diff(self.ends, prepend=0)

    @cached_property
    def _longest(self) -> int:
        return int(self.lengths.max())

    @property
    def truncated_share(self) -> float:
        """The share of examples of which something was left out."""
        return float((self.dropped > 0).mean()) if len(self.dropped) else 0.0

    @classmethod
    def build(
        cls,
        examples: Iterable[Example],
        tokenizer: Encoder,
        *,
        labels: Sequence[str] | None = None,
        max_length: int,
        long_text: LongText = "head",
        stride: int = 64,
        spill_to: Path | None = None,
    ) -> TokenizedDataset:
        """Tokenises examples, a thousand at a time.

        Args:
            labels: by class number; None: labels are not read.
            max_length: tokens in a row at most; `long_text` and `stride` as for `Tokenizer.encode`.
            spill_to: a file for the token ids, for data larger than memory; None: they stay in memory.

        Raises:
            DataError: an example with a label that is not among `labels` (the row is named), or pairs in some rows only.
        """
        numbers = None if labels is None else {label: number for number, label in enumerate(labels)}
        ids: list[np.ndarray] = []
        segments: list[np.ndarray] = []
        lengths: list[int] = []
        example_of: list[int] = []
        classes: list[int] = []
        dropped: list[int] = []
        any_segments = False
        paired: bool | None = None
        file = None if spill_to is None else spill_to.open("wb")
        try:
            for chunk in _chunks(examples):
                paired = chunk[0].pair is not None if paired is None else paired
                pairs = _pairs(chunk, paired, first_row=len(dropped))
                texts = [example.text for example in chunk]
                encoded = tokenizer.encode(texts, pairs, max_length=max_length, long_text=long_text, stride=stride)
                for example, windows in zip(chunk, encoded, strict=True):
                    label = _class_number(example, numbers, row=len(dropped))
                    for window in windows:
                        row = np.array(window.token_ids, dtype=np.int32)
                        if file is None:
                            ids.append(row)
                        else:
                            file.write(row.tobytes())
                        any_segments = any_segments or window.segment_ids is not None
                        if pairs is not None:
                            segments.append(np.array(window.segment_ids or [0] * len(row), dtype=np.int8))
                        lengths.append(len(row))
                        example_of.append(len(dropped))
                        classes.append(label)
                    dropped.append(windows[0].dropped)
        finally:
            if file is not None:
                file.close()
        if spill_to is not None and lengths:
            flat: np.ndarray = np.memmap(spill_to, dtype=np.int32, mode="r")
        else:
            flat = np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32)
        return cls(
            token_ids=flat,
            segment_ids=np.concatenate(segments) if any_segments else None,
            ends=np.cumsum(lengths, dtype=np.int64),
            example_of=np.array(example_of, dtype=np.int64),
            labels=np.array(classes, dtype=np.int64),
            dropped=np.array(dropped, dtype=np.int64),
            pad_id=tokenizer.pad_id,
        )

    def batch(self, rows: np.ndarray, *, rounded: bool = True) -> Batch:
        """The rows as one batch, padded to `padded_length` of the longest of them, and never beyond the longest of all."""
        ends = self.ends[rows]
        starts = np.where(rows > 0, self.ends[rows - 1], 0)
        lengths = ends - starts
        longest = padded_length(int(lengths.max()), self._longest, rounded=rounded)
        token_ids = np.full((len(rows), longest), self.pad_id, dtype=np.int64)
        segment_ids = None if self.segment_ids is None else np.zeros((len(rows), longest), dtype=np.int64)
        for place, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            token_ids[place, : end - start] = self.token_ids[start:end]
            if segment_ids is not None and self.segment_ids is not None:
                segment_ids[place, : end - start] = self.segment_ids[start:end]
        padding = None if (lengths == longest).all() else np.arange(longest) >= lengths[:, None]
        labels = self.labels[rows]
        return Batch(
            token_ids=torch.from_numpy(token_ids),
            padding_mask=None if padding is None else torch.from_numpy(padding),
            segment_ids=None if segment_ids is None else torch.from_numpy(segment_ids),
            labels=None if (labels < 0).any() else torch.from_numpy(labels),
            example_ids=self.example_of[rows].tolist(),
            tokens=int(lengths.sum()),
        )


def _chunks(examples: Iterable[Example]) -> Iterator[list[Example]]:
    rows = iter(examples)
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _pairs(chunk: list[Example], paired: bool, *, first_row: int) -> list[str] | None:
    for row, example in enumerate(chunk, start=first_row):
        if (example.pair is not None) != paired:
            given = "no second text, others have one" if paired else "a second text, others have none"
            raise DataError(f"example {row} (counted from 0) has {given}", expected="pairs in every row, or in none")
    return [example.pair for example in chunk if example.pair is not None] if paired else None


def _class_number(example: Example, numbers: dict[str, int] | None, *, row: int) -> int:
    if numbers is None or example.label is None:
        return -1
    if example.label not in numbers:
        raise DataError(
            f"example {row} (counted from 0) has the label {example.label!r}",
            expected=f"one of {', '.join(map(repr, list(numbers)[:12]))}",
            do="correct the label, or train a model that knows it",
        )
    return numbers[example.label]
