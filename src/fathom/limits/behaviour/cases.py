"""A test is a list of cases; a case is a text, or a text and what it is changed to, and what must be true of the answers.

minimum functionality (MFT)   the answer is, or is not, a certain label
invariance (INV)              the answer stays as the text is changed
direction (DIR)               a probability does not fall, or does not rise, as the text is changed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fathom.limits.asked import Asked

TOLERANCE = 0.1  # of a probability: what CheckList lets pass in tests of direction, and calls a change in invariance tests

Must = Literal["be", "not be", "stay", "not fall", "not rise"]


@dataclass(frozen=True)
class Expectation:
    """What must be true."""

    must: Must
    label: int | None = None  # class number; None in tests of direction: the answer to the first text

    def chance(self, labels: int) -> float:
        """How often answers drawn at random, each label alike (probabilities: all alike), fail it."""
        if self.must == "be":
            return 1 - 1 / labels
        if self.must == "not be":
            return 1 / labels
        if self.must == "stay":
            return 1 - 1 / labels
        return (1 - TOLERANCE) ** 2 / 2  # two uniform draws, one below the other by more than the tolerance


@dataclass(frozen=True)
class Case:
    """One thing to try."""

    texts: tuple[str, ...]  # the first is the original; in minimum functionality tests all must be answered so
    expectation: Expectation


@dataclass(frozen=True)
class BehaviourTest:
    """Cases that try the same thing: of one template, or one test of a suite."""

    name: str  # for a person: "not only … but also"
    capability: str  # what it belongs to: "negation"
    cases: list[Case]


@dataclass(frozen=True)
class Failures:
    """The outcome of one test."""

    failed: np.ndarray  # (cases,) booleans; a case fails where one of its texts does
    moved: np.ndarray  # (cases,) largest change of the first answer's probability; 0 for single texts
    worst: list[tuple[Case, int, np.ndarray]]  # failed cases, the most confident first: the text's place, its probabilities


def failures_of(test: BehaviourTest, asked: Asked) -> Failures:
    """Asks for all texts of a test.

    Raises:
        BudgetSpentError: more texts than calls are left.
    """
    answers = asked.probabilities([text for case in test.cases for text in case.texts])
    failed, moved, worst = [], [], []
    start = 0
    for case in test.cases:
        rows = answers[start : start + len(case.texts)]
        start += len(case.texts)
        wrong = _wrong(rows, case.expectation)
        first = int(rows[0].argmax())
        failed.append(bool(wrong.any()))
        moved.append(float(np.abs(rows[:, first] - rows[0, first]).max()))
        if wrong.any():
            place = max(np.flatnonzero(wrong), key=lambda place: rows[place].max())
            worst.append((case, int(place), rows[place]))
    worst.sort(key=lambda found: -float(found[2].max()))
    return Failures(np.array(failed, dtype=bool), np.array(moved), worst)


def _wrong(rows: np.ndarray, expectation: Expectation) -> np.ndarray:
    """(texts,) booleans; the first text of a change cannot be wrong."""
    best = rows.argmax(axis=1)
    if expectation.must in ("be", "not be"):
        assert expectation.label is not None
        return np.asarray((best == expectation.label) == (expectation.must == "not be"))
    if expectation.must == "stay":
        return np.asarray(best != best[0])
    label = int(best[0]) if expectation.label is None else expectation.label
    change = rows[:, label] - rows[0, label]
    return np.asarray(change < -TOLERANCE if expectation.must == "not fall" else change > TOLERANCE)


def thinned(test: BehaviourTest, cases: int, changes: int, generator: np.random.Generator) -> BehaviourTest:
    """The same test with at most so many cases, drawn, each with at most so many changed texts, drawn."""
    chosen = range(len(test.cases))
    if len(test.cases) > cases:
        chosen = sorted(generator.choice(len(test.cases), size=cases, replace=False).tolist())  # type: ignore[assignment]
    return BehaviourTest(test.name, test.capability, [_fewer(test.cases[row], changes, generator) for row in chosen])


def _fewer(case: Case, changes: int, generator: np.random.Generator) -> Case:
    if len(case.texts) <= changes + 1:
        return case
    kept: Sequence[int] = sorted(generator.choice(len(case.texts) - 1, size=changes, replace=False).tolist())
    return Case((case.texts[0], *(case.texts[place + 1] for place in kept)), case.expectation)
