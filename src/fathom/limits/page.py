"""limits.html: what a model can be trusted with, what not, what to do, and every limit with a picture and its examples.

    write_text_atomically(folder / PAGE_FILE, render_limits(read_limits(folder)))

The page reads a `Limits` and nothing else. It is one HTML file without scripts; all text from outside is escaped, and its
content security policy lets nothing be fetched or run. A measure is drawn by the kind of its `detail`,
whichever family it is of.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup, escape

from fathom.limits import charts, words
from fathom.limits.meanings import Language
from fathom.limits.policy import NoThreshold, Threshold
from fathom.limits.record import ConfusionDetail, CurveDetail, Limits, Measure, PairedDetail, Rate, RatesDetail, WorstExample
from fathom.limits.report import page_template
from fathom.limits.verdict import SLIGHT, Judgement, judge, verdict
from fathom.limits.words import FAMILIES, PAGE, SHORT_STATES, STATES, in_language, number, percent, span, words_of
from fathom.limits.writing.verdict import causal_verdict

PAGE_FILE = "limits.html"
ROWS = 14  # of a list of rates that are shown at once
SQUARE = 12  # labels of a confusion matrix that is shown whole
CONFUSIONS = 12  # of a larger one, the commonest
EXAMPLES = 4  # shown at once
LEGIBLE = 0.35  # two texts that share less than this are shown whole, not as a change
NAMED_OUTSIDE = ("label", "group")  # rows whose names are the data's, never a phrase to be translated
STEADY = 1e-3  # a difference of probabilities from asking to asking that is worth a word


@dataclass(frozen=True)
class Strip:
    """A value on a line: places from 0 to 100."""

    dot: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Scale:
    """What the two ends of a strip mean."""

    left: float
    right: float

    @classmethod
    def around(cls, values: Sequence[float], unit: str) -> Scale:
        """A round piece of the axis that holds all of them."""
        low, high = min(values), max(values)
        if unit in ("share", "AUROC", "score") and low >= 0 and high <= 1:
            step = 0.1 if high - low > 0.1 else 0.05
            low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
            return cls(low, high) if high > low else cls(max(0.0, low - step), min(1.0, low + step))
        low, high = min(0.0, low), max(0.0, high)
        room = 0.08 * (high - low)
        if room == 0:
            return cls(0.0, 1.0)
        return cls(low - room if low < 0 else 0.0, high + room if high > 0 else 0.0)

    def strip(self, value: float, interval: Sequence[float] | None, floor: float | None) -> Strip:
        """Where they lie."""
        low, high = (None, None) if interval is None else (self._place(interval[0]), self._place(interval[1]))
        return Strip(self._place(value), low, high, None if floor is None else self._place(floor))

    def _place(self, value: float) -> float:
        return round(min(100.0, max(0.0, 100 * (value - self.left) / (self.right - self.left))), 2)


@dataclass(frozen=True)
class Row:
    """A figure with its strip."""

    name: Markup
    value: str
    interval: str
    n: str
    strip: Strip
    is_first: bool = True  # drawn in the colour of the classifier


@dataclass(frozen=True)
class Shown:
    """A measure, as the page shows it."""

    measure: Measure
    judgement: Judgement
    title: Markup
    means: str
    value: str
    interval: str
    strip: Strip | None
    floor: str
    floor_what: Markup
    picture: dict[str, Any] | None
    examples: list[dict[str, Any]]


def render_limits(record: Limits, language: Language | None = None) -> str:
    """The page.

    Args:
        record: nothing else is read.
        language: of all words but the texts and labels; None: the record's.
    """
    spoken: Language = language or record.data.language
    say = partial(_say, spoken)
    shown = {measure.name: _shown(measure, spoken, _tried(record)) for measure in record.measures if measure.value is not None}
    title = say("title", name=record.predictor.name)
    causal = record.predictor.task == "causal"
    return page_template("limits.html.j2").render(
        lang={"en": "en", "zh": "zh-Hans"}[spoken],
        c={"title": title, "making": record.making},
        record=record,
        w=say,
        said=partial(_said, spoken),
        state=lambda name: STATES[name].in_(spoken),
        short_state=lambda name: SHORT_STATES[name].in_(spoken),
        count=lambda value: f"{value:,}",
        duration=lambda seconds: words.duration(seconds, spoken),
        verdict=causal_verdict(record, spoken) if causal else verdict(record, spoken),
        causal=causal,
        shown=shown,
        families=_families(record, shown, spoken),
        summary=sorted(shown.values(), key=lambda one: -_weight(one)),
        missing=[measure for measure in record.measures if measure.value is None],
        policy=_policy(record, spoken),
        warnings=_warnings(record, spoken),
        facts=_facts(record, spoken),
        examples_shown=EXAMPLES,
        rows_shown=ROWS,
    )


def _say(language: Language, key: str, **filled: object) -> str:
    return PAGE[key].in_(language).format(**filled)


def _said(language: Language, text: str) -> Markup:
    """What the record says, in the page's language, or marked as English."""
    found, known = in_language(text, language)
    found = found.replace(" %", "\u00a0%")
    return escape(found) if known else Markup('<span lang="en">{}</span>').format(found)


