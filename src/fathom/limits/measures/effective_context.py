"""How long a text may be until it no longer finds what stands in it: a needle at several depths, alone and among others.

effective-context    the longest text in which it still finds the needle: at that length and all shorter ones tried, the lower
                     bound of its accuracy lies above one half (after Hsieh et al. 2024, RULER, 2404.06654)
needle-accuracy      how often it finds it at all lengths tried, beside the same questions to a text without it
several-needles      how often it names the right one of four alike, beside naming any of them

The text around a needle says nothing; every needle is a number that stands nowhere else, so that it cannot be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fathom.limits.context import WORST, Measuring
from fathom.limits.measures.length import FILLER
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point, WorstExample
from fathom.limits.statistics import wilson
from fathom.limits.writing.answers import holds
from fathom.limits.writing.context import CausalContext
from fathom.limits.writing.facts import invented_names
from fathom.limits.writing.model import TooLongError

FAMILY = "effective-context"
LENGTHS, LENGTHS_QUICK = (64, 128, 256, 512, 1024, 2048), (50, 150, 400)  # words, in Chinese characters
DEPTHS, DEPTHS_QUICK = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.5, 1.0)  # 0: before all filler, 1: behind it
EACH = 3  # needles at each depth and length
NEEDLES = 4  # in one text, where there are several
SEVERAL, SEVERAL_QUICK = 12, 6  # texts with several
ENOUGH = 0.5
TOKENS = 16
_NEEDLE = {"en": "The number of {name} is {number}.", "zh": "{name}的号码是{number}。"}
_ASKED = {
    "en": "{text}\n\nWhat is the number of {name}? Answer with the number only.",
    "zh": "{text}\n\n{name}的号码是多少？只回答号码。",
}


@dataclass(frozen=True)
class _Hidden:
    """A text with its needles, and which of them is asked for."""

    prompt: str
    number: str
    depth: float
    note: str


def measure_effective_context(context: CausalContext) -> list[Measure]:
    """From short to long, as long as it may still find them."""
    hidden = _Haystacks(context)
    without = _right(context, [hidden.one(_lengths(context)[0], depth, needles=0) for depth in _depths(context) * 2])
    tried: dict[int, tuple[list[_Hidden], np.ndarray, list[str]]] = {}
    for place, length in enumerate(_lengths(context)):
        texts = [hidden.one(length, depth) for depth in _depths(context) for _ in range(EACH)]
        try:
            right, said = _right(context, texts)
        except TooLongError as error:
            if not tried:
                raise
            context.sampled.append(f"{FAMILY}: texts of {length:,} {_unit(context)} and longer were not asked: {error}")
            break
        tried[length] = (texts, right, said)
        longer = _lengths(context)[place + 1 :]
        if longer and wilson(int(right.sum()), len(right))[1] < ENOUGH:
            context.sampled.append(
                f"{FAMILY}: texts longer than {length:,} {_unit(context)} were not asked, since it finds fewer than half there"
            )
            break
    floor = Floor(value=float(without[0].mean()), what="the same questions to a text that does not hold the number")
    return [_effective(context, tried), _accuracy(context, tried, floor), _several(context, hidden)]


def _effective(context: CausalContext, tried: dict[int, tuple[list[_Hidden], np.ndarray, list[str]]]) -> Measure:
    bounds = {length: wilson(int(right.sum()), len(right)) for length, (_, right, _) in tried.items()}
    surely, maybe = (_longest(bounds, end) for end in (0, 1))
    longest = max(tried)
    assumptions = [
        f"found: the lower bound of its accuracy lies above {ENOUGH:g}; the upper end of the interval takes the upper bound",
        f"lengths tried: {', '.join(f'{length:,}' for length in tried)}",
        "one plain sentence with a number in neutral text; what has to be understood is lost sooner",
    ]
    if surely == longest:
        assumptions.append("the longest text tried was no limit")
    return Measure(
        name="effective-context",
        family=FAMILY,
        title="Longest text in which it still finds a sentence",
        status="measured",
        value=float(surely),
        interval=(float(surely), float(max(surely, maybe))),
        n=sum(len(right) for _, right, _ in tried.values()),
        floor=Floor(value=0.0, what="one that never finds it"),
        unit="characters" if context.language == "zh" else "words",
        assumptions=assumptions,
        detail=CurveDetail(
            x=f"{_unit(context)} of the text",
            y="share of the needles that it finds",
            lines=[
                Line(
                    name="the model",
                    points=[
                        Point(x=float(length), y=float(right.mean()), interval=bounds[length], n=len(right))
                        for length, (_, right, _) in tried.items()
                    ],
                )
            ],
        ),
    )


def _longest(bounds: dict[int, tuple[float, float]], end: int) -> int:
    """The last of the lengths, from the shortest on, whose bound is above one half."""
    found = 0
    for length, bound in bounds.items():
        if bound[end] <= ENOUGH:
            break
        found = length
    return found


def _accuracy(context: CausalContext, tried: dict[int, tuple[list[_Hidden], np.ndarray, list[str]]], floor: Floor) -> Measure:
    right = np.concatenate([right for _, right, _ in tried.values()])
    lines = []
    for length, (texts, own, _) in tried.items():
        points = []
        for depth in _depths(context):
            there = own[[text.depth == depth for text in texts]]
            points.append(Point(x=depth, y=float(there.mean()), interval=wilson(int(there.sum()), len(there)), n=len(there)))
        lines.append(Line(name=f"{length} {_unit(context)}", points=points))
    return Measure(
        name="needle-accuracy",
        family=FAMILY,
        title="Needles that it finds, at all lengths tried",
        status="measured",
        value=float(right.mean()),
        interval=wilson(int(right.sum()), len(right)),
        n=len(right),
        floor=floor,
        assumptions=["the needles are independent draws", f"lengths tried: {', '.join(f'{length:,}' for length in tried)}"],
        detail=CurveDetail(
            x="depth: 0 before all filler, 1 behind it", y="share of the needles that it finds", lines=lines[-5:]
        ),
        worst=[example for texts, own, said in reversed(tried.values()) for example in _missed(context, texts, own, said)][
            :WORST
        ],
    )


def _several(context: CausalContext, hidden: _Haystacks) -> Measure:
    length = _lengths(context)[1]
    depths = np.linspace(0, 1, SEVERAL_QUICK if context.quick else SEVERAL)
    name, title = "several-needles", f"The right one of {NEEDLES} needles in a text of {length} {_unit(context)}"
    texts = [hidden.one(length, float(depth), needles=NEEDLES) for depth in depths]
    try:
        right, said = _right(context, texts)
    except TooLongError as error:
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=str(error))
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=float(right.mean()),
        interval=wilson(int(right.sum()), len(right)),
        n=len(right),
        floor=Floor(value=1 / NEEDLES, what="naming any of the needles"),
        assumptions=["the needles are independent draws"],
        worst=_missed(context, texts, right, said)[:WORST],
    )


def _right(context: CausalContext, texts: list[_Hidden]) -> tuple[np.ndarray, list[str]]:
    said = context.asked.say([text.prompt for text in texts], max_tokens=TOKENS)
    return np.array([holds(answer, [text.number]) for text, answer in zip(texts, said, strict=True)]), said


def _missed(context: CausalContext, texts: list[_Hidden], right: np.ndarray, said: list[str]) -> list[WorstExample]:
    return [
        context.example(f"… {texts[row].prompt[-300:]}", said[row], texts[row].number, note=texts[row].note)
        for row in np.flatnonzero(~right)
    ]


class _Haystacks:
    """Makes texts; each has names and numbers of its own."""

    def __init__(self, context: CausalContext) -> None:
        self._language = context.language
        self._generator = context.generator("needles")
        self._unit = _unit(context)
        names = invented_names(context.language, 400, context.generator("names of needles"))
        self._names = iter(names)

    def one(self, length: int, depth: float, *, needles: int = 1) -> _Hidden:
        """A text of about so many words; the needle that is asked for lies at `depth`, others anywhere."""
        filler = self._filler(length)
        names = [next(self._names) for _ in range(max(1, needles))]
        numbers = [str(number) for number in self._generator.choice(np.arange(10_000, 100_000), size=len(names), replace=False)]
        places = [depth, *self._generator.random(len(names) - 1)]
        put = sorted(
            ((round(place * len(filler)), name, number) for place, name, number in zip(places, names, numbers, strict=True)),
            reverse=True,
        )
        for place, name, number in put if needles else []:
            filler.insert(place, _NEEDLE[self._language].format(name=name, number=number))
        text = ("" if self._language == "zh" else " ").join(filler)
        prompt = _ASKED[self._language].format(text=text, name=names[0])
        return _Hidden(prompt, numbers[0], depth, f"{length} {self._unit}, depth {depth:g}")

    def _filler(self, length: int) -> list[str]:
        found: list[str] = []
        size = 0
        while size < length:
            for place in self._generator.permutation(len(FILLER[self._language])):
                sentence = FILLER[self._language][place]
                found.append(sentence)
                size += len(sentence) if self._language == "zh" else len(sentence.split())
                if size >= length:
                    break
        return found


def _lengths(context: CausalContext) -> tuple[int, ...]:
    return LENGTHS_QUICK if context.quick else LENGTHS


def _depths(context: CausalContext) -> tuple[float, ...]:
    return DEPTHS_QUICK if context.quick else DEPTHS


def _unit(context: CausalContext) -> str:
    return "characters" if context.language == "zh" else "words"


def _calls(context: CausalContext) -> int:
    return (len(_lengths(context)) * EACH + 2) * len(_depths(context)) + (SEVERAL_QUICK if context.quick else SEVERAL)


MEASURING = Measuring(FAMILY, "how long a text may be until it loses what stands in it", measure_effective_context, _calls)
