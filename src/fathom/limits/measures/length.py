"""What length does: how much is not read, how right it is on long texts, what half a text says, where a sentence may stand."""

from __future__ import annotations

import re

import numpy as np

from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Labelled, Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, PairedDetail, Point, Rate, RatesDetail
from fathom.limits.statistics import accuracy_by_length, difference_interval, interval_by_group, paired_test, wilson

FAMILY = "length"
TEXTS, TEXTS_QUICK = 300, 100  # of which halves are read
KEYS, KEYS_QUICK = 10, 4  # decisive sentences of each label
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # 0: before all filler, 1: behind it
FILLERS, FILLERS_QUICK = (40, 160, 320), (40, 160)  # sentences of filler are added until so many words are there
SHORT = (4, 25)  # words of a decisive sentence
SURE = 0.9  # confidence of a decisive sentence alone
FEWEST = 20  # texts, to say anything
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")  # rough, and enough: whether a sentence decides is asked

# Our own: nothing in it should speak for any label of a task that is not about streets and offices.
FILLER = {
    "en": (
        "The office is on the second floor of the building.",
        "The bus stops at the corner every twenty minutes.",
        "On Monday the package was moved from one room to another.",
        "The form has four pages and a line for the date.",
        "There are two doors on the left side of the hall.",
        "The meeting took place in the afternoon.",
        "The street runs from the station to the river.",
        "A copy of the list is kept in the cabinet.",
        "The table stands between the window and the wall.",
        "The number was written at the top of the page.",
        "The road was measured again in the spring.",
        "The letter arrived on a Tuesday.",
    ),
    "zh": (
        "办公室在这栋楼的二层。",
        "公共汽车每二十分钟在路口停一次。",
        "星期一，包裹从一个房间搬到了另一个房间。",
        "这份表格有四页，还有一行填写日期。",
        "走廊左边有两扇门。",
        "会议是在下午举行的。",
        "这条街从车站通到河边。",
        "名单的副本放在柜子里。",
        "桌子放在窗户和墙之间。",
        "号码写在这一页的上方。",
        "春天的时候，这条路又量了一次。",
        "信是在星期二到的。",
    ),
}


def measure_length(context: Context) -> list[Measure]:
    """Shares, differences and a curve; the decisive sentences are the data's own, so no label needs to be understood."""
    return [_unread(context), _by_length(context), *_halves(context), *_depths(context)]


def _unread(context: Context) -> Measure:
    name, title = "truncated", "Share of the texts that it does not read to the end"
    if "lengths" not in context.asked.classifier.capabilities:
        reason = f"{context.asked.classifier.name} does not say how much of a text it reads"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason)
    lengths = context.asked.classifier.lengths(context.report.texts)
    cut = lengths.unread > 0
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=float(cut.mean()),
        interval=context.rate_interval(cut, context.report.groups),
        n=len(cut),
        better="lower",
        assumptions=[
            context.independence(context.report.groups),
            f"of all tokens, {100 * lengths.unread.sum() / max(1, lengths.tokens.sum()):.1f} % are not read",
        ],
    )


