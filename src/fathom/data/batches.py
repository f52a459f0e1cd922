"""Batches of texts of about the same length, under a budget of tokens, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

_NOISE = 0.1  # lengths are compared after growing by up to this share, so that an epoch's batches differ from the last's


@dataclass(frozen=True)
class Batch:
    """What a model reads at once: B rows of L tokens."""

    token_ids: Tensor  # (B, L) int64
    padding_mask: Tensor | None  # (B, L) booleans, True where padding; None where no row is padded
    segment_ids: Tensor | None  # (B, L) int64; None: all 0
    labels: Tensor | None  # (B,) int64
    example_ids: list[int]  # which example of the data set each row belongs to
    tokens: int  # without padding
    documents: Tensor | None = None  # (B, L) int64, which of several texts in a row a token belongs to; None: there is one
    position_ids: Tensor | None = None  # (B, L) int64, counted in each of these texts; None: 0, 1, 2, … along the row
    word_starts: Tensor | None = None  # (B, L) booleans, True where a word starts; special tokens are words of their own
    continues: Tensor | None = None  # (B,) booleans, True where a row goes on where the same row of the batch before ended

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: value.to(device) for name, value in held.items() if isinstance(value, Tensor)}
        return replace(self, **moved)


class Rows(Protocol):
    """Rows of tokens that can be put into batches."""

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row."""
        ...

    def batch(self, rows: np.ndarray) -> Batch:
        """Some of them, by number."""
        ...


@runtime_checkable
class OrderedRows(Rows, Protocol):
    """Rows that have to be read in an order of their own, such as those of a text that runs on from batch to batch."""

    batches: list[np.ndarray]  # the rows of each batch


class Epochs(Protocol):
    """What a training run reads: rows that may differ from epoch to epoch, the same ones for the same number."""

    def epoch(self, number: int) -> Rows:
        """The rows of an epoch, counted from 0."""
        ...


def padded_length(longest: int, limit: int, *, rounded: bool = True) -> int:
    """The length to which a batch is padded: the next multiple of 4, beyond 64 of 16, at most `limit`; or just the longest.

    A processor's kernels for bfloat16 are prepared anew, and kept, for every shape that they meet: some 10 MB a shape in a
    model of 22 million parameters. Few shapes cost a few percent more padding and keep memory from growing as training goes
    on. Where nothing is prepared for a shape, most batches of many texts need no padding at all.
    """
    if not rounded:
        return longest
    step = 4 if longest <= 64 else 16
    return min(-(-longest // step) * step, max(limit, longest))


def plan_batches(
    lengths: np.ndarray,
    *,
    max_tokens: int,
    max_rows: int | None = None,
    shuffle: bool,
    seed: int = 0,
    epoch: int = 0,
    rounded: bool = True,
) -> list[np.ndarray]:
    """Row numbers for each batch: every row once, similar lengths together.

    Args:
        lengths: (rows,) tokens of each row.
        max_tokens: of a batch, padding included; a longer row gets a batch of its own.
        max_rows: of a batch.
        shuffle: batches in random order, and rows mixed among those of about the same length.
        seed: with `epoch`, decides the order; the same two give the same plan.
        rounded: as for `padded_length`.
    """
    generator = np.random.default_rng([seed, epoch]) if shuffle else None
    keys = lengths if generator is None else lengths * generator.uniform(1, 1 + _NOISE, len(lengths))
    order = np.argsort(keys, kind="stable")
    starts, longest, rows = [0], 0, 0
    limit = int(lengths.max()) if len(lengths) else 0
    ordered = lengths[order].tolist()
    padded = {length: padded_length(length, limit, rounded=rounded) for length in set(ordered)}
    for place, length in enumerate(ordered):
        longest = max(longest, padded[length])
        rows += 1
        if rows > 1 and (rows * longest > max_tokens or (max_rows is not None and rows > max_rows)):
            starts.append(place)
            longest, rows = padded[length], 1
    batches = np.split(order, starts[1:]) if len(order) else []
    if generator is not None:
        batches = [batches[place] for place in generator.permutation(len(batches))]
    return batches


def padding_share(lengths: np.ndarray, plan: Sequence[np.ndarray]) -> float:
    """The share of a plan's tokens that are padding."""
    limit = int(lengths.max()) if len(lengths) else 0
    padded = sum(len(rows) * padded_length(int(lengths[rows].max()), limit) for rows in plan)
    return 1 - int(lengths.sum()) / padded if padded else 0.0


def random_padding_share(lengths: np.ndarray, rows: int, seed: int = 0) -> float:
    """The share of padding if batches of `rows` were drawn at random: what the plan is compared with."""
    order = np.random.default_rng(seed).permutation(len(lengths))
    return padding_share(lengths, np.array_split(order, max(1, round(len(lengths) / rows)))) if len(lengths) else 0.0
