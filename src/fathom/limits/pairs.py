"""Pairs of a text and what somebody made of it by changing as little as possible: counterfactuals and contrast sets.

A file is read in one of two layouts, whatever its ending:

    text, label, batch_id                  rows that share the last belong together; the first of them is the original
    text_a, label_a, text_b, label_b       a pair a row; the first is the original

The first is that of the counterfactual IMDB reviews (Kaushik et al. 2020, 1909.12434).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fathom.data.tables import open_table
from fathom.errors import DataError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.polarity import Polarity, polarity_by_name, polarity_of

_WIDE = ("text_a", "label_a", "text_b", "label_b")
_TEXT = ("text", "sentence", "review", "content")
_LABEL = ("label", "sentiment", "class", "target")
_GROUP = ("batch_id", "pair_id", "pair", "group_id", "group")


@dataclass(frozen=True)
class TextPair:
    """A text and what was made of it."""

    group: str  # of one original, several may have been made
    first: str
    first_truth: int  # class number
    second: str
    second_truth: int


@dataclass(frozen=True)
class PairFile:
    """Pairs that the user named."""

    name: str
    pairs: list[TextPair]


def read_pairs(path: Path, labels: Sequence[str], *, positive: str | None = None) -> PairFile:
    """Reads a file of pairs.

    Args:
        path: csv, tsv, jsonl or parquet.
        labels: the classifier's, by class number. The file's may be written otherwise ("Positive" for "positive"), or be
            other names for praise and blame ("pos" for "fresh").
        positive: which of the classifier's labels praises, where its name does not tell.

    Raises:
        DataError: neither of the two layouts, a label that has no counterpart, a text that stands alone.
    """
    if not path.is_file():
        raise DataError(f"no file at {path}", expected="a csv, tsv, jsonl or parquet file of pairs")
    table = open_table(path)
    by_name = {name.strip().casefold(): name for name in reversed(table.names)}
    number = _Labels(labels, positive, path)
    if all(name in by_name for name in _WIDE):
        rows = table.read([by_name[name] for name in _WIDE])
        pairs = [
            TextPair(str(place), _text(path, place, a), number(y_a), _text(path, place, b), number(y_b))
            for place, (a, y_a, b, y_b) in enumerate(rows, start=1)
        ]
    else:
        pairs = _joined(path, [_first(by_name, names) for names in (_TEXT, _LABEL, _GROUP)], table.names, number)
    if not pairs:
        raise DataError(f"{path} holds no pairs", expected="a text and what was made of it")
    return PairFile(path.name, pairs)


def _joined(path: Path, columns: list[str | None], names: list[str], number: _Labels) -> list[TextPair]:
    wanted = [name for name in columns if name is not None]
    if len(wanted) < len(columns):
        raise DataError(
            f"{path} has the columns {', '.join(names[:8])}",
            expected=f"{', '.join(_WIDE)}; or a text, a label and one of {', '.join(_GROUP)} that joins a pair",
            do="rename them",
        )
    groups: dict[str, list[tuple[str, int]]] = {}
    for place, (text, label, group) in enumerate(open_table(path).read(wanted), start=1):
        if group is None or not str(group).strip():
            raise DataError(f"{path}, row {place} names no group", expected=f"what joins it to its pair, in {wanted[2]}")
        groups.setdefault(str(group), []).append((_text(path, place, text), number(label)))
    if alone := [group for group, members in groups.items() if len(members) < 2]:
        raise DataError(
            f"{path} has {len(alone):,} texts without a second one, such as that of {wanted[2]} {alone[0]!r}",
            expected="two or more rows of each group, the original first",
        )
    return [
        TextPair(group, first, first_truth, second, second_truth)
        for group, ((first, first_truth), *others) in groups.items()
        for second, second_truth in others
    ]


def _first(by_name: dict[str, str], names: Sequence[str]) -> str | None:
    return next((by_name[name] for name in names if name in by_name), None)


def _text(path: Path, place: int, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{path}, row {place} has no text", expected="a text and what was made of it")
    return value


class _Labels:
    """From the file's names of labels to class numbers: the same name, the same but for case, or the same side."""

    def __init__(self, labels: Sequence[str], positive: str | None, path: Path) -> None:
        self._labels, self._path = list(labels), path
        self._folded = {label.casefold(): place for place, label in reversed(list(enumerate(labels)))}
        self._sides: Polarity | None
        try:
            self._sides = polarity_of(labels, positive=positive)
        except NotMeasurableError:
            self._sides = None

    def __call__(self, value: object) -> int:
        name = str(value).strip()
        if name in self._labels:
            return self._labels.index(name)
        if name.casefold() in self._folded:
            return self._folded[name.casefold()]
        good = polarity_by_name(name)
        if good is None or self._sides is None:
            raise DataError(
                f"{self._path} has the label {name!r}",
                expected=f"one of the classifier's: {', '.join(self._labels)}",
                do="rename it in the file, or say which label praises: --positive LABEL",
            )
        return self._sides.good if good else self._sides.bad