def _by_length(context: Context) -> Measure:
    """The longest quarter against the shortest."""
    report = context.report
    right = context.asked.probabilities(report.texts).argmax(axis=1) == report.truth
    in_tokens = "lengths" in context.asked.classifier.capabilities
    lengths = (
        context.asked.classifier.lengths(report.texts).tokens
        if in_tokens
        else np.array([len(_words(text, context)) for text in report.texts])
    )
    unit = "tokens" if in_tokens else _unit(context)
    name, title = "long-minus-short", "Accuracy on the longest quarter minus that on the shortest"
    parts = accuracy_by_length(lengths, right, bins=4)
    if len(parts) < 2:
        return Measure(
            name=name, family=FAMILY, title=title, status="not measurable", unit="points", reason="all texts are equally long"
        )
    first, last = parts[0], parts[-1]
    found = 100 * (last.accuracy - first.accuracy)
    low, high = difference_interval((round(last.accuracy * last.n), last.n), (round(first.accuracy * first.n), first.n))
    if report.groups is not None:

        def gap(rows: np.ndarray) -> float:
            long, short = lengths[rows] >= last.shortest, lengths[rows] <= first.longest
            return float(right[rows][long].mean() - right[rows][short].mean()) if long.any() and short.any() else 0.0

        grouped = context.bootstrap(len(report), gap, report.groups)
        low, high = min(low, grouped[0]), max(high, grouped[1])
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=found,
        interval=(100 * low, 100 * high),
        n=first.n + last.n,
        floor=Floor(value=0.0, what="length makes no difference"),
        unit="points",
        better="neither",
        assumptions=[context.independence(report.groups), "long texts may differ from short ones in more than length"],
        detail=RatesDetail(
            of=f"{unit} of the text",
            rates=[
                Rate(name=f"{part.shortest} to {part.longest}", value=part.accuracy, interval=part.interval, n=part.n)
                for part in accuracy_by_length(lengths, right, bins=6)
            ],
        ),
    )


def _halves(context: Context) -> list[Measure]:
    """First half, last half, and as many words drawn from the whole text, in their order: what any loss of half would do."""
    affordable = max(2 * FEWEST, context.affordable(context.report.texts, askings=2))  # three halves, and the text
    drawn = context.drawn("length halves", min(TEXTS, affordable), quick=min(TEXTS_QUICK, affordable))
    rows = [row for row, text in enumerate(drawn.texts) if len(_words(text, context)) >= 8]
    if len(rows) < FEWEST:
        raise NotMeasurableError(f"{len(rows)} texts have eight {_unit(context)} or more; {FEWEST} are needed to halve")
    some = drawn.take(rows)
    generator = context.generator("length halves at random")
    heads, tails, scattered = [], [], []
    for text in some.texts:
        words = _words(text, context)
        half = len(words) // 2
        kept = np.sort(generator.choice(len(words), size=half, replace=False))
        heads.append(_joined(words[:half], context))
        tails.append(_joined(words[len(words) - half :], context))
        scattered.append(_joined([words[place] for place in kept], context))
    whole = context.asked.probabilities(some.texts)
    answers = whole.argmax(axis=1)
    other = {name: context.asked.probabilities(texts) for name, texts in (("head", heads), ("tail", tails), ("any", scattered))}
    flips = {name: found.argmax(axis=1) != answers for name, found in other.items()}
    floor = Floor(value=float(flips["any"].mean()), what="any half of its words, drawn at random and kept in order")
    made = []
    for name, title, texts in (
        ("flips-without-tail", "Share of the answers that change where only the first half is kept", heads),
        ("flips-without-head", "Share of the answers that change where only the last half is kept", tails),
    ):
        kept_part = "head" if texts is heads else "tail"
        flipped, found = flips[kept_part], other[kept_part]
        order = np.flatnonzero(flipped)
        order = order[np.argsort(-whole[order].max(axis=1), kind="stable")][:WORST]
        made.append(
            Measure(
                name=name,
                family=FAMILY,
                title=title,
                status="measured",
                value=float(flipped.mean()),
                interval=context.rate_interval(flipped, some.groups),
                n=len(some),
                floor=floor,
                better="neither",
                assumptions=[
                    context.independence(some.groups),
                    "half a text may truly say something else than the whole: read the examples",
                ],
                worst=[
                    context.example(
                        some.texts[row],
                        whole[row],
                        int(some.truth[row]),
                        changed=texts[row],
                        note=f"the half is called {context.labels[int(found[row].argmax())]}",
                    )
                    for row in order
                ],
            )
        )
    return [*made, _head_against_tail(context, some, other["head"], other["tail"])]


