"""What is gained by answering only where it is confident: risk against coverage, and two areas under it."""

from __future__ import annotations

import numpy as np

from fathom.limits.context import Context, Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point
from fathom.limits.statistics import risk_coverage, wilson

FAMILY = "selective"
SHOWN = 40  # points of the curve


def measure_selective(context: Context) -> list[Measure]:
    """AURC mixes how many errors there are with how well they are ranked; AUGRC and the oracle stand beside it."""
    report = context.report
    probabilities = context.asked.probabilities(report.texts)
    confidence, n = probabilities.max(axis=1), len(report)
    right = probabilities.argmax(axis=1) == report.truth
    found = risk_coverage(confidence, right)
    error, independent = 1 - float(right.mean()), context.independence(report.groups)
    places = np.unique(np.linspace(max(1, n // SHOWN), n, SHOWN).astype(int)) - 1

    def point(place: int) -> Point:
        kept, risk = place + 1, float(found.risk[place])
        low, high = wilson(round(risk * kept), kept)
        return Point(x=float(found.coverage[place]), y=risk, interval=(min(low, risk), max(high, risk)), n=kept)

    errors = n - int(right.sum())
    oracle = [Point(x=(p + 1) / n, y=max(0, int(p) + 1 - (n - errors)) / (int(p) + 1)) for p in places]
    aurc = Measure(
        name="aurc",
        family=FAMILY,
        title="Area under risk and coverage (AURC)",
        status="measured",
        value=found.aurc,
        interval=context.bootstrap(n, lambda rows: risk_coverage(confidence[rows], right[rows]).aurc, report.groups),
        n=n,
        floor=Floor(
            value=error,
            what=f"a confidence that says nothing; a perfect one would give {found.oracle_aurc:.4f}",
            faultless=False,
        ),
        unit="score",
        better="lower",
        assumptions=[independent],
        detail=CurveDetail(
            x="coverage: the share that is answered, the most confident first",
            y="risk: the share of those that is wrong",
            lines=[
                Line(name="the classifier", points=[point(int(place)) for place in places]),
                Line(name="a perfect confidence", points=oracle),
            ],
        ),
    )
    augrc = Measure(
        name="augrc",
        family=FAMILY,
        title="Area under generalized risk and coverage (AUGRC)",
        status="measured",
        value=found.augrc,
        interval=context.bootstrap(n, lambda rows: risk_coverage(confidence[rows], right[rows]).augrc, report.groups),
        n=n,
        floor=Floor(
            value=error / 2,
            what=f"a confidence that says nothing; a perfect one would give {found.oracle_augrc:.4f}",
            faultless=False,
        ),
        unit="score",
        better="lower",
        assumptions=[independent],
    )
    return [aurc, augrc]


MEASURING = Measuring(FAMILY, "what is gained by answering only where it is confident", measure_selective)
