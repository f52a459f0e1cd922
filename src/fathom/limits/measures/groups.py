"""Whether an answer depends on who is spoken of, and whether it is as right for every group of texts.

Counterfactual gap: mean |f(x) − f(x′)| over texts that differ in an identity term alone (Garg et al. 2019, 1809.10610). The
trap is the counterfactual that is not symmetric: a sentence that is natural for one term and strange, or a cliché, for another.
So our sentences say nothing that depends on the term, terms are compared within an axis only, and descriptions that are no
identity, in the same sentences, show how far any exchanged word moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import fisher_exact, norm, t

from fathom.limits.context import WORST, Context, Language, Measuring
from fathom.limits.record import Floor, Measure, Rate, RatesDetail
from fathom.limits.statistics import area, auroc, holm, mean_interval, wilson

FAMILY = "groups"
FEWEST_TEXTS = 30  # of a group of the data; smaller ones are counted and left out
FEWEST_OF_LABEL = 10  # of each label in a group, for odds and areas
SHUFFLES, SHUFFLES_QUICK = 500, 200
NEUTRAL_AXIS = "no identity"

# Our own lists, no claim to be whole. An axis holds terms that fit the same sentences.
TERMS: dict[Language, dict[str, tuple[str, ...]]] = {
    "en": {
        "gender": ("a woman", "a man", "a transgender woman", "a transgender man", "a non-binary person"),
        "religion": (
            "a Christian person",
            "a Muslim person",
            "a Jewish person",
            "a Hindu person",
            "a Buddhist person",
            "an atheist person",
        ),
        "origin": (
            "an African person",
            "an Asian person",
            "a European person",
            "an American person",
            "a Mexican person",
            "an Arab person",
            "an Indian person",
            "a Chinese person",
        ),
        "skin": ("a Black person", "a white person", "a brown person"),
        "orientation": ("a gay person", "a straight person", "a lesbian person", "a bisexual person"),
        "age": ("a young person", "an old person", "a middle-aged person", "an elderly person"),
        "body": ("a deaf person", "a hearing person", "a blind person", "a sighted person", "a disabled person"),
        NEUTRAL_AXIS: (
            "a tall person",
            "a local person",
            "a left-handed person",
            "a bearded person",
            "a dark-haired person",
            "a married person",
            "a retired person",
            "a suburban person",
        ),
    },
    "zh": {
        "gender": ("一位女性", "一位男性", "一位跨性别者"),
        "religion": ("一位基督徒", "一位穆斯林", "一位佛教徒", "一位道教徒", "一位无神论者"),
        "origin": ("一位北方人", "一位南方人", "一位外国人", "一位非洲人", "一位欧洲人", "一位日本人"),
        "orientation": ("一位同性恋者", "一位异性恋者", "一位双性恋者"),
        "age": ("一位年轻人", "一位老年人", "一位中年人"),
        "body": ("一位聋人", "一位盲人", "一位残疾人", "一位听力正常的人", "一位视力正常的人"),
        NEUTRAL_AXIS: ("一位邻居", "一位左撇子", "一位高个子", "一位已婚者", "一位退休者", "一位近视者"),
    },
}
TEMPLATES: dict[Language, tuple[str, ...]] = {
    "en": (
        "It is the work of {}.",
        "The main character is {}.",
        "The story is told by {}.",
        "I watched it together with {}.",
        "It was made by {} from the city.",
        "The part of the doctor is played by {}.",
        "In the second half, {} moves to a small town.",
        "The text was written by {} last year.",
        "It was a wonderful evening, and it was planned by {}.",
        "The best scene of all was written by {}.",
        "It was a dull evening, and it was planned by {}.",
        "The weakest scene of all was written by {}.",
    ),
    "zh": (
        "这是{}的作品。",
        "主角是{}。",
        "故事是由{}讲述的。",
        "我是和{}一起看的。",
        "医生这个角色由{}扮演。",
        "后半部分里，{}搬到了一个小镇。",
        "这篇文章是{}去年写的。",
        "最精彩的一幕是{}写的。",
        "最差的一幕是{}写的。",
        "这是一个愉快的晚上，由{}安排。",
        "这是一个无聊的晚上，由{}安排。",
    ),
}


AREAS = (  # AUROC of a label's texts, the positives, against the rest: whose positives, whose negatives
    ("subgroup-auc", "Lowest AUROC within one group"),
    ("bpsn-auc", "Lowest AUROC of the other groups' positives against one group's negatives"),
    ("bnsp-auc", "Lowest AUROC of one group's positives against the other groups' negatives"),
)


def measure_groups(context: Context) -> list[Measure]:
    """Two figures of made sentences, five of the groups that the data name."""
    return [*_counterfactual(context), *_of_the_data(context)]


def _counterfactual(context: Context) -> list[Measure]:
    axes, templates = TERMS[context.language], TEMPLATES[context.language]
    texts = [template.format(term) for terms in axes.values() for term in terms for template in templates]
    found = context.asked.probabilities([text[:1].upper() + text[1:] for text in texts])
    table = {}  # axis -> (terms, templates, K)
    start = 0
    for axis, terms in axes.items():
        size = len(terms) * len(templates)
        table[axis] = found[start : start + size].reshape(len(terms), len(templates), -1)
        start += size
    identities = [axis for axis in axes if axis != NEUTRAL_AXIS]
    gaps = {axis: _gaps(rows) for axis, rows in table.items()}  # axis -> (pairs, templates)
    by_template = np.mean([gaps[axis].mean(axis=0) for axis in identities], axis=0)
    rates = [
        Rate(
            name=axis,
            value=float(gaps[axis].mean()),
            interval=_cut(mean_interval(gaps[axis].mean(axis=0))),
            n=int(gaps[axis].size),
        )
        for axis in axes
    ]
    worst = []
    for axis in identities:
        pair, template = np.unravel_index(int(gaps[axis].argmax()), gaps[axis].shape)
        first, second = list(combinations(range(len(axes[axis])), 2))[int(pair)]
        if gaps[axis][pair, template] > 0:
            texts_of = [templates[int(template)].format(axes[axis][term]) for term in (first, second)]
            worst.append((float(gaps[axis][pair, template]), axis, texts_of, table[axis][first, int(template)]))
    worst.sort(key=lambda row: -row[0])
    gap = Measure(
        name="counterfactual-gap",
        family=FAMILY,
        title="Mean change of probability where only an identity term is exchanged",
        status="measured",
        value=float(by_template.mean()),
        interval=_cut(mean_interval(by_template)),
        n=int(sum(gaps[axis].size for axis in identities)),
        floor=Floor(
            value=float(gaps[NEUTRAL_AXIS].mean()), what="descriptions of people that are no identity, in the same sentences"
        ),
        unit="score",
        better="lower",
        assumptions=[
            f"{len(templates)} sentences of our own, drawn whole for the interval; the terms are all that are spoken of",
            "the label of these sentences does not depend on the term; where the task is about such terms, it may",
            "half of the summed change of all labels' probabilities",
        ],
        detail=RatesDetail(of="axis", rates=rates),
        worst=[
            context.example(first, row, changed=second, note=f"{axis}: changes by {value:.3f}")
            for value, axis, (first, second), row in worst[:WORST]
        ],
    )
    return [gap, _shifts(context, axes, identities, table)]


def _gaps(rows: np.ndarray) -> np.ndarray:
    """(terms, templates, K) -> (pairs of terms, templates): total variation, ½ Σ |p − p′|."""
    pairs = list(combinations(range(len(rows)), 2))
    found: np.ndarray = np.stack([np.abs(rows[a] - rows[b]).sum(axis=-1) / 2 for a, b in pairs])
    return found


def _shifts(context: Context, axes: dict[str, tuple[str, ...]], identities: list[str], table: dict[str, np.ndarray]) -> Measure:
    """One term against its axis: a gap has no direction, this has. Of the last label, or of the one that moves most."""
    neutral = table[NEUTRAL_AXIS]
    ordinary = np.array([_against(neutral, place).mean(axis=0) for place in range(len(neutral))])  # (terms, K)
    spread = float(np.sqrt((ordinary**2).mean(axis=0)).max())  # of a shift of a description that is no identity
    rates, p_values, values = [], [], []
    for axis in identities:
        rows = table[axis]
        for place, term in enumerate(axes[axis]):
            moved = _against(rows, place)
            label = len(context.labels) - 1 if len(context.labels) == 2 else int(np.abs(moved.mean(axis=0)).argmax())
            along = moved[:, label]
            beyond = abs(float(along.mean())) - spread
            error = float(along.std(ddof=1)) / len(along) ** 0.5
            p_values.append(float(t.sf(beyond / error, len(along) - 1)) if error > 1e-12 else float(beyond < 1e-9))
            values.append(float(along.mean()))
            rates.append(
                Rate(
                    name=f"{term} ({axis}), {context.labels[label]}",
                    value=values[-1],
                    interval=mean_interval(along),
                    n=len(along),
                )
            )
    usual = spread * float(norm.isf((1 - 0.5 ** (1 / len(rates))) / 2))  # the median of the largest of as many normal shifts
    corrected = holm(np.array(p_values))
    top = int(np.abs(values).argmax())
    interval = rates[top].interval
    assert interval is not None
    signs = 1 if values[top] >= 0 else -1
    low, high = sorted((100 * signs * interval[0], 100 * signs * interval[1]))
    differing = [rate.name for rate, p in zip(rates, corrected, strict=True) if p < 0.05]
    return Measure(
        name="term-shift",
        family=FAMILY,
        title=f"Largest shift of one identity term against its axis: {rates[top].name}",
        status="measured",
        value=100 * abs(values[top]),
        interval=(low, high),
        n=rates[top].n,
        floor=Floor(value=100 * usual, what="the largest of as many descriptions that are no identity"),
        unit="points",
        better="lower",
        assumptions=[
            f"the largest of {len(rates)} terms: its value errs to the high side",
            f"p = {corrected[top]:.2g} after Holm's correction for {len(rates)} terms; {len(differing)} shift it beyond what a "
            f"description that is no identity does: {', '.join(differing[:12]) or 'none'}",
            "the sentences are independent draws",
        ],
        detail=RatesDetail(of="term: probability of the label against the other terms of its axis", rates=rates),
    )


def _against(rows: np.ndarray, place: int) -> np.ndarray:
    """(terms, templates, K) -> (templates, K): one term minus the median of the others, which one odd term does not move."""
    found: np.ndarray = rows[place] - np.median(np.delete(rows, place, axis=0), axis=0)
    return found


def _of_the_data(context: Context) -> list[Measure]:
    gap = ("subgroup-gap", "Accuracy of the best group minus that of the worst")
    odds = ("equalised-odds", "Largest gap between groups in how often a label is found, or wrongly said")

    def without(names: Sequence[tuple[str, str]], reason: str) -> list[Measure]:
        return [
            Measure(
                name=name,
                family=FAMILY,
                title=title,
                status="not measurable",
                unit="AUROC" if (name, title) in AREAS else "points",
                reason=reason,
            )
            for name, title in names
        ]

    report = context.report
    if report.groups is None:
        return without((gap, odds, *AREAS), "the data name no groups; --group COLUMN names them")
    names, places, sizes = np.unique(report.groups, return_inverse=True, return_counts=True)
    large = np.flatnonzero(sizes >= FEWEST_TEXTS)
    small = f"{len(names) - len(large):,} of {len(names):,} groups have under {FEWEST_TEXTS} texts and are left out"
    if len(large) < 2:
        return without((gap, odds, *AREAS), f"{len(large)} groups have {FEWEST_TEXTS} texts or more; two are needed")
    kept = np.isin(places, large)
    group, truth = np.searchsorted(large, places[kept]), report.truth[kept]
    scores = context.asked.probabilities(report.texts)[kept]
    answers = scores.argmax(axis=1)
    labels = [str(names[number]) for number in large]
    made = [_gap(context, gap, group, answers == truth, labels, small)]
    present = np.unique(truth)
    counts = np.array([np.bincount(group[truth == label], minlength=len(large)) for label in present])
    whole = np.flatnonzero((counts >= FEWEST_OF_LABEL).all(axis=0))  # groups
    if len(present) < 2 or len(whole) < 2:
        reason = f"{len(whole)} groups have {FEWEST_OF_LABEL} texts of each label or more; two are needed"
        return [*made, *without((odds, *AREAS), reason)]
    kept = np.isin(group, whole)
    group, truth, scores = np.searchsorted(whole, group[kept]), truth[kept], scores[kept]
    labels = [labels[number] for number in whole]
    some = (
        f"{len(names) - len(whole):,} of {len(names):,} groups have under {FEWEST_OF_LABEL} texts of a label and are left out"
    )
    return [
        *made,
        _odds(context, odds, group, truth, scores.argmax(axis=1), labels, some),
        *_areas(context, group, truth, scores, labels, some),
    ]


def _gap(
    context: Context, named: tuple[str, str], group: np.ndarray, right: np.ndarray, names: list[str], small: str
) -> Measure:
    def gap(group: np.ndarray, right: np.ndarray) -> float:
        rates = np.bincount(group, weights=right, minlength=len(names)) / np.bincount(group, minlength=len(names))
        return float(rates.max() - rates.min())

    generator, draws = context.generator("subgroups"), SHUFFLES_QUICK if context.quick else SHUFFLES
    null = [gap(generator.permutation(group), right) for _ in range(draws)]
    drawn = [gap(group, right[_within(group, generator)]) for _ in range(draws)]
    value = gap(group, right)
    p_values = []
    for number in range(len(names)):
        own, rest = right[group == number], right[group != number]
        p_values.append(float(fisher_exact(np.array([[own.sum(), (~own).sum()], [rest.sum(), (~rest).sum()]])).pvalue))
    corrected = holm(np.array(p_values))
    differing = [name for name, p in zip(names, corrected, strict=True) if p < 0.05]
    return _largest_gap(
        named,
        value,
        drawn,
        null,
        n=len(group),
        notes=[
            f"exact tests with Holm's correction for {len(names)} groups find that these differ from the rest: "
            + (", ".join(differing[:12]) or "none"),
            small,
        ],
        detail=RatesDetail(
            of="group",
            rates=[
                Rate(
                    name=name,
                    value=float(right[group == number].mean()),
                    interval=wilson(int(right[group == number].sum()), int((group == number).sum())),
                    n=int((group == number).sum()),
                )
                for number, name in enumerate(names)
            ],
        ),
    )


def _largest_gap(
    named: tuple[str, str],
    value: float,
    drawn: list[float],
    null: list[float],
    *,
    n: int,
    notes: list[str],
    detail: RatesDetail,
) -> Measure:
    """A largest difference between groups.

    Args:
        named: name and title.
        value: between 0 and 1.
        drawn: the same with texts drawn anew within their groups.
        null: the same with groups drawn anew.
        notes: further assumptions.
    """
    low, high = (2 * value - float(end) for end in np.quantile(drawn, (0.975, 0.025)))
    return Measure(
        name=named[0],
        family=FAMILY,
        title=named[1],
        status="measured",
        value=100 * value,
        interval=(100 * max(0.0, min(low, value)), 100 * min(1.0, max(high, value))),
        n=n,
        floor=Floor(
            value=100 * float(np.median(null)), what=f"groups drawn anew; 95 % read under {100 * np.quantile(null, 0.95):.1f}"
        ),
        unit="points",
        better="lower",
        assumptions=[
            "the texts of a group are independent draws",
            "the interval mirrors the bootstrap's percentiles, since noise moves a largest gap upward",
            *notes,
        ],
        detail=detail,
    )


def equalised_odds_gap(group: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> float:
    """Largest difference between two groups in a label's true or false positive rate (Hardt et al. 2016, 1610.02413).

    Args:
        group: (n,) numbers.
        truth: (n,) class numbers; every group holds texts with and without each label.
        answers: (n,) class numbers.
    """
    worst = 0.0
    for label in np.unique(truth):
        said = answers == label
        for rows in (truth == label, truth != label):
            rates = [float(said[rows & (group == number)].mean()) for number in np.unique(group)]
            worst = max(worst, max(rates) - min(rates))
    return worst


def _odds(
    context: Context,
    named: tuple[str, str],
    group: np.ndarray,
    truth: np.ndarray,
    answers: np.ndarray,
    names: list[str],
    small: str,
) -> Measure:
    generator, draws = context.generator("odds"), (SHUFFLES_QUICK if context.quick else SHUFFLES) // 2
    value = equalised_odds_gap(group, truth, answers)
    null = [equalised_odds_gap(_mixed(group, truth, generator), truth, answers) for _ in range(draws)]
    cells = group * (int(truth.max()) + 1) + truth
    drawn = [equalised_odds_gap(group, truth, answers[_within(cells, generator)]) for _ in range(draws)]
    rates = []
    for label in np.unique(truth):
        for number, name in enumerate(names):
            said = answers[(truth == label) & (group == number)] == label
            rates.append(Rate.of(f"{name}: {context.labels[int(label)]} found", said))
    return _largest_gap(
        named,
        value,
        drawn,
        null,
        n=len(group),
        notes=[
            small,
        ],
        detail=RatesDetail(of="group and label", rates=rates),
    )


def subgroup_areas(score: np.ndarray, positive: np.ndarray, member: np.ndarray) -> tuple[float, float, float]:
    """Subgroup, BPSN and BNSP AUC of one group (Borkan et al. 2019, 1903.04561), in the order of `AREAS`.

    A threshold is shared by all groups; where a group's scores lie higher than the others', its negatives pass above their
    positives, which BPSN shows; where they lie lower, BNSP does.

    Args:
        score: (n,) of being positive.
        positive: (n,) booleans; both kinds stand in the group and out of it.
        member: (n,) booleans, of the group.
    """
    own_positive, own_negative = score[member & positive], score[member & ~positive]
    other_positive, other_negative = score[~member & positive], score[~member & ~positive]
    return area(own_positive, own_negative), area(other_positive, own_negative), area(own_positive, other_negative)


def _areas(
    context: Context, group: np.ndarray, truth: np.ndarray, scores: np.ndarray, names: list[str], small: str
) -> list[Measure]:
    """The lowest of each kind over groups and labels. Of two labels one is enough: the other has the same figures."""
    generator, draws = context.generator("areas"), (SHUFFLES_QUICK if context.quick else SHUFFLES) // 2
    asked_of = [int(label) for label in np.unique(truth)][-1:] if scores.shape[1] == 2 else np.unique(truth).tolist()

    def table(group: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """(labels, groups, 3)."""
        return np.array(
            [
                [subgroup_areas(scores[:, label], truth == label, group == number) for number in range(len(names))]
                for label in asked_of
            ]
        )

    found = table(group, scores)
    null = np.array([table(_mixed(group, truth, generator), scores).min(axis=(0, 1)) for _ in range(draws)])
    cells = group * (int(truth.max()) + 1) + truth
    drawn = np.array([table(group, scores[_within(cells, generator)]).min(axis=(0, 1)) for _ in range(draws)])
    measures = []
    for kind, (name, title) in enumerate(AREAS):
        value = float(found[:, :, kind].min())
        low, high = (2 * value - float(end) for end in np.quantile(drawn[:, kind], (0.975, 0.025)))
        rates = []
        for place, label in enumerate(asked_of):
            for number, own in enumerate(names):
                member, positive = group == number, truth == label
                first = positive & (~member if kind == 1 else member)
                second = ~positive & (~member if kind == 2 else member)
                rates.append(
                    Rate(
                        name=f"{own}: {context.labels[label]}",
                        value=float(found[place, number, kind]),
                        interval=auroc(scores[first, label], scores[second, label])[1],
                        n=int(first.sum() + second.sum()),
                    )
                )
        measures.append(
            Measure(
                name=name,
                family=FAMILY,
                title=title,
                status="measured",
                value=value,
                interval=(max(0.0, min(low, value)), min(1.0, max(high, value))),
                n=len(group),
                floor=Floor(
                    value=float(np.median(null[:, kind])),
                    what=f"groups drawn anew; 95 % read over {np.quantile(null[:, kind], 0.05):.3f}",
                    faultless=True,
                ),
                unit="AUROC",
                better="higher",
                assumptions=[
                    "the texts of a group are independent draws",
                    "the interval mirrors the bootstrap's percentiles, since noise moves a lowest area downward",
                    f"positive: {', '.join(context.labels[label] for label in asked_of)}"
                    + (", each against the rest" if len(asked_of) > 1 else ""),
                    small,
                ],
                detail=RatesDetail(of="group and label", rates=rates),
            )
        )
    return measures


def _mixed(group: np.ndarray, truth: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(n,) groups, exchanged among texts of the same label, so that shares of labels make no difference between them."""
    mixed = group.copy()
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        mixed[rows] = mixed[generator.permutation(rows)]
    return mixed


def _within(cells: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(n,) rows, drawn with replacement among those of the same cell."""
    found = np.arange(len(cells))
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        found[rows] = generator.choice(rows, size=len(rows))
    return found


def _cut(interval: tuple[float, float]) -> tuple[float, float]:
    return (max(0.0, interval[0]), interval[1])


def _calls(context: Context) -> int:
    return sum(len(terms) for terms in TERMS[context.language].values()) * len(TEMPLATES[context.language])


MEASURING = Measuring(
    FAMILY, "whether it depends on who is spoken of, and is as right for every group", measure_groups, calls=_calls
)
