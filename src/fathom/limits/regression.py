"""What got better and what worse between two audits, for a person and for a gate in continuous integration.

Where both measured the same texts, and a figure follows from confidence and right or wrong alone, the texts are compared in
pairs: McNemar's test for the accuracy, a paired bootstrap for the rest. Everything else is compared by its intervals, as if
they were independent, which is careful where they are not. So many figures are compared that some would differ by chance;
Holm's correction (1979) keeps the probability of one false alarm or more in a comparison below 5 %.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import norm

from fathom.errors import DataError, SettingsError
from fathom.limits.record import Limits, Measure, ReportAnswers
from fathom.limits.statistics import (
    Interval,
    bootstrap_interval,
    calibration_error,
    interval_by_group,
    paired_test,
    risk_coverage,
    smooth_calibration_error,
)

LEVEL = 0.05
_TASKS = {"sequence": "classifier", "causal": "model that writes"}
DRAWS = 500

Verdict = Literal["better", "worse", "no difference", "changed"]


@dataclass(frozen=True)
class Change:
    """One measure in two records."""

    name: str
    title: str
    unit: str
    old: float
    new: float
    difference: float  # new − old
    interval: Interval  # of the difference, 95 %, for this measure alone
    p_value: float  # two-sided, after Holm's correction
    paired: bool  # the same texts, text by text
    verdict: Verdict  # "changed": the measure has no better side


@dataclass(frozen=True)
class Regression:
    """The whole comparison."""

    changes: list[Change]  # worse ones first
    same_texts: bool
    notes: list[str]  # what was not compared, and how careful to be

    @property
    def worse(self) -> list[Change]:
        """What a gate refuses."""
        return [change for change in self.changes if change.verdict == "worse"]


def pack_answers(sha256: str, probabilities: np.ndarray, truth: np.ndarray, groups: Sequence[str] | None) -> ReportAnswers:
    """What a record keeps of the answers on its report split: a bit and four bytes a text, and no text.

    Args:
        sha256: of the split.
        probabilities: (n, K).
        truth: (n,) class numbers.
        groups: (n,) names, of which only the equality is kept; None: not known.
    """
    numbers = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    return ReportAnswers(
        sha256=sha256,
        n=len(truth),
        right=_text_of(np.packbits(probabilities.argmax(axis=1) == truth)),
        confidence=_text_of(probabilities.max(axis=1).astype("<f4")),
        groups=None if numbers is None else _text_of(numbers.astype("<u4")),
    )


@dataclass(frozen=True)
class _Answers:
    right: np.ndarray  # (n,) booleans
    confidence: np.ndarray  # (n,) float64
    groups: list[str] | None

    @classmethod
    def of(cls, packed: ReportAnswers) -> _Answers:
        """Raises DataError where the lengths do not fit."""
        try:
            right = np.unpackbits(np.frombuffer(base64.b64decode(packed.right), dtype=np.uint8), count=packed.n).astype(bool)
            confidence = np.frombuffer(base64.b64decode(packed.confidence), dtype="<f4").astype(np.float64)
            groups = None if packed.groups is None else np.frombuffer(base64.b64decode(packed.groups), dtype="<u4")
            if {len(right), len(confidence)} != {packed.n} or (groups is not None and len(groups) != packed.n):
                raise ValueError("their number is another")
        except ValueError as error:
            raise DataError(f"the answers in a record are damaged: {error}", expected="the file as it was written") from error
        return cls(right, confidence, None if groups is None else [str(group) for group in groups])


# figures that confidence and right or wrong decide, in the unit of the record
_Statistic = Callable[[np.ndarray, np.ndarray], float]
_PAIRED: dict[str, _Statistic] = {
    "calibration-error": calibration_error,
    "smooth-calibration-error": smooth_calibration_error,
    "overconfidence": lambda confidence, right: 100 * float((confidence - right).mean()),
    "aurc": lambda confidence, right: risk_coverage(confidence, right).aurc,
    "augrc": lambda confidence, right: risk_coverage(confidence, right).augrc,
}


def compare_records(old: Limits, new: Limits, *, only: Sequence[str] = ()) -> Regression:
    """Compares every measure that both records have a figure of.

    Args:
        only: families of measures; none: all. The fewer are compared, the smaller the differences that can be told.

    Raises:
        DataError: records of other labels, or without a measure in common.
        SettingsError: a family that neither record has.
    """
    if old.predictor.task != new.predictor.task:
        raise DataError(
            f"the records are of a {_TASKS[old.predictor.task]} and of a {_TASKS[new.predictor.task]}",
            expected="two audits of the same task",
        )
    causal = new.predictor.task == "causal"
    if old.predictor.labels != new.predictor.labels:
        raise DataError(
            f"the labels were {', '.join(old.predictor.labels)} and are {', '.join(new.predictor.labels)}",
            expected="two audits of the same task",
        )
    families = {measure.family for record in (old, new) for measure in record.measures}
    if unknown := [name for name in only if name not in families]:
        raise SettingsError(f"neither record has the measure {unknown[0]!r}", expected=f"one of {', '.join(sorted(families))}")
    same = old.data.report.sha256 == new.data.report.sha256
    notes = [] if same else [_other_prompts(old, new) if causal else _other_texts(old, new)]
    pairs = None
    if same and old.answers is not None and new.answers is not None:
        pairs = (_Answers.of(old.answers), _Answers.of(new.answers))
    elif same and not causal:
        notes.append("a record without its answers, made by an earlier version: nothing can be compared in pairs")
    found: list[Change] = []
    for measure in new.measures:
        before = old.measure(measure.name)
        if only and measure.family not in only:
            continue
        if before is None or before.status != "measured" or measure.status != "measured":
            if before is None or before.status != measure.status or measure.status == "contaminated":
                was = "not there" if before is None else before.status
                notes.append(f"not compared: {measure.title}: {was} before, {measure.status} now")
            continue
        change = _change(before, measure, pairs)
        if change is None:
            notes.append(f"not compared: {measure.title}: a figure without an interval")
        else:
            found.append(change)
    there = {measure.name for measure in new.measures}
    notes += [
        f"not compared: {measure.title}: {measure.status} before, not there now"
        for measure in old.measures
        if measure.name not in there and (not only or measure.family in only)
    ]
    if not found:
        raise DataError("the two records have no measure in common that could be compared", expected="two whole audits")
    order = ("worse", "better", "changed", "no difference")
    return Regression(sorted(_judged(found, new), key=lambda change: order.index(change.verdict)), same, notes)


def _other_prompts(old: Limits, new: Limits) -> str:
    return (
        f"the prompts differ ({old.data.report.n:,} before, {new.data.report.n:,} now): compared by intervals, and a "
        "difference may be of the prompts"
    )


def _other_texts(old: Limits, new: Limits) -> str:
    return (
        f"the texts differ ({old.data.report.n:,} of {old.data.name} before, {new.data.report.n:,} of {new.data.name} now): "
        "compared by intervals, and a difference may be of the texts"
    )


def _change(before: Measure, after: Measure, pairs: tuple[_Answers, _Answers] | None) -> Change | None:
    """Not yet corrected or judged; None: cannot be tested."""
    assert before.value is not None
    assert after.value is not None
    difference = after.value - before.value
    in_pairs = pairs is not None and (after.name == "accuracy" or after.name in _PAIRED)
    if in_pairs and pairs is not None:
        interval, p_value = _accuracy(*pairs) if after.name == "accuracy" else _bootstrapped(_PAIRED[after.name], *pairs)
    elif before.interval is None or after.interval is None:
        return None
    else:
        interval = _independent(before.value, before.interval, after.value, after.interval)
        p_value = _p_value(difference, interval)
    return Change(
        name=after.name,
        title=after.title,
        unit=after.unit,
        old=before.value,
        new=after.value,
        difference=difference,
        interval=interval,
        p_value=p_value,
        paired=in_pairs,
        verdict="no difference",
    )


def _accuracy(old: _Answers, new: _Answers) -> tuple[Interval, float]:
    """McNemar's test; where groups are known, the more careful of it and one that draws whole groups."""
    found = paired_test(new.right, old.right)
    if old.groups is None:
        return found.interval, found.p_value
    by_group = interval_by_group(new.right.astype(np.float64) - old.right, old.groups)
    interval = (min(found.interval[0], by_group[0]), max(found.interval[1], by_group[1]))
    return interval, max(found.p_value, _p_value(found.difference, by_group))