def _shown(measure: Measure, language: Language, tried: tuple[int, float, float] | None) -> Shown:
    assert measure.value is not None
    explained = words_of(measure)
    floor = None if measure.floor is None else measure.floor.value
    values = [measure.value, *(measure.interval or ()), *([] if floor is None else [floor])]
    whole = measure.unit in ("share", "AUROC") and min(values) >= 0 and max(values) <= 1
    scale = Scale(0.0, 1.0) if whole else Scale.around(values, measure.unit)
    return Shown(
        measure=measure,
        judgement=judge(measure),
        title=_said(language, measure.title),
        means="" if explained is None else explained.means.in_(language),
        value=number(measure.value, measure.unit, language),
        interval="" if measure.interval is None else span(*measure.interval, measure.unit, language),
        strip=scale.strip(measure.value, measure.interval, floor),
        floor="" if floor is None else number(floor, measure.unit, language),
        floor_what=Markup("") if measure.floor is None else _said(language, measure.floor.what),
        picture=_picture(measure, language, tried),
        examples=[_example(example, language) for example in measure.worst],
    )


def _weight(one: Shown) -> float:
    """What comes first."""
    state, severity = one.judgement.state, one.judgement.severity
    if state == "differs":  # which is no fault by itself
        return min(severity, SLIGHT)
    return -1.0 if state == "memory" else severity


def _families(record: Limits, shown: dict[str, Shown], language: Language) -> list[dict[str, Any]]:
    """The sections: the severest family first, accuracy before what is equal."""
    by_family: dict[str, list[Shown]] = {}
    for measure in record.measures:
        if measure.name in shown:
            by_family.setdefault(measure.family, []).append(shown[measure.name])
    sections = []
    for family, members in by_family.items():
        heading = FAMILIES.get(family)
        plain = family.replace("-", " ").replace("_", " ")
        sections.append(
            {
                "id": f"family-{re.sub(r'[^a-z0-9-]', '-', family.lower())}",
                "heading": heading.in_(language) if heading else plain[:1].upper() + plain[1:],
                "known": heading is not None or language == "en",
                "members": members,
                "weight": max(_weight(one) for one in members),
            }
        )
    return sorted(sections, key=lambda section: -float(section["weight"]))


def _picture(measure: Measure, language: Language, tried: tuple[int, float, float] | None) -> dict[str, Any] | None:
    """By the kind of detail: what the template draws it from; `tried`: the policy, to be marked on risk against coverage."""
    detail = measure.detail
    if isinstance(detail, RatesDetail) and detail.rates:
        return {"kind": "rates", "of": _said(language, detail.of), **_rates(measure, detail.rates, language, of=detail.of)}
    if isinstance(detail, PairedDetail):
        more = {"only_first": detail.only_first, "only_second": detail.only_second, "detail": detail}
        chance = words.chance_in_words(detail.p_value, language)
        rates = _rates(measure, [detail.first, detail.second], language, sort=False)
        return {"kind": "paired", **rates, **more, "chance": chance}
    if isinstance(detail, ConfusionDetail):
        return _confusion(detail, language)
    if isinstance(detail, CurveDetail) and any(line.points for line in detail.lines):
        mark = None if tried is None or measure.name != "aurc" else (tried[1], 1 - tried[2])
        return _curve(measure, detail, language, mark)
    return None


