"""What is lost when texts are typed, scanned or shouted carelessly: accuracy over the share of characters that are changed."""

from __future__ import annotations

import numpy as np

from fathom.limits.context import WORST, Context, Labelled, Measuring
from fathom.limits.edits import EDITS, Edit, noisy
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point, WorstExample
from fathom.limits.statistics import Interval, interval_by_group, mean_interval

FAMILY = "noise"
RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
RATES_QUICK = (0.0, 0.05, 0.2)
SEEDS, SEEDS_QUICK = 3, 1  # one also where texts are long
TEXTS, TEXTS_QUICK = 150, 40
FEWEST_PLACES = 0.05  # of the characters that a kind of noise must be able to change


def measure_noise(context: Context) -> list[Measure]:
    """For each kind of noise, the points of accuracy that it costs, as a mean over the rates (trapezoids).

    A text is changed with the same random numbers at every rate, so that the rates, and the clean text, are compared on pairs.
    """
    texts = context.drawn_to_change(
        FAMILY, TEXTS, quick=TEXTS_QUICK, askings=len(EDITS) * _seeds(context) * (len(_rates(context)) - 1)
    )
    context.sampled.append(
        f"{FAMILY}: rates {', '.join(f'{100 * rate:g} %' for rate in _rates(context))} with {_seeds(context)} seeds"
    )
    return [_one(context, texts, edit) for edit in EDITS.values()]


def _one(context: Context, texts: Labelled, edit: Edit) -> Measure:
    name, title = f"noise-{edit.name}", f"Accuracy lost to {edit.what}, mean over the rates"
    changeable = sum(len(edit.places(text)) for text in texts.texts) / max(1, sum(map(len, texts.texts)))
    if changeable < FEWEST_PLACES:
        reason = f"only {100 * changeable:.1f} % of the characters of these texts can be changed so"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason, unit="points")
    rates, right, worst = np.array(_rates(context)), _right(context, texts, edit), _worst(context, texts, edit)
    mean = np.trapezoid(right, rates, axis=1) / rates[-1]  # (n,) share of right answers over the rates
    lost = 100 * (right[:, 0] - mean)
    majority = float(np.bincount(texts.truth).max()) / len(texts)
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=float(lost.mean()),
        interval=_interval(context, lost, texts.groups, (-100.0, 100.0)),
        n=len(texts),
        floor=Floor(
            value=0.0,
            what=f"noise that costs nothing; falling at once to the most frequent label would cost "
            f"{100 * (float(right[:, 0].mean()) - majority) * (1 - float(rates[1]) / 2 / float(rates[-1])):.1f} points",
        ),
        unit="points",
        better="lower",
        assumptions=[
            context.independence(texts.groups),
            f"of the characters, {100 * changeable:.0f} % are such that this noise can change them; the rates are of these",
            "the label stays the same: at the highest rates a person may not be able to read it either",
        ],
        detail=CurveDetail(
            x="share of the characters that are changed",
            y="accuracy",
            lines=[
                Line(
                    name=edit.what,
                    points=[
                        Point(
                            x=float(rate),
                            y=float(column.mean()),
                            interval=_interval(context, column, texts.groups, (0.0, 1.0)),
                            n=len(texts),
                        )
                        for rate, column in zip(rates, right.T, strict=True)
                    ],
                )
            ],
        ),
        worst=worst,
    )


def _right(context: Context, texts: Labelled, edit: Edit) -> np.ndarray:
    """(n, rates) share of the seeds with which each text is answered rightly."""
    columns = []
    for rate in _rates(context):
        changed = [text for seed in range(_seeds(context)) for text in _noisy(context, texts, edit, rate, seed)]
        answers = context.asked.probabilities(changed).argmax(axis=1).reshape(_seeds(context), len(texts))
        columns.append((answers == texts.truth).mean(axis=0))
    return np.stack(columns, axis=1)


def _noisy(context: Context, texts: Labelled, edit: Edit, rate: float, seed: int) -> list[str]:
    return [
        noisy(text, edit, rate, context.generator(f"{FAMILY} {edit.name} {seed} {row}")) for row, text in enumerate(texts.texts)
    ]


def _worst(context: Context, texts: Labelled, edit: Edit) -> list[WorstExample]:
    """Texts that are answered rightly, and wrongly and surely at the lowest rate that does it."""
    clean = context.asked.probabilities(texts.texts).argmax(axis=1) == texts.truth
    found: dict[int, WorstExample] = {}
    for rate in _rates(context)[1:]:
        changed = _noisy(context, texts, edit, rate, 0)
        answers = context.asked.probabilities(changed)
        wrong = [row for row in np.flatnonzero(clean & (answers.argmax(axis=1) != texts.truth)) if int(row) not in found]
        for row in sorted(wrong, key=lambda row: -float(answers[row].max())):
            found[int(row)] = context.example(
                texts.texts[row],
                answers[row],
                int(texts.truth[row]),
                changed=changed[row],
                note=f"{edit.what}, {100 * rate:g} %",
            )
        if len(found) >= WORST:
            break
    return list(found.values())[:WORST]


def _interval(context: Context, values: np.ndarray, groups: list[str] | None, ends: Interval) -> Interval:
    """Student's, with one more text at each end of the range, so that equal values are not ±0 (as Bonett and Price 2012)."""
    low, high = mean_interval(np.append(values, ends))
    if groups is not None:
        by_group = interval_by_group(values, groups, seed=context.seed)
        low, high = min(low, by_group[0]), max(high, by_group[1])
    return (max(ends[0], low), min(ends[1], high))


def _rates(context: Context) -> tuple[float, ...]:
    return RATES_QUICK if context.quick else RATES


def _seeds(context: Context) -> int:
    """Of long texts, more of them tell more than more draws of each."""
    askings = len(EDITS) * SEEDS * (len(_rates(context)) - 1)
    enough = context.affordable(context.report.texts, askings) >= min(TEXTS, len(context.report)) / 2
    return SEEDS if enough and not context.quick else SEEDS_QUICK


def _calls(context: Context) -> int:
    texts = min(TEXTS_QUICK if context.quick else TEXTS, len(context.report))
    return len(EDITS) * _seeds(context) * (len(_rates(context)) - 1) * texts


MEASURING = Measuring(FAMILY, "what slips, scanners, shouting and look-alike signs cost", measure_noise, calls=_calls)