def _head_against_tail(context: Context, some: Labelled, head: np.ndarray, tail: np.ndarray) -> Measure:
    first, second = head.argmax(axis=1) == some.truth, tail.argmax(axis=1) == some.truth
    paired = paired_test(first, second)
    low, high = context.paired_interval(first, second, some.groups)
    return Measure(
        name="head-minus-tail",
        family=FAMILY,
        title="Accuracy on the first halves minus that on the last halves",
        status="measured",
        value=100 * paired.difference,
        interval=(100 * low, 100 * high),
        n=len(some),
        floor=Floor(value=0.0, what="both halves say as much"),
        unit="points",
        better="neither",
        assumptions=[context.independence(some.groups), "where texts end with their verdict, their last half says more"],
        detail=PairedDetail(
            first=Rate.of("the first half", first),
            second=Rate.of("the last half", second),
            only_first=paired.only_a,
            only_second=paired.only_b,
            p_value=paired.p_value,
        ),
    )


def _depths(context: Context) -> list[Measure]:
    """Does a sentence that is decisive alone still decide, at each depth of a text that says nothing else?"""
    kept = ("key-sentence-kept", "Share of decisive sentences that still decide in neutral text")
    range_ = ("key-sentence-depth", "Best depth minus worst depth of a decisive sentence")

    def without(reason: str) -> list[Measure]:
        return [
            Measure(name=kept[0], family=FAMILY, title=kept[1], status="not measurable", reason=reason),
            Measure(name=range_[0], family=FAMILY, title=range_[1], status="not measurable", reason=reason, unit="points"),
        ]

    keys = _decisive(context)
    labels = sorted({label for _, label in keys})
    if len(labels) < 2 or len(keys) < 8:
        return without(f"{len(keys)} decisive sentences of {len(labels)} labels are in the data; 8 of two labels are needed")
    filler = FILLER[context.language]
    sizes = FILLERS_QUICK if context.quick else FILLERS
    generator = context.generator("filler")
    texts: list[str] = []
    for size in sizes:
        for sentence, _ in keys:
            padding = _padding(filler, size, generator, context)
            for depth in DEPTHS:
                place = round(depth * len(padding))
                texts.append(("" if context.language == "zh" else " ").join([*padding[:place], sentence, *padding[place:]]))
    alone = context.asked.probabilities([" ".join(filler)])[0]
    answers = context.asked.probabilities(texts).argmax(axis=1).reshape(len(sizes), len(keys), len(DEPTHS))
    truth = np.array([label for _, label in keys])
    right = answers == truth[None, :, None]
    longest = right[-1]  # (keys, depths)
    groups = [str(row) for row in range(len(keys)) for _ in DEPTHS]
    interval = interval_by_group(longest.ravel().astype(float), groups, seed=context.seed)
    wide = wilson(int(longest.all(axis=1).sum()), len(keys)) if longest.all() or not longest.any() else interval
    by_depth = longest.mean(axis=0)
    shuffled = [_range(generator.permuted(longest, axis=1)) for _ in range(200)]
    unread = _share_unread(context, texts[-len(keys) * len(DEPTHS) :])
    note = [
        "the filler says nothing about any label; alone it is answered "
        f"{context.labels[int(alone.argmax())]!r} with confidence {alone.max():.2f}",
        f"{len(keys)} short texts or sentences of the data, answered rightly and surely alone; as many of each label",
        *unread,
    ]
    curve = CurveDetail(
        x="depth: 0 before all filler, 1 behind it",
        y="share of the sentences that still decide",
        lines=[
            Line(
                name=f"{size} {_unit(context)} of filler",
                points=[
                    Point(x=depth, y=float(found.mean()), interval=wilson(int(found.sum()), len(keys)), n=len(keys))
                    for depth, found in zip(DEPTHS, right[number].T, strict=True)
                ],
            )
            for number, size in enumerate(sizes)
        ],
    )
    value = float(longest.mean())
    best = Measure(
        name=kept[0],
        family=FAMILY,
        title=f"{kept[1]}, {sizes[-1]} {_unit(context)} of it",
        status="measured",
        value=value,
        interval=(min(wide[0], value), max(wide[1], value)),
        n=len(keys),
        floor=Floor(value=1 / len(labels), what="answering the same always"),
        assumptions=note,
        detail=curve,
    )
    low, high = context.bootstrap(len(keys), lambda rows: _range(longest[rows]), None, pivotal=True)
    spread = _range(longest)
    gap = Measure(
        name=range_[0],
        family=FAMILY,
        title=f"{range_[1]}, {sizes[-1]} {_unit(context)} of filler",
        status="measured",
        value=100 * spread,
        interval=(100 * min(max(0.0, low), spread), 100 * max(high, spread)),
        n=len(keys),
        floor=Floor(value=100 * float(np.mean(shuffled)), what="the same answers, with depths shuffled"),
        unit="points",
        better="lower",
        assumptions=[
            f"worst at depth {DEPTHS[int(by_depth.argmin())]:g}, best at depth {DEPTHS[int(by_depth.argmax())]:g}",
            *note,
        ],
    )
    return [best, gap]


