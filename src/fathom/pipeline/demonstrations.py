"""Which labelled rows a language model is shown in its prompt, and which it is measured on: no text and no group in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fathom.data import Columns, Example, assign_parts, open_data, split_key, splits_of, text_digest

DEMONSTRATION_SHARE = 0.2  # of data that has no training part of its own


@dataclass(frozen=True)
class Rows:
    """Which rows are measured on, and which are shown."""

    measured: list[Example]
    pool: dict[int, Example]  # by row number; no text and no group of these is measured on, and none is there twice
    split: str | None  # what is measured on
    source: str  # what `pool` is from
    available: int  # rows that `measured` was drawn from


def choose_rows(
    data: str,
    *,
    split: str | None = None,
    train_split: str | None = None,
    limit: int | None = None,
    columns: Columns = Columns(),
    seed: int = 0,
) -> Rows:
    """Rows of DATA to measure on, and others to draw demonstrations from.

    Args:
        split: to measure on; None: "test" where a named data set or a folder has one.
        train_split: to draw demonstrations from. None: "train" where a named data set or a folder has one and it is not what
            is measured on; otherwise a fifth of the rows, by a hash of their group or text.
        limit: measure on so many texts, drawn by the seed; None: on all.

    Raises:
        DataError: data or a part that is not there, or a row without a label.
    """
    known = ("train", "test") if Path(data).is_dir() else splits_of(data)
    chosen = split or ("test" if "test" in known else None)
    if train_split is None and "train" in known and chosen not in (None, "train"):
        train_split = "train"
    rows = dict(enumerate(open_data(data, split=chosen, columns=columns, labelled=True)))
    if train_split is None or train_split == chosen:
        keys = list(map(split_key, rows.values()))
        shares = {"demonstrations": DEMONSTRATION_SHARE, "measured": 1 - DEMONSTRATION_SHARE}
        parts = assign_parts(keys, shares, seed=seed)
        pool = {row: example for row, example in rows.items() if parts[row] == "demonstrations"}
        rows = {row: example for row, example in rows.items() if parts[row] == "measured"}
        source = f"{100 * DEMONSTRATION_SHARE:.0f} % of the rows, by a hash of their group or text"
    else:
        pool = dict(enumerate(open_data(data, split=train_split, columns=columns, labelled=True)))
        source = f"the part {train_split}"
    available = len(rows)
    if limit is not None and limit < available:
        kept = np.random.default_rng(seed).choice(list(rows), limit, replace=False)
        rows = {row: rows[row] for row in sorted(kept.tolist())}
    measured = list(rows.values())
    return Rows(measured, _apart(pool, measured), chosen, source, available)


def _apart(pool: Mapping[int, Example], examples: Sequence[Example]) -> dict[int, Example]:
    """The rows of `pool` that share no text and no group with `examples`, each text once."""
    taken = {text_digest(example) for example in examples}
    groups = {example.group for example in examples} - {None}
    kept = {}
    for row, example in pool.items():
        digest = text_digest(example)
        if digest not in taken and example.group not in groups:
            kept[row] = example
            taken.add(digest)
    return kept
