"""How little has to be changed, by one who may ask the classifier, until a right answer becomes a wrong one.

Both attacks are greedy: they ask which words matter (the text without each), then change the most important word in the way
that hurts most, then the next, until the answer is wrong or the budget is spent. `characters` changes one letter inside a
word (after DeepWordBug, Gao et al. 2018, 1801.04354); `words` puts in one that says the same (after TextFooler, Jin et al.
2020, 1907.11932, with a list written by hand in place of word vectors).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from fathom.errors import MissingExtraError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Labelled, Language, Measuring
from fathom.limits.edits import KEYS, LOOK_ALIKES, SCANNED, TYPED
from fathom.limits.record import Floor, Measure, Rate, RatesDetail, WorstExample
from fathom.limits.statistics import wilson
from fathom.limits.substitutes import substitutes_of
from fathom.text.splitting import Span, is_han, make_splitter

FAMILY = "attacks"
TEXTS, TEXTS_QUICK = 80, 20
MOST_WORDS = 0.2  # of a text that may be changed; at least one
MOST_QUERIES, MOST_QUERIES_QUICK = 100, 40  # for one text
PROBED = 0.5  # of the queries that may be spent on finding out which words matter
LEVELS = (0.05, 0.1, 0.2)  # shares of words at which success is reported

Options = Callable[[str, np.random.Generator], list[str]]  # a word -> what it can be changed to
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class Outcome:
    """Of one text."""

    flipped: bool
    text: str  # as it was when the attack ended
    changed: int  # words
    words: int  # of the text
    queries: int


Attack = Generator[list[str], np.ndarray, Outcome]  # asks with texts, is sent (texts, K) probabilities


def measure_attacks(context: Context) -> list[Measure]:
    """For each attack the share of rightly answered texts that it turns, within a published budget."""
    queries = MOST_QUERIES_QUICK if context.quick else MOST_QUERIES
    texts = context.drawn_to_change(FAMILY, TEXTS, quick=TEXTS_QUICK, askings=queries // 2)  # most end long before
    clean = context.asked.probabilities(texts.texts)
    right = np.flatnonzero(clean.argmax(axis=1) == texts.truth)
    if not len(right):
        raise NotMeasurableError("it answers none of these texts rightly, so there is nothing to turn")
    texts, clean = texts.take(right), clean[right]
    spans = _splitter(context.language)

    def words(word: str, generator: np.random.Generator) -> list[str]:
        return substitutes_of(word, context.language)

    return [
        _one(context, texts, clean, spans, "characters", "a letter inside a word changed", misspelt, queries),
        _one(context, texts, clean, spans, "words", "a word for one that says the same", words, queries),
    ]


def _one(
    context: Context,
    texts: Labelled,
    clean: np.ndarray,
    spans: Callable[[str], list[Span]],
    kind: str,
    what: str,
    options: Options,
    queries: int,
) -> Measure:
    plans = [
        Plan.of(text, spans(text), options, context.generator(f"{FAMILY} {kind} {row}")) for row, text in enumerate(texts.texts)
    ]
    outcomes = run_attacks(
        [
            greedy(plan, int(truth), float(row[truth]), queries)
            for plan, truth, row in zip(plans, texts.truth, clean, strict=True)
        ],
        context.asked.probabilities,
    )
    blind = [plan.at_random(context.generator(f"{FAMILY} {kind} at random {row}")) for row, plan in enumerate(plans)]
    by_chance = context.asked.probabilities(blind).argmax(axis=1) != texts.truth
    flipped = np.array([outcome.flipped for outcome in outcomes])
    share = np.array([outcome.changed / max(1, outcome.words) for outcome in outcomes])
    turned = share[flipped]
    reachable = sum(len(plan.options) for plan in plans) / max(1, sum(len(plan.spans) for plan in plans))
    assumptions = [
        context.independence(texts.groups),
        f"budget for a text: {queries} queries, {100 * MOST_WORDS:.0f} % of its words and at least one; half of the queries "
        f"may go into finding the words that matter, and of long texts only some words are tried",
        f"{100 * reachable:.0f} % of the words can be changed so; mean queries {np.mean([o.queries for o in outcomes]):.0f}",
        "a stronger attack may turn more: this is a lower bound",
        "the label stays the same: not checked by people, so read the examples",
    ]
    if len(turned):
        assumptions.insert(3, f"of the turned texts, {100 * float(turned.mean()):.1f} % of the words were changed in the mean")
    return Measure(
        name=f"attack-{kind}",
        family=FAMILY,
        title=f"Right answers turned by an attack: {what}",
        status="measured",
        value=float(flipped.mean()),
        interval=context.rate_interval(flipped, texts.groups),
        n=len(texts),
        floor=Floor(value=float(by_chance.mean()), what="as many such changes as the budget allows, at random"),
        better="lower",
        assumptions=assumptions,
        detail=RatesDetail(
            of="share of the words changed",
            rates=[
                Rate(
                    name=f"up to {100 * level:.0f} %",
                    value=float((flipped & (share <= level)).mean()),
                    interval=wilson(int((flipped & (share <= level)).sum()), len(flipped)),
                    n=len(flipped),
                )
                for level in LEVELS
            ]
            + [Rate.of("the whole budget, of short texts one word", flipped)],
        ),
        worst=_worst(context, texts, outcomes),
    )


def _worst(context: Context, texts: Labelled, outcomes: Sequence[Outcome]) -> list[WorstExample]:
    """Turned texts, the least changed first."""
    rows = [row for row, outcome in enumerate(outcomes) if outcome.flipped]
    rows.sort(key=lambda row: outcomes[row].changed / outcomes[row].words)
    shown = rows[:WORST]
    answers = context.asked.probabilities([outcomes[row].text for row in shown])
    return [
        context.example(
            texts.texts[row],
            answer,
            int(texts.truth[row]),
            changed=outcomes[row].text,
            note=f"{outcomes[row].changed} of {outcomes[row].words} words, {outcomes[row].queries} queries",
        )
        for row, answer in zip(shown, answers, strict=True)
    ]


@dataclass(frozen=True)
class Plan:
    """Where a text can be changed, and to what."""

    text: str
    spans: list[Span]  # its words
    options: dict[int, list[str]]  # number of a word -> what it can become; words that cannot be changed are missing

    @classmethod
    def of(cls, text: str, spans: list[Span], options: Options, generator: np.random.Generator) -> Plan:
        """All words of which there are options; in an order drawn, so that of a long text any part may be tried."""
        found = {place: options(text[start:end], generator) for place, (start, end) in enumerate(spans)}
        order = generator.permutation(len(spans)).tolist()
        return cls(text, spans, {place: found[place] for place in order if found[place]})

    @property
    def most(self) -> int:
        """Words that may be changed."""
        return max(1, int(MOST_WORDS * len(self.spans)))

    def put(self, words: dict[int, str]) -> str:
        """The text with some words replaced."""
        parts, end = [], 0
        for place in sorted(words):
            start, stop = self.spans[place]
            parts += [self.text[end:start], words[place]]
            end = stop
        return "".join([*parts, self.text[end:]])

    def at_random(self, generator: np.random.Generator) -> str:
        """As many words changed as an attack may change, each in any way that there is."""
        places = list(self.options)[: self.most]
        return self.put({place: self.options[place][int(generator.integers(len(self.options[place])))] for place in places})


def greedy(plan: Plan, truth: int, confidence: float, queries: int) -> Attack:
    """One attack, as a generator that asks for texts and is sent their probabilities.

    Args:
        plan: what can be changed.
        truth: class number, which is also the answer to the unchanged text.
        confidence: its probability there.
        queries: the most texts that may be asked for.
    """
    probed = list(plan.options)[: max(1, int(PROBED * queries))]
    if not probed:
        return Outcome(flipped=False, text=plan.text, changed=0, words=len(plan.spans), queries=0)
    without = yield [plan.put({place: ""}) for place in probed]
    used = len(probed)
    order = [probed[row] for row in np.argsort(without[:, truth], kind="stable")]
    chosen: dict[int, str] = {}
    for place in order:
        options = plan.options[place][: queries - used]
        if len(chosen) == plan.most or not options:
            break
        rows = yield [plan.put(chosen | {place: option}) for option in options]
        used += len(options)
        best = int(rows[:, truth].argmin())
        turned = np.flatnonzero(rows.argmax(axis=1) != truth)
        if len(turned):
            best = int(turned[rows[turned, truth].argmin()])
        if len(turned) or rows[best, truth] < confidence:
            chosen[place], confidence = options[best], float(rows[best, truth])
        if len(turned):
            return Outcome(True, plan.put(chosen), len(chosen), len(plan.spans), used)
    return Outcome(False, plan.put(chosen), len(chosen), len(plan.spans), used)


def run_attacks(attacks: Sequence[Attack], ask: Callable[[Sequence[str]], np.ndarray]) -> list[Outcome]:
    """Side by side, so that the classifier gets the questions of all of them in one call."""
    outcomes: dict[int, Outcome] = {}
    asking: dict[int, list[str]] = {}
    answers: dict[int, np.ndarray | None] = dict.fromkeys(range(len(attacks)))
    while answers:
        for number, answer in answers.items():
            try:
                asking[number] = next(attacks[number]) if answer is None else attacks[number].send(answer)
            except StopIteration as end:
                outcomes[number] = end.value
                asking.pop(number, None)
        found = ask([text for texts in asking.values() for text in texts])
        ends = np.cumsum([len(texts) for texts in asking.values()])
        parts = np.split(found, ends[:-1]) if asking else []
        answers = dict(zip(asking, parts, strict=True))
    return [outcomes[number] for number in range(len(attacks))]


def misspelt(word: str, generator: np.random.Generator) -> list[str]:
    """A word with one letter swapped with the next, missed, struck twice, or a neighbouring key in its place.

    Only inside words of four or more letters, since the first and the last letter carry a reader; of Chinese words, one
    character is replaced by one that looks or sounds like it.
    """
    if any(is_han(sign) for sign in word):
        return [
            word[:place] + other + word[place + 1 :]
            for place, sign in enumerate(word)
            for other in dict.fromkeys((*TYPED.get(sign, ())[:2], *SCANNED.get(sign, ())[:1], *LOOK_ALIKES.get(sign, ())))
        ][:6]
    if len(word) < 4 or not word.isalpha():
        return []
    place = int(generator.integers(1, len(word) - 2))
    here, after = word[:place], word[place + 1 :]
    sign = word[place]
    keys = KEYS.get(sign.lower(), "")
    key = keys[int(generator.integers(len(keys)))] if keys else ""
    found = [
        here + word[place + 1] + sign + word[place + 2 :],
        here + after,
        here + sign + sign + after,
        here + (key.upper() if sign.isupper() else key) + after,
    ]
    return [other for other in dict.fromkeys(found) if other != word]


def _splitter(language: Language) -> Callable[[str], list[Span]]:
    if language == "en":
        return lambda text: [found.span() for found in _WORD.finditer(text)]
    try:
        split = make_splitter("zh")
    except MissingExtraError as error:
        raise NotMeasurableError(str(error).splitlines()[0]) from error
    return lambda text: [(start, end) for start, end in split(text) if any(is_han(sign) for sign in text[start:end])]


def _calls(context: Context) -> int:
    texts = min(TEXTS_QUICK if context.quick else TEXTS, len(context.report))
    return texts * (MOST_QUERIES_QUICK if context.quick else MOST_QUERIES)


MEASURING = Measuring(FAMILY, "how little turns a right answer into a wrong one", measure_attacks, calls=_calls)
