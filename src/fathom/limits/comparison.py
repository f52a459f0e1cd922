"""One classifier measured beside a bag of words on texts that neither has seen: arrays in, a record of figures out.

The record is plain data with a closed schema, holds everything that the report shows, and is all that the report reads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from fathom.limits.statistics import (
    ClassScores,
    Interval,
    LengthBin,
    ReliabilityBin,
    accuracy_by_length,
    brier,
    calibration_error,
    calibration_floor,
    class_scores,
    confusion,
    interval_by_group,
    negative_log_likelihood,
    paired_test,
    reliability_curve,
    wilson,
)

MISTAKES = 8  # the most confident ones are kept to be read


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(_Closed):
    """A share of right answers."""

    value: float
    interval: Interval  # Wilson, 95 %, for independent texts
    n: int


class Calibration(_Closed):
    """Whether a confidence of 80 % is right 80 % of the time."""

    error: float  # top-label, equal-mass bins
    floor: float  # what chance alone gives a perfectly calibrated model: median …
    floor_95: float  # … and 95th percentile
    gap: float  # mean confidence minus accuracy: above 0 is overconfident
    curve: list[ReliabilityBin]


class Figures(_Closed):
    """What one classifier reached on the test texts."""

    name: str
    what: str  # one line on what it is
    accuracy: Rate
    by_group: Interval | None  # of the accuracy, drawing whole groups
    surer_half: Rate  # the half of its answers with the higher confidence
    less_sure_half: Rate
    median_confidence: float  # which parts the two
    brier: float
    negative_log_likelihood: float
    calibration: Calibration
    confusion: list[list[int]]  # row: true label, column: answer
    classes: list[ClassScores]  # in the order of the labels
    by_length: list[LengthBin]


class Difference(_Closed):
    """The model's accuracy minus the bag of words', on the same texts."""

    value: float
    interval: Interval  # Bonett–Price, 95 %
    by_group: Interval | None  # drawing whole groups
    only_model: int  # texts that only the model answers rightly
    only_baseline: int
    p_value: float  # exact McNemar, two-sided


class Mistake(_Closed):
    """A wrong answer, to be read by a person."""

    text: str
    truth: str
    answer: str
    confidence: float
    baseline: str  # what the bag of words says


class Data(_Closed):
    """What was learned from and measured on."""

    name: str
    what: str
    rows: dict[str, int]  # {part: texts}
    groups: dict[str, int] | None = None  # {part: groups}; no group stands in two parts
    group_name: str | None = None  # "film"
    hashes: dict[str, str]  # {part: SHA-256}
    duplicates: int = 0  # texts that repeat an earlier one, in all parts
    truncated_share: float = 0.0  # of the training texts, longer than the model reads


class Training(_Closed):
    """How the model was trained."""

    seconds: float
    tokens_per_second: float
    steps: int
    losses: list[tuple[int, float]]  # (update, mean loss of its texts in nats)
    evaluations: list[tuple[int, float]]  # (update, accuracy on the dev part)


class Making(_Closed):
    """What is needed to get the same figures again."""

    command: str
    seed: int
    version: str
    commit: str | None
    machine: dict[str, str]
    seconds: float  # of the whole command
    settings: dict[str, str]


class Comparison(_Closed):
    """Everything that the page shows."""

    version: int = 1
    title: str
    texts: str  # what the texts are, in the plural: "one-sentence verdicts on films"
    labels: list[str]
    n: int
    most_frequent: Rate  # always saying the most frequent label of the test part
    model: Figures
    baseline: Figures
    difference: Difference
    shared: int  # test texts that also stand in the training or dev part
    without_shared: Rate | None  # the model's accuracy without them
    length_unit: str
    mistakes: list[Mistake]
    wrong: int
    data: Data
    training: Training
    making: Making
    answers: list[tuple[str, str, float]]  # (text, label, confidence): a few texts of nobody's
    next_commands: list[tuple[str, str]]  # (command, what it does)


def compare(
    *,
    title: str,
    texts_are: str,
    labels: Sequence[str],
    texts: Sequence[str],
    truth: np.ndarray,
    model: tuple[str, str, np.ndarray],
    baseline: tuple[str, str, np.ndarray],
    lengths: np.ndarray,
    length_unit: str,
    groups: Sequence[str] | None,
    shared: Sequence[int],
    data: Data,
    training: Training,
    making: Making,
    answers: Sequence[tuple[str, str, float]],
    next_commands: Sequence[tuple[str, str]],
) -> Comparison:
    """Measures two classifiers on the same n texts.

    Args:
        texts_are: what the texts are, in the plural.
        truth: (n,) class numbers.
        model, baseline: name, what it is, (n, labels) probabilities.
        lengths: (n,) integers, in `length_unit`s.
        groups: (n,) names of what the texts belong to.
        shared: numbers of the texts that training has seen.
        answers: (text, label, confidence) of the model, to show.
    """
    right = model[2].argmax(1) == truth
    baseline_answers = baseline[2].argmax(1)
    paired = paired_test(right, baseline_answers == truth)
    both = right.astype(np.float64) - (baseline_answers == truth)
    confidence = model[2].max(1)
    wrong = np.flatnonzero(~right)
    unseen = np.ones(len(truth), dtype=bool)
    unseen[list(shared)] = False
    return Comparison(
        title=title,
        texts=texts_are,
        labels=list(labels),
        n=len(truth),
        most_frequent=_rate(truth == np.bincount(truth).argmax()),
        model=_figures(*model, labels, truth, lengths, groups),
        baseline=_figures(*baseline, labels, truth, lengths, groups),
        difference=Difference(
            value=paired.difference,
            interval=paired.interval,
            by_group=None if groups is None else interval_by_group(both, groups),
            only_model=paired.only_a,
            only_baseline=paired.only_b,
            p_value=paired.p_value,
        ),
        shared=len(shared),
        without_shared=_rate(right[unseen]) if len(shared) else None,
        length_unit=length_unit,
        mistakes=[
            Mistake(
                text=texts[row],
                truth=labels[truth[row]],
                answer=labels[model[2][row].argmax()],
                confidence=float(confidence[row]),
                baseline=labels[baseline_answers[row]],
            )
            for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
        ],
        wrong=len(wrong),
        data=data,
        training=training,
        making=making,
        answers=list(answers),
        next_commands=list(next_commands),
    )


def _figures(
    name: str,
    what: str,
    probabilities: np.ndarray,
    labels: Sequence[str],
    truth: np.ndarray,
    lengths: np.ndarray,
    groups: Sequence[str] | None,
) -> Figures:
    answers, confidence = probabilities.argmax(1), probabilities.max(1)
    right = answers == truth
    counts = confusion(answers, truth, len(labels))
    surer = np.argsort(-confidence, kind="stable")[: (len(truth) + 1) // 2]
    in_surer = np.zeros(len(truth), dtype=bool)
    in_surer[surer] = True
    floor, floor_95 = calibration_floor(confidence)
    return Figures(
        name=name,
        what=what,
        accuracy=_rate(right),
        by_group=None if groups is None else interval_by_group(right, groups),
        surer_half=_rate(right[in_surer]),
        less_sure_half=_rate(right[~in_surer]),
        median_confidence=float(confidence[surer[-1]]),
        brier=brier(probabilities, truth),
        negative_log_likelihood=negative_log_likelihood(probabilities, truth),
        calibration=Calibration(
            error=calibration_error(confidence, right),
            floor=floor,
            floor_95=floor_95,
            gap=float(confidence.mean() - right.mean()),
            curve=reliability_curve(confidence, right),
        ),
        confusion=counts.tolist(),
        classes=class_scores(counts),
        by_length=accuracy_by_length(lengths, right),
    )


def _rate(right: np.ndarray) -> Rate:
    correct, n = int(right.sum()), len(right)
    return Rate(value=correct / n if n else 0.0, interval=wilson(correct, n), n=n)
