"""Whether the classifier gives away which texts it learned from.

membership-auc    AUROC of the loss: texts that it learned from against texts that it did not (Yeom et al. 2018, 1709.01604)
membership-tpr    how many it learned from are found when one in a thousand others may be accused (Carlini et al. 2022,
                  2112.03570)
blind-auc         the AUROC of a bag of words that never sees the classifier. If it tells them apart, the two kinds of text
                  differ, and no attack on the classifier says anything about memory (Das et al. 2024, 2406.16201)
exposure          of texts that were planted: log₂|R| − log₂ rank among texts like them that were not (Carlini et al. 2019,
                  1802.08232)

All of it needs answers only. No training text is written into the record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from fathom.data import Canary, Example, assign_parts, text_digest
from fathom.errors import DataError
from fathom.limits.baseline import baseline_of
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Labelled, Measuring
from fathom.limits.record import Floor, Measure, WorstExample
from fathom.limits.statistics import area, mean_interval, wilson

FAMILY = "memorisation"
MOST, MOST_QUICK = 2000, 300  # of the texts that it learned from
FEWEST = 50
RATE = 0.001  # of others that may be accused
FOLDS = 3

_TITLES = {
    "membership-auc": "AUROC of the loss, texts learned from against others",
    "membership-tpr": "Texts learned from that are found at 0.1 % false alarms",
    "blind-auc": "The same AUROC by a bag of words that never sees the classifier",
    "exposure": "Exposure of planted texts, mean",
}


def measure_memorisation(context: Context) -> list[Measure]:
    """Three figures of members against others, and one of canaries; each may be not measurable for reasons of its own."""
    try:
        found = _membership(context)
    except NotMeasurableError as error:
        found = [_cannot(name, str(error)) for name in ("membership-auc", "membership-tpr", "blind-auc")]
    return [*found, _exposure(context)]


@dataclass(frozen=True)
class _Sides:
    """Members first, then others."""

    examples: list[Example]
    is_member: np.ndarray  # (n,) booleans
    groups: list[str] | None
    loss: np.ndarray  # (n,) nats


def _membership(context: Context) -> list[Measure]:
    sides = _sides(context)
    member, n = sides.is_member, len(sides.is_member)
    blind = _blind(context, sides)
    learned = "their digests in its folder" if context.members_known else "--train, which is taken to be what it learned from"
    assumptions = [
        context.independence(sides.groups),
        "texts that it learned from and others are draws of one kind of text; whether they are, the bag of words tells",
        f"which texts it learned from is known by {learned}",
    ]
    if context.members_known:
        assumptions.append("some of those only chose the weights (the dev part), which makes the figure smaller")
    measures = []
    value = _auc(member, -sides.loss)
    interval = context.bootstrap(n, lambda rows: _auc(member[rows], -sides.loss[rows]), sides.groups)
    beside, reason = "0.5 by chance", None
    if blind is not None:
        apart = value - _auc(member, blind)
        low, high = context.bootstrap(
            n, lambda rows: _auc(member[rows], -sides.loss[rows]) - _auc(member[rows], blind[rows]), sides.groups
        )
        beside = f"0.5 by chance; it lies {apart:+.3f} from the bag of words ({low:+.3f} to {high:+.3f})"
        if low <= 0:
            reason = "a bag of words that never sees the classifier does as well, as far as these texts tell: no sign of memory"
    if interval[0] <= 0.5:
        reason = "chance gives as much, as far as these texts tell: no sign of memory"
    measures.append(
        Measure(
            name="membership-auc",
            family=FAMILY,
            title=_TITLES["membership-auc"],
            status="measured",
            value=value,
            interval=interval,
            n=n,
            floor=Floor(value=0.5, what=beside),
            unit="AUROC",
            better="lower",
            assumptions=assumptions,
            reason=reason,
        )
    )
    measures.append(_at_few_false_alarms(sides, assumptions))
    if blind is None:
        measures.append(_cannot("blind-auc", "no bag of words can be learned from these texts"))
    else:
        measures.append(
            Measure(
                name="blind-auc",
                family=FAMILY,
                title=_TITLES["blind-auc"],
                status="measured",
                value=_auc(member, blind),
                interval=context.bootstrap(n, lambda rows: _auc(member[rows], blind[rows]), sides.groups),
                n=n,
                floor=Floor(value=0.5, what="texts of one kind"),
                unit="AUROC",
                better="neither",
                assumptions=[
                    context.independence(sides.groups),
                    f"learned on {FOLDS - 1} of {FOLDS} parts, asked on the third",
                ],
            )
        )
    return measures


def _sides(context: Context) -> _Sides:
    context.training_texts("that it may remember")
    assert context.members is not None
    if len(context.members) < FEWEST:
        raise NotMeasurableError(
            f"{len(context.members)} of the texts that --train names were learned from, as its folder remembers; "
            f"{FEWEST} are the fewest"
        )
    affordable = max(FEWEST, context.affordable(context.members.texts))
    most = min(MOST_QUICK if context.quick else MOST, affordable, len(context.members))
    members = context.members
    if most < len(members):
        rows = np.sort(context.generator(FAMILY).choice(len(members), size=most, replace=False))
        context.sampled.append(f"{FAMILY}: {most:,} of {len(members):,} texts that it learned from")
        members = members.take(rows)
    report = context.report
    both = (members, report)
    loss = np.concatenate([_losses(context, side.texts, side.truth) for side in both])
    groups = None if members.groups is None or report.groups is None else [*members.groups, *report.groups]
    examples = [Example(text) for side in both for text in side.texts]
    return _Sides(examples, np.arange(len(loss)) < len(members), groups, loss)


def _losses(context: Context, texts: list[str], truth: np.ndarray) -> np.ndarray:
    chosen = context.asked.probabilities(texts)[np.arange(len(texts)), truth]
    losses: np.ndarray = -np.log(np.clip(chosen, np.finfo(np.float64).tiny, None))
    return losses


def _auc(member: np.ndarray, score: np.ndarray) -> float:
    """AUROC of the score for being a member; one half where a bootstrap sample has one side only."""
    return area(score[member], score[~member]) if 0 < member.sum() < len(member) else 0.5


def _blind(context: Context, sides: _Sides) -> np.ndarray | None:
    """(n,) how likely each was learned from, by the words alone, as its rank in its part; None: nothing can be learned.

    Ranks, because the parts hold members in unlike shares, and a bag of words that knows nothing else would guess by these.
    """
    keys = [f"text {text_digest(example):016x}" for example in sides.examples]
    names = [str(fold) for fold in range(FOLDS)]
    folds = np.array(assign_parts(keys, dict.fromkeys(names, 1 / FOLDS), seed=context.seed))
    labelled = [
        Example(example.text, "learned" if member else "other")
        for example, member in zip(sides.examples, sides.is_member, strict=True)
    ]
    found = np.empty(len(labelled))
    for name in names:
        inside = np.flatnonzero(folds != name)
        dev = np.array(assign_parts([keys[row] for row in inside], {"train": 0.9, "dev": 0.1}, seed=context.seed)) == "dev"
        try:
            baseline = baseline_of((labelled[row] for row in inside[~dev]), (labelled[row] for row in inside[dev]))
        except DataError:
            return None
        asked = np.flatnonzero(folds == name)
        scores = baseline.predict_proba([labelled[row].text for row in asked])[:, baseline.labels.index("learned")]
        found[asked] = rankdata(scores) / max(1, len(asked))
    return found


def _at_few_false_alarms(sides: _Sides, assumptions: list[str]) -> Measure:
    others, members = np.sort(sides.loss[~sides.is_member]), sides.loss[sides.is_member]
    allowed = math.floor(RATE * len(others))
    if not allowed:
        return _cannot("membership-tpr", f"0.1 % of {len(others):,} others is less than one text; 1,000 are the fewest")
    hits = int((members < others[allowed]).sum())  # at most `allowed` others lie below
    return Measure(
        name="membership-tpr",
        family=FAMILY,
        title=_TITLES["membership-tpr"],
        status="measured",
        value=hits / len(members),
        interval=wilson(hits, len(members)),
        n=len(members),
        floor=Floor(value=allowed / len(others), what="accusing at random"),
        better="lower",
        assumptions=[
            *assumptions,
            f"the interval takes the threshold as given; {allowed} of {len(others):,} others lie below it",
        ],
    )


def _exposure(context: Context) -> Measure:
    if context.canaries is None:
        return _cannot("exposure", "no texts were planted; fathom finetune --canaries 32 plants some, and its folder remembers")
    canaries = [canary for canary in context.canaries if canary.label in context.labels]
    references = [canary.text for canary in context.canaries if canary.label is None]
    if len(canaries) < 2 or not references:
        return _cannot("exposure", f"{len(canaries)} planted texts with labels of this classifier; 2 are the fewest")
    asked = context.asked.probabilities(references)
    bits, worst = [], []
    for canary in canaries:
        label = context.labels.index(str(canary.label))
        row = context.asked.probabilities([canary.text])[0]
        rank = 1 + int((asked[:, label] >= row[label]).sum())  # what is as likely counts as likelier
        bits.append(math.log2(len(references) + 1) - math.log2(rank))
        worst.append(_planted(context, canary, row, rank, len(references) + 1))
    ranks = np.arange(1, len(references) + 2)
    order = np.argsort(-np.array(bits), kind="stable")[:WORST]
    return Measure(
        name="exposure",
        family=FAMILY,
        title=_TITLES["exposure"],
        status="measured",
        value=float(np.mean(bits)),
        interval=mean_interval(np.array(bits)),
        n=len(bits),
        floor=Floor(
            value=float(np.log2(len(ranks)) - np.log2(ranks).mean()),
            what=f"texts that were not planted; the most that can be told is {math.log2(len(ranks)):.0f} bits",
        ),
        unit="bits",
        better="lower",
        assumptions=["the planted texts are independent draws, each planted once", "texts like them: ten random words"],
        worst=[worst[row] for row in order],
    )


def _planted(context: Context, canary: Canary, row: np.ndarray, rank: int, ranks: int) -> WorstExample:
    return context.example(
        canary.text, row, context.labels.index(str(canary.label)), note=f"planted; rank {rank:,} of {ranks:,}"
    )


def _cannot(name: str, reason: str) -> Measure:
    return Measure(name=name, family=FAMILY, title=_TITLES[name], status="not measurable", reason=reason)


def _calls(context: Context) -> int:
    members: Labelled | None = context.members
    canaries = 0 if context.canaries is None else len(context.canaries)
    if members is None or len(members) < FEWEST:
        return canaries
    return canaries + min(len(members), MOST_QUICK if context.quick else MOST)


MEASURING = Measuring(FAMILY, "whether it gives away which texts it learned from", measure_memorisation, _calls)
