"""What the policy does on texts that it was not fitted on: how often it answers, how right it is, what its sets hold."""

from __future__ import annotations

import numpy as np

from fathom.limits.context import Context, Measuring
from fathom.limits.policy import NoThreshold, conformal_sets
from fathom.limits.record import Floor, Measure, Rate, RatesDetail
from fathom.limits.statistics import mean_interval, wilson

FAMILY = "abstention"


def measure_abstention(context: Context) -> list[Measure]:
    """The threshold's answers and the conformal sets, on the report split."""
    return [*_threshold(context), *_sets(context)]


def _threshold(context: Context) -> list[Measure]:
    answered, given = (
        ("accuracy-of-answers", "Accuracy of the answers it gives"),
        ("coverage", "Share of the texts that it answers"),
    )
    threshold, report = context.policy.threshold, context.report
    if isinstance(threshold, NoThreshold):
        more = "" if threshold.labels_needed is None else f"; about {threshold.labels_needed:,} would do"
        reason = f"no threshold: {threshold.reason}{more}"
        return [
            Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason)
            for name, title in (answered, given)
        ]
    probabilities = context.asked.probabilities(report.texts)
    stopped = context.stops(report.texts)
    kept = (probabilities.max(axis=1) >= threshold.value) & ~np.array([bool(why) for why in stopped])
    right = probabilities.argmax(axis=1) == report.truth
    groups = None if report.groups is None else [group for group, keep in zip(report.groups, kept, strict=True) if keep]
    coverage = Measure(
        name=given[0],
        family=FAMILY,
        title=given[1],
        status="measured",
        value=float(kept.mean()),
        interval=context.rate_interval(kept, report.groups),
        n=len(report),
        assumptions=[context.independence(report.groups)],
    )
    if not kept.any():
        nothing = "it answers none of these texts"
        return [Measure(name=answered[0], family=FAMILY, title=answered[1], status="not measurable", reason=nothing), coverage]
    accuracy = Measure(
        name=answered[0],
        family=FAMILY,
        title=answered[1],
        status="measured",
        value=float(right[kept].mean()),
        interval=context.rate_interval(right[kept], groups),
        n=int(kept.sum()),
        floor=Floor(value=float(right.mean()), what="answering every text", faultless=True),
        assumptions=[context.independence(report.groups)],
        guarantee=threshold.guarantee,
    )
    return [accuracy, coverage]


def _sets(context: Context) -> list[Measure]:
    report, conformal = context.report, context.policy.conformal
    probabilities = context.asked.probabilities(report.texts)
    sets = conformal_sets(conformal, probabilities)
    holds, sizes = sets[np.arange(len(report)), report.truth], sets.sum(axis=1)
    by_label = [
        Rate(
            name=label,
            value=float(holds[rows].mean()),
            interval=wilson(int(holds[rows].sum()), int(rows.sum())),
            n=int(rows.sum()),
        )
        for number, label in enumerate(context.labels)
        if (rows := report.truth == number).any()
    ]
    coverage = Measure(
        name="set-coverage",
        family=FAMILY,
        title="Share of the conformal sets that hold the true label",
        status="measured",
        value=float(holds.mean()),
        interval=context.rate_interval(holds, report.groups),
        n=len(report),
        floor=Floor(value=1 - conformal.alpha, what="what was promised", faultless=True),
        assumptions=[context.independence(report.groups), "texts to come are like the calibration split"],
        guarantee=conformal.guarantee,
        detail=RatesDetail(of="label", rates=by_label),
    )
    empty = int((sizes == 0).sum())
    size = Measure(
        name="set-size",
        family=FAMILY,
        title="Labels in a conformal set, mean",
        status="measured",
        value=float(sizes.mean()),
        interval=mean_interval(sizes) if len(sizes) > 1 else None,
        n=len(report),
        floor=Floor(
            value=(1 - conformal.alpha) * len(context.labels),
            what="labels drawn at random that hold the true one as often",
            faultless=False,
        ),
        unit="score",
        better="lower",
        assumptions=[f"{empty:,} of the sets are empty: none of the labels is likely enough"] if empty else [],
        detail=RatesDetail(
            of="labels in the set",
            rates=[
                Rate(
                    name=str(count),
                    value=float((sizes == count).mean()),
                    interval=wilson(int((sizes == count).sum()), len(sizes)),
                    n=len(sizes),
                )
                for count in range(len(context.labels) + 1)
                if (sizes == count).any()
            ],
        ),
    )
    return [coverage, size]


MEASURING = Measuring(FAMILY, "what the policy promises, and keeps", measure_abstention)
