"""Parts of a data set that share no group and no text, and what two data sets share all the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fathom.data.examples import Example

_MARKUP = re.compile(r"<[^<>]{1,200}>")


class _Letters(dict[int, str]):
    """For `str.translate`: letters and digits stay, all else becomes a space. Twice as fast as a regular expression."""

    def __missing__(self, point: int) -> str:
        self[point] = chr(point) if chr(point).isalnum() else " "
        return self[point]


_LETTERS = _Letters()


def assign_parts(keys: Sequence[str], fractions: Mapping[str, float], *, seed: int) -> list[str]:
    """The part of each row: rows with the same key get the same part, whatever their order.

    Keys are ranked by a hash of (seed, key) and the ranking is cut so that each part has its share of the rows, to within
    the size of one group.

    Args:
        keys: one a row: its group, or its text.
        fractions: {part: share of the rows}; the shares sum to 1.
        seed: another seed gives another split.
    """
    assert abs(sum(fractions.values()) - 1) < 1e-9, f"shares {dict(fractions)} sum to {sum(fractions.values())}, not 1"
    sizes: dict[str, int] = {}
    for key in keys:
        sizes[key] = sizes.get(key, 0) + 1
    ranked = sorted(sizes, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogatepass")).digest())
    names = list(fractions)
    ends = [sum(list(fractions.values())[: place + 1]) * len(keys) for place in range(len(names))]
    parts: dict[str, str] = {}
    rows, place = 0, 0
    for key in ranked:
        middle = rows + sizes[key] / 2  # a group goes where most of it falls
        while place < len(names) - 1 and middle > ends[place]:
            place += 1
        parts[key] = names[place]
        rows += sizes[key]
    return [parts[key] for key in keys]


def normalise_for_matching(text: str) -> str:
    """What is left of a text without case, markup, punctuation and white space: equal for copies of one text."""
    return " ".join(_MARKUP.sub(" ", text).casefold().translate(_LETTERS).split()) or text.strip()  # signs alone: themselves


def text_digest(example: Example) -> int:
    """64 bits of SHA-256 over a normalised text (and its pair): what memory holds in place of the text."""
    words = normalise_for_matching(example.text)
    if example.pair is not None:
        words += "\n" + normalise_for_matching(example.pair)
    return int.from_bytes(hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def split_key(example: Example, digest: Callable[[Example], int] = text_digest) -> str:
    """What decides the part of an example (`assign_parts`): its group; where it has none, its text."""
    return f"text {digest(example):016x}" if example.group is None else f"group {example.group}"


@dataclass(frozen=True)
class Overlap:
    """What two data sets share, and repeat. Row numbers count from 0."""

    train_rows: int
    test_rows: int
    shared: list[int]  # rows of the test set that also stand in the training set
    train_duplicates: int  # rows whose text stood in an earlier row
    test_duplicates: int
    contradictions: int  # shared rows with another label than in the training set


def overlap(train: Iterable[Example], test: Iterable[Example]) -> Overlap:
    """Compares two data sets by their normalised texts; memory holds 64 bits a text."""
    train_labels: dict[int, str | None] = {}
    train_rows = 0
    for example in train:
        train_labels.setdefault(text_digest(example), example.label)
        train_rows += 1
    seen: set[int] = set()
    shared, contradictions, test_rows = [], 0, 0
    for number, example in enumerate(test):
        digest = text_digest(example)
        seen.add(digest)
        test_rows += 1
        if digest in train_labels:
            shared.append(number)
            contradictions += train_labels[digest] != example.label
    return Overlap(train_rows, test_rows, shared, train_rows - len(train_labels), test_rows - len(seen), contradictions)
