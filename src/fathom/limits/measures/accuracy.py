"""How often it is right: in all, for each label, and against a bag of words on the same texts."""

from __future__ import annotations

import numpy as np

from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Beside, Context, Measuring
from fathom.limits.record import ConfusionDetail, Floor, Measure, PairedDetail, Rate, RatesDetail, WorstExample
from fathom.limits.statistics import class_scores, confusion, difference_interval, paired_test, wilson

FAMILY = "accuracy"


def measure_accuracy(context: Context) -> list[Measure]:
    """Four figures; the last is of the difference and needs training texts."""
    report, labels = context.report, context.labels
    probabilities = context.asked.probabilities(report.texts)
    answers = probabilities.argmax(axis=1)
    right = answers == report.truth
    counts = confusion(answers, report.truth, len(labels))
    frequent = int(np.bincount(report.truth, minlength=len(labels)).argmax())
    majority = float((report.truth == frequent).mean())
    worst = _most_confident_errors(context, probabilities, right)
    scores = class_scores(counts)
    present = [number for number in range(len(labels)) if scores[number].n]

    def macro_f1(rows: np.ndarray) -> float:
        found = class_scores(confusion(answers[rows], report.truth[rows], len(labels)))
        return float(np.mean([found[number].f1 for number in present]))

    whole = Measure(
        name="accuracy",
        family=FAMILY,
        title="Accuracy",
        status="measured",
        value=float(right.mean()),
        interval=context.rate_interval(right, report.groups),
        n=len(report),
        floor=Floor(value=majority, what=f"always answering {labels[frequent]!r}, the most frequent label"),
        assumptions=[context.independence(report.groups), "texts to come are like these"],
        detail=ConfusionDetail(labels=labels, counts=counts.tolist()),
        worst=worst,
    )
    recalls = [
        Rate(
            name=labels[number],
            value=scores[number].recall,
            interval=wilson(int(counts[number, number]), scores[number].n),
            n=scores[number].n,
        )
        for number in present
    ]
    weakest = min(recalls, key=lambda rate: rate.value)
    least = Measure(
        name="weakest-label",
        family=FAMILY,
        title=f"Recall of the weakest label, {weakest.name!r}",
        status="measured",
        value=weakest.value,
        interval=weakest.interval,
        n=weakest.n,
        floor=Floor(value=1 / len(labels), what="answering at random"),
        assumptions=["the texts are independent draws", f"the lowest of {len(recalls)} labels: its value errs to the low side"],
        detail=RatesDetail(of="label", rates=recalls),
    )
    f1 = Measure(
        name="macro-f1",
        family=FAMILY,
        title="F1, mean over the labels",
        status="measured",
        value=macro_f1(np.arange(len(report))),
        interval=context.bootstrap(len(report), macro_f1, report.groups),
        n=len(report),
        floor=Floor(
            value=2 * majority / (1 + majority) / len(present),
            what=f"always answering {labels[frequent]!r}, the most frequent label",
        ),
        unit="score",
        assumptions=[context.independence(report.groups)],
        detail=RatesDetail(
            of="label", rates=[Rate(name=labels[number], value=scores[number].f1, n=scores[number].n) for number in present]
        ),
    )
    return [whole, least, f1, _beside_bag_of_words(context, right)]


def _beside_bag_of_words(context: Context, right: np.ndarray) -> Measure:
    name, title = "accuracy-beyond-words", "Accuracy minus that of a bag of words"
    try:
        baseline = context.baseline
    except NotMeasurableError as reason:
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=str(reason), unit="points")
    report = context.report
    names = np.array(baseline.labels)[baseline.predict_proba(report.texts).argmax(axis=1)]
    other = names == np.array(context.labels)[report.truth]
    paired = paired_test(right, other)
    low, high = context.paired_interval(right, other, report.groups)
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=100 * paired.difference,
        interval=(100 * low, 100 * high),
        n=len(report),
        floor=Floor(value=0.0, what=f"no better than {baseline.name}"),
        unit="points",
        assumptions=[
            context.independence(report.groups),
            "both learned from the same texts; if the classifier learned from others, the difference is of data, too",
        ],
        detail=PairedDetail(
            first=Rate.of("the classifier", right),
            second=Rate.of(baseline.name, other),
            only_first=paired.only_a,
            only_second=paired.only_b,
            p_value=paired.p_value,
        ),
    )


def _most_confident_errors(context: Context, probabilities: np.ndarray, right: np.ndarray) -> list[WorstExample]:
    wrong = np.flatnonzero(~right)
    order = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:WORST]
    report = context.report
    return [context.example(report.texts[row], probabilities[row], int(report.truth[row])) for row in order]


def accuracy_beside(
    context: Context, other: Beside, family: str, name: str, *, so: str = "", notes: tuple[str, ...] = ()
) -> Measure:
    """Accuracy on other texts minus that on the report split, for the families that look at other texts.

    Args:
        so: what follows where not all of them have labels.
        notes: further assumptions.
    """
    title = f"Accuracy on {other.name} minus that on the report split"
    if other.truth is None:
        reason = f"{other.name} has texts without a label that the classifier knows{so}"
        return Measure(name=name, family=family, title=title, status="not measurable", unit="points", reason=reason)
    right = context.asked.probabilities(other.texts).argmax(axis=1) == other.truth
    own = context.asked.probabilities(context.report.texts).argmax(axis=1) == context.report.truth
    low, high = difference_interval((int(right.sum()), len(right)), (int(own.sum()), len(own)))
    return Measure(
        name=name,
        family=family,
        title=title,
        status="measured",
        value=100 * float(right.mean() - own.mean()),
        interval=(100 * low, 100 * high),
        n=len(right) + len(own),
        floor=Floor(value=0.0, what="as right as on the report split", faultless=True),
        unit="points",
        assumptions=["the texts are independent draws", *notes],
        detail=RatesDetail(of="texts", rates=[Rate.of(other.name, right), Rate.of("the report split", own)]),
    )


MEASURING = Measuring(FAMILY, "how often it is right, for each label, and against a bag of words", measure_accuracy)