def _range(right: np.ndarray) -> float:
    """(keys, depths) booleans -> best minus worst rate of a depth."""
    rates = right.mean(axis=0)
    return float(rates.max() - rates.min())


def _decisive(context: Context) -> list[tuple[str, int]]:
    """Short texts, and else first and last sentences, that are answered rightly and surely; as many of each label."""
    most = KEYS_QUICK if context.quick else KEYS
    drawn = context.drawn("length sentences", 2 * TEXTS, quick=TEXTS_QUICK)
    low, high = SHORT
    candidates: list[tuple[str, int]] = []
    for text, label in zip(drawn.texts, drawn.truth.tolist(), strict=True):
        if low <= len(_words(text, context)) <= high:
            candidates.append((text.strip(), label))
        else:
            sentences = [found.strip() for found in _SENTENCE_END.split(text) if found.strip()]
            for sentence in dict.fromkeys(sentences[:1] + sentences[-1:]):
                if low <= len(_words(sentence, context)) <= high:
                    candidates.append((sentence, label))
    if not candidates:
        return []
    found = context.asked.probabilities([text for text, _ in candidates])
    by_label: dict[int, list[tuple[str, int]]] = {}
    for (text, label), row in zip(candidates, found, strict=True):
        if int(row.argmax()) == label and row[label] >= SURE and len(by_label.setdefault(label, [])) < most:
            by_label[label].append((text, label))
    fewest = min((len(rows) for rows in by_label.values()), default=0)
    return [row for label in sorted(by_label) for row in by_label[label][:fewest]]


def _padding(filler: tuple[str, ...], size: int, generator: np.random.Generator, context: Context) -> list[str]:
    """Sentences in a drawn order, until `size` words are there."""
    found: list[str] = []
    count = 0
    while count < size:
        for place in generator.permutation(len(filler)):
            found.append(filler[place])
            count += len(_words(filler[place], context))
            if count >= size:
                break
    return found


def _share_unread(context: Context, texts: list[str]) -> list[str]:
    if "lengths" not in context.asked.classifier.capabilities:
        return []
    cut = context.asked.classifier.lengths(texts).unread > 0
    return (
        [f"{100 * cut.mean():.0f} % of these texts are longer than it reads: what stands behind is lost"] if cut.any() else []
    )


def _words(text: str, context: Context) -> list[str]:
    """Words between blanks; in Chinese, characters."""
    return [sign for sign in text if not sign.isspace()] if context.language == "zh" else text.split()


def _joined(words: list[str], context: Context) -> str:
    return ("" if context.language == "zh" else " ").join(words)


def _unit(context: Context) -> str:
    return "characters" if context.language == "zh" else "words"


def _calls(context: Context) -> int:
    halves = 3 * min(len(context.report), TEXTS_QUICK if context.quick else TEXTS)
    keys = (KEYS_QUICK if context.quick else KEYS) * len(context.labels)
    return halves + keys * len(DEPTHS) * len(FILLERS_QUICK if context.quick else FILLERS)


MEASURING = Measuring(FAMILY, "what is not read, and what length and place do", measure_length, calls=_calls)