def _rates(measure: Measure, rates: Sequence[Rate], language: Language, *, of: str = "", sort: bool = True) -> dict[str, Any]:
    """Rows on one scale.

    Rates may be what the value is made of, in its unit, or something else, such as shares behind a mean: they are taken for
    the former where the value lies among them, and only then is the floor drawn.
    """
    values = [rate.value for rate in rates]
    unit: str = measure.unit
    assert measure.value is not None
    same = min(values) - 1e-9 <= measure.value <= max(values) + 1e-9
    small = all(-1 <= value <= 1 for value in values)
    if small and (not same or unit == "points"):
        same, unit = False, "share"
    floor = measure.floor.value if measure.floor is not None and same else None
    ends = [end for rate in rates for end in (rate.value, *(rate.interval or ()))]
    scale = Scale.around([*ends, *([] if floor is None else [floor])], unit)
    ordered = list(rates)
    if sort and same and len(rates) > ROWS and measure.better != "neither":  # then only the worst are seen at once
        ordered.sort(key=lambda rate: rate.value, reverse=measure.better == "lower")
    rows = [
        Row(
            name=_name(rate.name, "en" if of in NAMED_OUTSIDE else language),
            value=number(rate.value, unit, language),
            interval="" if rate.interval is None else span(*rate.interval, unit, language),
            n=f"{rate.n:,}",
            strip=scale.strip(rate.value, rate.interval, floor),
            is_first=sort or place == 0,
        )
        for place, rate in enumerate(ordered)
    ]
    left, right = (number(end, unit, language, bare=True) for end in (scale.left, scale.right))
    return {"rows": rows, "left": left, "right": right, "floor": floor is not None}


def _name(name: str, language: Language) -> Markup:
    """Of a row or a line: a phrase that is known, or something from outside, in whatever language and direction."""
    return Markup("<bdi>{}</bdi>").format(in_language(name, language)[0])


def _confusion(detail: ConfusionDetail, language: Language) -> dict[str, Any]:
    totals = [max(1, sum(row)) for row in detail.counts]
    if len(detail.labels) <= SQUARE:
        tones = [[f"{0.05 + 0.45 * count / totals[place]:.3f}" for count in row] for place, row in enumerate(detail.counts)]
        return {"kind": "confusion", "labels": detail.labels, "counts": detail.counts, "tones": tones}
    cells = [
        (count, place, other)
        for place, row in enumerate(detail.counts)
        for other, count in enumerate(row)
        if count and place != other
    ]
    cells.sort(reverse=True)
    say = partial(_say, language)
    rows = [
        {
            "name": say("taken-for", truth=detail.labels[place], answer=detail.labels[other]),
            "count": f"{count:,}",
            "share": percent(count / totals[place]),
        }
        for count, place, other in cells[:CONFUSIONS]
    ]
    return {"kind": "confusions", "rows": rows}


def _curve(measure: Measure, detail: CurveDetail, language: Language, mark: tuple[float, float] | None) -> dict[str, Any]:
    points = [point for line in detail.lines for point in line.points]
    share_y = measure.unit in ("share", "score", "points", "words", "characters") and all(0 <= point.y <= 1 for point in points)
    share_x = all(0 <= point.x <= 1 for point in points) and any(0 < point.x < 1 for point in points)
    unit_y = "share" if share_y else measure.unit
    lines = [charts.Curve(line.name, line.points) for line in detail.lines if line.points]
    drawing = charts.curve_chart(
        lines,
        name=measure.name,
        x=in_language(detail.x, language)[0],
        y=in_language(detail.y, language)[0],
        share_x=share_x,
        share_y=share_y,
        diagonal=detail.diagonal,
        mark=None if mark is None else (*mark, _say(language, "the-policy")),
        description=f"{in_language(measure.title, language)[0]}: {number(measure.value or 0.0, measure.unit, language)}",
    )
    return {
        "kind": "curve",
        "svg": Markup(drawing),
        "keys": [(_name(line.name, language), place % len(charts.LINES)) for place, line in enumerate(lines)],
        "x": _said(language, detail.x),
        "y": _said(language, detail.y),
        "table": [
            (
                _name(line.name, language),
                percent(point.x) if share_x else f"{point.x:,.4g}",
                number(point.y, unit_y, language),
                "" if point.interval is None else span(*point.interval, unit_y, language),
                "" if point.n is None else f"{point.n:,}",
            )
            for line in lines
            for point in line.points
        ],
    }


