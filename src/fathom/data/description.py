"""What a data set holds, in one pass: rows, labels, lengths, repeats."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fathom.data.examples import Example
from fathom.data.splits import text_digest
from fathom.errors import DataError

SHOWN = 3  # first rows
LONGEST_SHOWN = 200  # characters of each


@dataclass(frozen=True)
class DataDescription:
    """What a person wants to know before training on a data set."""

    rows: int
    labels: dict[str, int]  # rows of each, the most frequent first; without those that have none
    unlabelled: int
    groups: int | None  # how many different ones; None where no column names them
    pairs: bool
    blank: int  # rows whose text is empty or white space
    duplicates: int  # rows whose text stood in an earlier one, up to case, markup and punctuation
    contradictions: int  # duplicates with another label than the earlier one
    characters: dict[str, int]  # median, 95th percentile and maximum a text
    sha256: str  # of texts, pairs and labels in their order
    first: list[dict[str, str | None]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def describe_data(examples: Iterable[Example]) -> DataDescription:
    """Reads a data set once; memory holds some 16 bytes a row.

    Raises:
        DataError: no rows.
    """
    labels: Counter[str] = Counter()
    first_label: dict[int, str | None] = {}
    groups: set[str] = set()
    lengths: list[int] = []
    first: list[dict[str, str | None]] = []
    unlabelled = blank = duplicates = contradictions = pairs = 0
    hashes = hashlib.sha256()
    for example in examples:
        digest = text_digest(example)
        if digest in first_label:
            duplicates += 1
            contradictions += first_label[digest] != example.label
        else:
            first_label[digest] = example.label
        if example.label is None:
            unlabelled += 1
        else:
            labels[example.label] += 1
        if example.group is not None:
            groups.add(example.group)
        pairs += example.pair is not None
        blank += not example.text.strip()
        lengths.append(len(example.text))
        add_to_hash(hashes, example)
        if len(first) < SHOWN:
            first.append({"text": example.text[:LONGEST_SHOWN], "pair": example.pair, "label": example.label})
    if not lengths:
        raise DataError("the data holds no texts", expected="at least one", do="check the file and --exclude")
    return DataDescription(
        rows=len(lengths),
        labels=dict(labels.most_common()),
        unlabelled=unlabelled,
        groups=len(groups) or None,
        pairs=pairs > 0,
        blank=blank,
        duplicates=duplicates,
        contradictions=contradictions,
        characters={
            "median": int(np.median(lengths)),
            "95th percentile": int(np.percentile(lengths, 95)),
            "maximum": max(lengths),
        },
        sha256=hashes.hexdigest(),
        first=first,
    )


def hash_of(examples: Iterable[Example]) -> str:
    """The SHA-256 of texts, pairs and labels in their order: as `DataDescription.sha256`."""
    hashes = hashlib.sha256()
    for example in examples:
        add_to_hash(hashes, example)
    return hashes.hexdigest()


def add_to_hash(hashes: Any, example: Example) -> None:
    """Adds a row to a running SHA-256."""
    fields = [example.text, example.pair, example.label]
    hashes.update(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
