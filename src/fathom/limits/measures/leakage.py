"""How much of what is measured on was in the training data: copies, and runs of 13 words (Brown et al. 2020, 2005.14165)."""

from __future__ import annotations

import numpy as np

from fathom.data import Example
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Measuring
from fathom.limits.record import Floor, Measure, Rate, RatesDetail
from fathom.limits.statistics import difference_interval, wilson

FAMILY = "leakage"
DIRTY = 0.5  # share of a text's passages from which on it counts as known
MOST_DIRTY, MOST_DIRTY_QUICK = 300, 100
FEWEST = 20


def measure_leakage(context: Context) -> list[Measure]:
    """Of all of the data, before anything was left out; then of every other set of texts that is measured on."""
    texts = [example.text for example in context.rows]
    known = context.known(texts)
    if known is None:
        raise NotMeasurableError(
            f"{context.asked.classifier.name} does not say what it was trained on, and no training texts were named; "
            "add --train DATA"
        )
    return [_overlap(context, known), _clean_minus_dirty(context, known), _probes(context)]


def _sources(context: Context) -> list[str]:
    """What the training data is taken to be."""
    named = [] if context.training_rows is None else [f"the {len(context.training_rows):,} texts that were named with --train"]
    if context.seen is not None:
        named.append("the digests that its folder keeps, by which copies alone are found")
    return [f"compared with {' and '.join(named)}; base models were pretrained on texts that nobody lists"]


def _overlap(context: Context, known: np.ndarray) -> Measure:
    dirty = known >= DIRTY
    return Measure(
        name="data-in-training",
        family=FAMILY,
        title="Share of the data that stands in the training data",
        status="measured",
        value=float(dirty.mean()),
        interval=wilson(int(dirty.sum()), len(dirty)),
        n=len(dirty),
        floor=Floor(value=0.0, what="texts that were never seen"),
        better="neither",  # no fault of the classifier: what was trained on is left out of the splits
        assumptions=[*_sources(context), "passages of 13 words; texts under 8 words are known as whole copies only"],
        detail=RatesDetail(
            of="what stands in the training data",
            rates=[
                Rate.of(name, found)
                for name, found in (
                    ("the whole text", known >= 1),
                    ("at least half of its passages", dirty),
                    ("at least one passage", known > 0),
                )
            ],
        ),
        worst=[
            context.example(row.text, probabilities, None, note="stands in the training data")
            for row, probabilities in _asked(context, [context.rows[place] for place in np.flatnonzero(dirty)[:WORST]])
        ],
    )


def _clean_minus_dirty(context: Context, known: np.ndarray) -> Measure:
    """What seeing a text in training is worth; the paired question, the same text unseen, cannot be asked."""
    name, title = "clean-minus-dirty", "Accuracy on texts that it does not know minus that on texts that it knows"
    number = {label: place for place, label in enumerate(context.labels)}
    dirty = [context.rows[row] for row in np.flatnonzero(known >= DIRTY)]
    clean_rows = np.flatnonzero(context.known(context.report.texts) == 0)
    if len(dirty) < FEWEST or len(clean_rows) < FEWEST:
        return Measure(
            name=name,
            family=FAMILY,
            title=title,
            status="not measurable",
            unit="points",
            reason=f"{len(dirty)} texts are known and {len(clean_rows)} to report on are not; {FEWEST} of each are needed",
        )
    affordable = max(FEWEST, context.affordable([example.text for example in dirty]))
    most = min(MOST_DIRTY_QUICK if context.quick else MOST_DIRTY, affordable)
    if len(dirty) > most:
        context.sampled.append(f"leakage: {most:,} of {len(dirty):,} texts that stand in the training data")
        dirty = [dirty[row] for row in np.sort(context.generator("leakage").choice(len(dirty), size=most, replace=False))]
    answers = context.asked.probabilities([example.text for example in dirty]).argmax(axis=1)
    right_dirty = answers == np.array([number[example.label or ""] for example in dirty])
    clean = context.report.take(clean_rows)
    right_clean = context.asked.probabilities(clean.texts).argmax(axis=1) == clean.truth
    low, high = difference_interval((int(right_clean.sum()), len(right_clean)), (int(right_dirty.sum()), len(right_dirty)))
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=100 * float(right_clean.mean() - right_dirty.mean()),
        interval=(100 * low, 100 * high),
        n=len(right_clean) + len(right_dirty),
        floor=Floor(value=0.0, what="having seen a text makes no difference", faultless=True),
        unit="points",
        better="higher",
        assumptions=["known texts may also differ from others in how hard they are", *_sources(context)],
        detail=RatesDetail(
            of="texts",
            rates=[Rate.of(kind, right) for kind, right in (("not known", right_clean), ("known", right_dirty))],
        ),
    )


def _probes(context: Context) -> Measure:
    """Every set of texts that something here is measured on."""
    sets = [("the report split", context.report.texts), ("the calibrate split", context.calibrate.texts)]
    sets += [(f"{beside.name}", beside.texts) for beside in (context.near, context.far, context.compared) if beside is not None]
    rates = []
    for name, texts in sets:
        found = context.known(texts)
        assert found is not None  # one set could be compared, so all can
        dirty = found >= DIRTY
        rates.append(Rate.of(name, dirty))
    worst = max(rates, key=lambda rate: rate.value)
    return Measure(
        name="probes-in-training",
        family=FAMILY,
        title="Share that stands in the training data, of the set that has most",
        status="measured",
        value=worst.value,
        interval=worst.interval,
        n=worst.n,
        floor=Floor(value=0.0, what="texts that were never seen"),
        better="lower",
        assumptions=[f"most in {worst.name}", *_sources(context), "sentences that fathom made up were in no training data"],
        detail=RatesDetail(of="set of texts", rates=rates),
    )


def _asked(context: Context, rows: list[Example]) -> list[tuple[Example, np.ndarray]]:
    return list(zip(rows, context.asked.probabilities([row.text for row in rows]), strict=True)) if rows else []


MEASURING = Measuring(
    FAMILY,
    "how much of what is measured on was in the training data",
    measure_leakage,
    calls=lambda context: MOST_DIRTY_QUICK if context.quick else MOST_DIRTY,
    needs_unseen=False,
)
