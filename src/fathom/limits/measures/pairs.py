"""Texts that were changed as little as possible: is it right on both, and is the original easier than what was made of it?"""

from __future__ import annotations

import numpy as np

from fathom.data import Example
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Measuring
from fathom.limits.pairs import TextPair
from fathom.limits.record import Floor, Measure, PairedDetail, Rate, RatesDetail, WorstExample
from fathom.limits.statistics import paired_test, wilson

FAMILY = "pairs"
GROUPS, GROUPS_QUICK = 500, 60
ENOUGH_UNSEEN = 20  # groups of which no text was trained on: these alone are measured then


def measure_pairs(context: Context) -> list[Measure]:
    """Contrast consistency (Gardner et al. 2020, 2004.02709) and the gap of counterfactuals (Kaushik et al. 2020, 1909.12434).

    Both are of the same texts, so the one is no evidence for the other.
    """
    if context.pairs is None:
        raise NotMeasurableError("no pairs of texts were named; add --pairs FILE")
    pairs, known, notes = _chosen(context, context.pairs.pairs)
    first, second = (context.asked.probabilities(texts) for texts in zip(*((p.first, p.second) for p in pairs), strict=True))
    right_first = first.argmax(axis=1) == [pair.first_truth for pair in pairs]
    right_second = second.argmax(axis=1) == [pair.second_truth for pair in pairs]
    found = [
        _consistency(context, pairs, right_first, right_second, notes, _worst(context, pairs, first, second)),
        _gap(context, pairs, right_first, right_second, notes),
    ]
    if known is None:
        return found
    return [measure.model_copy(update={"status": "contaminated", "reason": known}) for measure in found]


def _chosen(context: Context, pairs: list[TextPair]) -> tuple[list[TextPair], str | None, list[str]]:
    """The pairs to measure on; why the figures are of memory, if they are; what else is known of them."""
    assert context.pairs is not None
    groups = list(dict.fromkeys(pair.group for pair in pairs))
    known, notes = None, []
    if context.seen is None:
        notes.append(
            "the originals were possibly seen in training: this classifier does not say what it was trained on, and those of "
            "the known sets stand in public training data"
        )
    else:
        seen = {p.group for p in pairs if Example(p.first) in context.seen or Example(p.second) in context.seen}
        if seen and len(groups) - len(seen) < ENOUGH_UNSEEN:
            known = f"of {len(groups):,} groups, {len(seen):,} hold a text that was in its training data: a figure of memory"
        elif seen:
            context.sampled.append(
                f"{FAMILY}: {len(seen):,} of {len(groups):,} groups hold a text that was trained on, left out"
            )
            groups = [group for group in groups if group not in seen]
        else:
            notes.append("none of the texts is a copy of one that it was trained on")
    most = GROUPS_QUICK if context.quick else GROUPS
    if len(groups) > most:
        context.sampled.append(f"{FAMILY}: {most:,} of {len(groups):,} groups of {context.pairs.name}")
        groups = [groups[row] for row in context.generator(FAMILY).choice(len(groups), size=most, replace=False)]
    kept = set(groups)
    return [pair for pair in pairs if pair.group in kept], known, notes


def _consistency(
    context: Context,
    pairs: list[TextPair],
    right_first: np.ndarray,
    right_second: np.ndarray,
    notes: list[str],
    worst: list[WorstExample],
) -> Measure:
    whole: dict[str, bool] = {}
    texts: dict[str, int] = {}
    for pair, both in zip(pairs, right_first & right_second, strict=True):
        whole[pair.group] = whole.get(pair.group, True) and bool(both)
        texts[pair.group] = texts.get(pair.group, 1) + 1
    n, right = len(whole), sum(whole.values())
    chance = float(np.mean([(1 / len(context.labels)) ** count for count in texts.values()]))
    return Measure(
        name="contrast-consistency",
        family=FAMILY,
        title="Groups of a text and its small changes that are all answered rightly",
        status="measured",
        value=right / n,
        interval=wilson(right, n),
        n=n,
        floor=Floor(value=chance, what="answering at random; one that reads no difference gives 0"),
        assumptions=["the groups are independent draws", *notes],
        detail=RatesDetail(of="text", rates=[Rate.of("originals", right_first), Rate.of("changed texts", right_second)]),
        worst=worst,
    )


def _gap(
    context: Context, pairs: list[TextPair], right_first: np.ndarray, right_second: np.ndarray, notes: list[str]
) -> Measure:
    paired, groups = paired_test(right_first, right_second), [pair.group for pair in pairs]
    low, high = context.paired_interval(right_first, right_second, groups if len(set(groups)) < len(groups) else None)
    return Measure(
        name="counterfactual-drop",
        family=FAMILY,
        title="Accuracy on originals minus that on what was made of them",
        status="measured",
        value=100 * paired.difference,
        interval=(100 * low, 100 * high),
        n=len(pairs),
        floor=Floor(value=0.0, what="both are as easy"),
        unit="points",
        better="lower",
        assumptions=["the groups are independent draws", *notes],
        detail=PairedDetail(
            first=Rate.of("originals", right_first),
            second=Rate.of("changed texts", right_second),
            only_first=paired.only_a,
            only_second=paired.only_b,
            p_value=paired.p_value,
        ),
    )


def _worst(context: Context, pairs: list[TextPair], first: np.ndarray, second: np.ndarray) -> list[WorstExample]:
    """Changed texts that are wrong although the original is right, the most confident first."""
    wrong = [
        row
        for row, pair in enumerate(pairs)
        if first[row].argmax() == pair.first_truth and second[row].argmax() != pair.second_truth
    ]
    wrong.sort(key=lambda row: -float(second[row].max()))
    return [
        context.example(pairs[row].first, second[row], pairs[row].second_truth, changed=pairs[row].second)
        for row in wrong[:WORST]
    ]


def _calls(context: Context) -> int:
    if context.pairs is None:
        return 0
    return 2 * min(len(context.pairs.pairs), GROUPS_QUICK if context.quick else GROUPS)


MEASURING = Measuring(FAMILY, "texts that were changed as little as possible", measure_pairs, calls=_calls, needs_unseen=False)