def _example(example: WorstExample, language: Language) -> dict[str, Any]:
    before, after = (None, None) if example.changed is None else changes(example.text, example.changed)
    return {
        "text": example.text,
        "changed": example.changed,
        "before": before,
        "after": after,
        "answer": example.answer,
        "truth": example.truth,
        "confidence": None if example.confidence is None else percent(example.confidence),
        "note": None if example.note is None else _said(language, example.note),
    }


def changes(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts, with what was taken out of the one and put into the other marked; by words, in Chinese by characters."""
    old, new = (
        re.findall(r"[\u2e80-\u9fff\uff00-\uffef]|[^\s\u2e80-\u9fff\uff00-\uffef]+|\s+", text) for text in (before, after)
    )
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < LEGIBLE:
        return escape(before), escape(after)
    left, right = Markup(""), Markup("")
    for kind, a, b, c, d in matcher.get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        left += escape(gone) if kind == "equal" else _marked("del", gone)
        right += escape(come) if kind == "equal" else _marked("ins", come)
    return left, right


def _marked(tag: str, text: str) -> Markup:
    """Without the blanks around it."""
    core = text.strip()
    before, after = text.split(core, 1) if core else (text, "")
    return escape(before) + (Markup(f"<{tag}>{{}}</{tag}>").format(core) if core else Markup("")) + escape(after)


def _policy(record: Limits, language: Language) -> dict[str, Any] | None:
    """What it promises, in words that are made from its numbers."""
    policy = record.policy
    if policy is None:
        return None
    say, threshold, conformal = partial(_say, language), policy.threshold, policy.conformal
    found: dict[str, Any] = {"facts": []}
    if isinstance(threshold, Threshold):
        found["threshold"] = {
            "rule": say("threshold", value=percent(threshold.value)),
            "promise": say(
                "threshold-promise", target=percent(threshold.target, 0), confidence=percent(threshold.confidence, 0)
            ),
            "fitted": say("threshold-fitted", n=f"{threshold.n:,}", kept=f"{threshold.kept:,}", right=f"{threshold.right:,}"),
            "tried": _stacked(_tried(record)),
        }
    else:
        found["nothing"] = _nothing(threshold, language)
    if conformal.quantile < 1:
        sets = say("sets-promise", least=percent(1 - conformal.quantile), share=percent(1 - conformal.alpha, 0))
    else:
        sets = say("sets-void", n=f"{conformal.n:,}")
    found["facts"].append((say("sets"), sets))
    found["facts"].append((say("temperature"), say("temperature-what", value=f"{policy.temperature:.3f}")))
    gates = policy.gates
    if gates.most_unread is not None:
        unread = say("unread-what", n=f"{gates.most_unread:,}") if gates.most_unread else say("unread-any")
        found["facts"].append((say("unread"), unread))
    for name, gate in (("writing", gates.writing), ("likeness", gates.likeness)):
        if gate is not None:
            found["facts"].append((say(name), say(f"{name}-what", share=percent(gate.false_alarms, 0), n=f"{gate.n:,}")))
    return found


def _tried(record: Limits) -> tuple[int, float, float] | None:
    """The policy on the report split: texts, the share of them that it answers, the share of those that is right."""
    coverage, kept = record.measure("coverage"), record.measure("accuracy-of-answers")
    if coverage is None or kept is None or coverage.value is None or kept.value is None:
        return None
    return coverage.n, coverage.value, kept.value


def _stacked(tried: tuple[int, float, float] | None) -> dict[str, Any] | None:
    """Shares that are answered rightly, answered wrongly, left."""
    if tried is None:
        return None
    n, coverage, right = tried
    shares = (("answered-right", coverage * right), ("answered-wrong", coverage * (1 - right)), ("left", 1 - coverage))
    return {"n": f"{n:,}", "parts": [(name, f"{100 * share:.2f}", percent(share)) for name, share in shares]}


def _nothing(threshold: NoThreshold, language: Language) -> dict[str, Any]:
    say, needed = partial(_say, language), threshold.labels_needed
    why, _ = in_language(threshold.reason, language)
    return {
        "why": say(
            "nothing-why",
            target=percent(threshold.target, 0),
            confidence=percent(threshold.confidence, 0),
            why=why[:1].upper() + why[1:],
        ),
        "there": say("labels-there", n=f"{threshold.n:,}"),
        "needed": None if needed is None else say("labels-needed", n=f"{needed:,}"),
        "share": None if needed is None else f"{min(100.0, 100 * threshold.n / needed):.1f}",
    }


def _warnings(record: Limits, language: Language) -> list[Markup]:
    say = partial(_say, language)
    found = []
    if not record.complete:
        found.append(Markup(escape(say("incomplete", why="{}"))).format(_said(language, record.ended or "")))
    if record.making.quick:
        found.append(escape(say("quick")))
    twice = record.predictor.asked_twice
    if twice is not None and twice > STEADY:
        found.append(escape(say("unsteady", difference=f"{twice:.4f}")))
    return found


def _facts(record: Limits, language: Language) -> list[tuple[str, Markup]]:
    """How it was measured: what is needed to get the same figures again."""
    say: Callable[..., str] = partial(_say, language)
    comma, clause = say("separator"), say("clause")
    data, cost, who = record.data, record.cost, record.predictor
    code = Markup("<code>{}</code>").format

    def split(part: Any) -> Markup:
        labels = comma.join(f"{label} {count:,}" for label, count in part.labels.items())
        return escape(say("split-what", n=f"{part.n:,}", labels=labels) if labels else say("of-n", n=f"{part.n:,}"))

    causal = who.task == "causal"
    about = say("data-what", name=data.name, rows=f"{data.rows:,}", duplicates=f"{data.duplicates:,}")
    seen = say("data-unknown") if data.seen is None else say("data-seen", n=f"{data.seen:,}")
    asked = say("prompts-what", name=in_language(data.name, language)[0], n=f"{data.rows:,}")
    splits = [data.calibrate, data.report, data.training]
    names = ("calibrate", "prompts", "memorised") if causal else ("calibrate", "report", "training")
    parts = [(name, part) for name, part in zip(names, splits, strict=True) if part is not None]
    spent = say(
        "cost-what",
        calls=f"{cost.calls:,}",
        seconds=words.duration(cost.seconds, language),
        asking=words.duration(cost.seconds_asking, language),
    )
    more = [say("cost-budget", budget=f"{cost.budget:,}")] if cost.budget is not None else []
    more += [say("cost-retries", n=f"{cost.retries:,}")] if cost.retries else []
    commit = f"{comma}{say('commit', commit=record.making.commit[:12])}" if record.making.commit else ""
    found = [
        (say("command"), code(record.making.command)),
        (say("seed"), escape(record.making.seed)),
        (say("model" if causal else "who"), escape(who.name)),
        (say("door"), escape(words.DOORS[who.door].in_(language))),
        *([] if causal else [(say("labels"), escape(comma.join(who.labels)))]),
        (say("data"), escape(asked if causal else f"{about}{clause}{seen}")),
        *((say(name), split(part)) for name, part in parts),
        *((say("sampled"), _said(language, note)) for note in record.sampled),
        (say("cost"), escape(clause.join([spent, *more]))),
        (say("machine"), escape(comma.join(f"{name} {value}" for name, value in record.making.machine.items()))),
        ("fathom", escape(f"{record.making.version}{commit}")),
        *((say("sha256", part=say(name)), code(part.sha256)) for name, part in parts),
    ]
    if who.fingerprint is not None:
        found.append((say("fingerprint"), code(who.fingerprint.split(" ", 1)[0])))
    return found
