"""Suites of tests that others wrote: a simple open format, and CheckList's own files.

The open format is jsonl, one case a line; lines with one name are one test:

    {"test": "not bad", "texts": ["Not bad at all."], "label": "positive"}
    {"test": "typos", "texts": ["A fine film.", "A fien film."], "must": "stay"}
    {"test": "very", "texts": ["A good film.", "A very good film."], "must": "not fall", "label": "positive"}

    test    its name
    texts   one text, or the original and what it is changed to
    must    "be" (the answer is `label`; this, where nothing is said), "not be", "stay" (the answer), "not fall", "not rise"
            (the probability of `label`)
    label   one of the classifier's; for "not fall" and "not rise" it may be left out: the answer to the first text
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fathom.errors import DataError
from fathom.limits.behaviour.cases import BehaviourTest, Case, Expectation
from fathom.limits.behaviour.checklist import read_checklist
from fathom.limits.polarity import Polarity

CAPABILITY = "suite"


class _Line(BaseModel):
    """One case of a jsonl file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    test: str = Field(min_length=1)
    texts: list[str] = Field(min_length=1)
    must: Literal["be", "not be", "stay", "not fall", "not rise"] = "be"
    label: str | None = None


def read_suite(path: Path, labels: Sequence[str], sides: Polarity | None) -> tuple[list[BehaviourTest], list[str]]:
    """The tests of a file that this classifier can be asked, and in words which ones it cannot and why.

    Args:
        path: jsonl as above, or a suite that CheckList saved (.pkl, or .tar.gz with one): no code in it is run.
        labels: the classifier's, by class number.
        sides: which of them is the good one; None: cannot be told, so CheckList's numbers for labels mean nothing.

    Raises:
        DataError: not such a file; the message names the line.
    """
    if not path.is_file():
        raise DataError(f"no file at {path}", expected="a jsonl file of cases, or a suite that CheckList saved")
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        return read_checklist(path, sides, CAPABILITY)
    cases: dict[str, list[Case]] = {}
    for place, line in _lines(path):
        cases.setdefault(line.test, []).append(_case(line, labels, place))
    if not cases:
        raise DataError(f"{path} holds no tests", expected="one case a line, as JSON")
    return [BehaviourTest(name, CAPABILITY, found) for name, found in cases.items()], []


def _lines(path: Path) -> Iterator[tuple[str, _Line]]:
    """Every line, checked, with its place. Lines may have different keys, so this is no table."""
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    place = f"{path}, line {number}"
                    yield place, _line(raw, place)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", expected="text in UTF-8, one JSON object a line") from error


def _line(raw: str, place: str) -> _Line:
    try:
        return _Line.model_validate_json(raw)
    except ValidationError as error:
        complaints = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'line'}: {e['msg']}" for e in error.errors()[:3])
        raise DataError(
            f"{place} cannot be used: {complaints}; it is {raw.strip()[:200]}",
            expected='cases like {"test": "not bad", "texts": ["Not bad at all."], "label": "positive"}',
        ) from error


def _case(line: _Line, labels: Sequence[str], place: str) -> Case:
    one = line.must in ("be", "not be")
    if line.label is None and one:
        raise DataError(f"{place} must {line.must} a label and names none", expected=f"one of {', '.join(labels)}")
    if line.label is not None and line.label not in labels:
        raise DataError(
            f"{place} names the label {line.label!r}", expected=f"one of the classifier's labels: {', '.join(labels)}"
        )
    if not one and len(line.texts) < 2:
        raise DataError(f"{place} has one text that must {line.must}", expected="the original and what it is changed to")
    label = None if line.label is None or line.must == "stay" else list(labels).index(line.label)
    return Case(tuple(line.texts), Expectation(line.must, label))
