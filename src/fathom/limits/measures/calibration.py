"""Whether a confidence of 80 % is right 80 % of the time: with the folder's own temperature, as users see it."""

from __future__ import annotations

import numpy as np

from fathom.limits.context import Context, Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point
from fathom.limits.statistics import (
    brier,
    calibration_error,
    calibration_floor,
    mean_interval,
    negative_log_likelihood,
    reliability_curve,
    smooth_calibration_error,
)

FAMILY = "calibration"
NULL_DRAWS = 200


def measure_calibration(context: Context) -> list[Measure]:
    """Top-label ECE and smECE with what a perfectly calibrated model would read, the gap with its sign, Brier and NLL."""
    report = context.report
    probabilities = context.asked.probabilities(report.texts)
    confidence, n = probabilities.max(axis=1), len(report)
    right = probabilities.argmax(axis=1) == report.truth
    priors = np.bincount(report.truth, minlength=len(context.labels)) / n
    shares = np.tile(priors, (n, 1))
    independent = context.independence(report.groups)
    mirrored = "the interval mirrors the bootstrap's percentiles, since noise moves this measure upward; it is cut at 0"
    floor, floor_95 = calibration_floor(confidence, draws=NULL_DRAWS, seed=context.seed)
    smooth_floor, smooth_95 = _smooth_floor(confidence, context.generator("smooth calibration floor"))

    ece = Measure(
        name="calibration-error",
        family=FAMILY,
        title="Expected calibration error (top label, 15 bins of equal size)",
        status="measured",
        value=calibration_error(confidence, right),
        interval=_cut(
            context.bootstrap(n, lambda rows: calibration_error(confidence[rows], right[rows]), report.groups, pivotal=True)
        ),
        n=n,
        floor=Floor(
            value=floor,
            what=f"median of a perfectly calibrated model with these confidences; 95 % read under {floor_95:.4f}",
            faultless=True,
        ),
        better="lower",
        assumptions=[independent, mirrored],
        detail=CurveDetail(
            x="confidence",
            y="share of right answers",
            diagonal=True,
            lines=[
                Line(
                    name="the classifier",
                    points=[
                        Point(x=part.confidence, y=part.accuracy, interval=part.interval, n=part.n)
                        for part in reliability_curve(confidence, right)
                    ],
                )
            ],
        ),
    )
    smooth = Measure(
        name="smooth-calibration-error",
        family=FAMILY,
        title="Smooth calibration error (smECE)",
        status="measured",
        value=smooth_calibration_error(confidence, right),
        interval=_cut(
            context.bootstrap(
                n, lambda rows: smooth_calibration_error(confidence[rows], right[rows]), report.groups, pivotal=True
            )
        ),
        n=n,
        floor=Floor(
            value=smooth_floor,
            what=f"median of a perfectly calibrated model with these confidences; 95 % read under {smooth_95:.4f}",
            faultless=True,
        ),
        better="lower",
        assumptions=[independent, mirrored],
    )
    gaps = confidence - right
    gap = Measure(
        name="overconfidence",
        family=FAMILY,
        title="Mean confidence minus accuracy",
        status="measured",
        value=100 * float(gaps.mean()),
        interval=_times(100, _mean(context, gaps)),
        n=n,
        floor=Floor(value=0.0, what="a calibrated model", faultless=True),
        unit="points",
        better="neither",
        assumptions=[independent],
    )
    squares = ((probabilities - np.eye(probabilities.shape[1])[report.truth]) ** 2).sum(axis=1)
    losses = -np.log(np.clip(probabilities[np.arange(n), report.truth], np.finfo(np.float64).tiny, None))
    score = Measure(
        name="brier",
        family=FAMILY,
        title="Brier score, 0 to 2",
        status="measured",
        value=brier(probabilities, report.truth),
        interval=_mean(context, squares),
        n=n,
        floor=Floor(value=brier(shares, report.truth), what="always answering the shares of the labels", faultless=False),
        unit="score",
        better="lower",
        assumptions=[independent],
    )
    nll = Measure(
        name="negative-log-likelihood",
        family=FAMILY,
        title="Negative log-likelihood of the true label",
        status="measured",
        value=negative_log_likelihood(probabilities, report.truth),
        interval=_mean(context, losses),
        n=n,
        floor=Floor(
            value=negative_log_likelihood(shares, report.truth),
            what="always answering the shares of the labels",
            faultless=False,
        ),
        unit="nats",
        better="lower",
        assumptions=[independent, "a few texts that were answered wrongly with certainty can decide it"],
    )
    return [ece, smooth, gap, score, nll]


def _mean(context: Context, values: np.ndarray) -> tuple[float, float]:
    if context.report.groups is None:
        return mean_interval(values)
    return context.bootstrap(len(values), lambda rows: float(values[rows].mean()), context.report.groups)


def _cut(interval: tuple[float, float]) -> tuple[float, float]:
    return (max(0.0, interval[0]), max(0.0, interval[1]))


def _times(factor: float, interval: tuple[float, float]) -> tuple[float, float]:
    return (factor * interval[0], factor * interval[1])


def _smooth_floor(confidence: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    found = [smooth_calibration_error(confidence, generator.random(len(confidence)) < confidence) for _ in range(NULL_DRAWS)]
    return (float(np.median(found)), float(np.quantile(found, 0.95)))


MEASURING = Measuring(FAMILY, "whether its confidence means what it says", measure_calibration)