def _bootstrapped(statistic: _Statistic, old: _Answers, new: _Answers) -> tuple[Interval, float]:
    def difference(rows: np.ndarray) -> float:
        return statistic(new.confidence[rows], new.right[rows]) - statistic(old.confidence[rows], old.right[rows])

    interval = bootstrap_interval(len(old.right), difference, groups=old.groups, draws=DRAWS)
    value = difference(np.arange(len(old.right)))
    interval = (min(interval[0], value), max(interval[1], value))
    return interval, _p_value(value, interval)


def _independent(old: float, old_interval: Interval, new: float, new_interval: Interval) -> Interval:
    """Of new − old, from the distances of each value to the ends of its own interval (Newcombe 1998, method 10; Donner and
    Zou 2012 for any two independent estimates).
    """
    difference = new - old
    low = difference - ((new - new_interval[0]) ** 2 + (old_interval[1] - old) ** 2) ** 0.5
    high = difference + ((new_interval[1] - new) ** 2 + (old - old_interval[0]) ** 2) ** 0.5
    return (low, high)


def _p_value(difference: float, interval: Interval) -> float:
    """Of no difference, from the end of the 95 % interval that lies towards 0, as if normal."""
    half = difference - interval[0] if difference > 0 else interval[1] - difference
    if difference == 0:
        return 1.0
    return float(2 * norm.sf(norm.ppf(0.975) * abs(difference) / half)) if half > 0 else 0.0


def _judged(changes: list[Change], new: Limits) -> list[Change]:
    """With Holm's correction: the smallest of m p-values times m, the next times m − 1, …, never falling."""
    better = {measure.name: measure.better for measure in new.measures}
    ranked = sorted(changes, key=lambda change: change.p_value)
    judged, largest = [], 0.0
    for place, change in enumerate(ranked):
        largest = max(largest, min(1.0, change.p_value * (len(ranked) - place)))
        verdict: Verdict = "no difference"
        if largest < LEVEL:
            side = better[change.name]
            verdict = "changed" if side == "neither" else "better" if (change.difference > 0) == (side == "higher") else "worse"
        judged.append(replace(change, p_value=largest, verdict=verdict))
    return judged


def _text_of(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
