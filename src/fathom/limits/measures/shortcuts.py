"""Words that go with a label in the training data, and whether the model follows them where it should not.

z = (p̂(y|w) − p₀) / √(p₀(1 − p₀)/n) of a word's presence (Gardner et al. 2021, 2104.08646). The data's z alone is no defect:
"great" goes with praise because it is praise. So the model is asked: one such word is put into a text whose label it does not
change, or taken out of a text; words that go with no label, about as frequent, show what any word would do. What is left is
for a person to judge: may this word carry the label?
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, ttest_1samp

from fathom.data import Example
from fathom.errors import MissingExtraError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Language, Measuring
from fathom.limits.record import Floor, Measure, Rate, RatesDetail, WorstExample
from fathom.limits.statistics import holm, interval_by_group, mean_interval
from fathom.text.splitting import Span, is_han, make_splitter

FAMILY = "shortcuts"
WORDS, WORDS_QUICK = 20, 8  # that go with a label, over all labels
TEXTS, TEXTS_QUICK = 40, 20  # into which each is put
FEWEST_PUT_IN = 10  # texts, however long they are
FEWEST_TEXTS = 20  # training texts that hold a word
FEWEST_HOLDING = 5  # report texts that hold a word, to take it out
MOST_HOLDING = 20
NEUTRAL = 1.0  # |z| of a word that goes with no label
_WORD = re.compile(r"[^\W\d_]{2,}")
_BETWEEN_BLANKS = re.compile(r"\S+")


@dataclass(frozen=True)
class Word:
    """A word of the training data."""

    word: str  # in small letters
    label: int  # with which it goes most
    z: float
    n: int  # training texts that hold it


@dataclass(frozen=True)
class Words:
    """How words stand in the texts of a language."""

    spans: Callable[[str], list[Span]]  # of the words that are counted
    places: Callable[[str], list[int]]  # characters before which a word can be put; the last is the end
    blank: str  # between two words

    @classmethod
    def of(cls, language: Language) -> Words:
        """Chinese words are those that jieba finds, and need no blanks.

        Raises:
            NotMeasurableError: without jieba.
        """
        if language == "en":
            return cls(
                lambda text: [found.span() for found in _WORD.finditer(text)],
                lambda text: [*(found.start() for found in _BETWEEN_BLANKS.finditer(text)), len(text)],
                " ",
            )
        try:
            split = make_splitter("zh")
        except MissingExtraError as error:
            raise NotMeasurableError(str(error).splitlines()[0]) from error
        return cls(
            lambda text: [(start, end) for start, end in split(text) if any(map(is_han, text[start:end]))],
            lambda text: [*(start for start, _ in split(text)), len(text)],
            "",
        )

    def held(self, text: str) -> frozenset[str]:
        """The words of a text, each once, in small letters."""
        return frozenset(text[start:end].lower() for start, end in self.spans(text))

    def put(self, text: str, at: int, word: str) -> str:
        """The text with a word more, at one of its `places`."""
        before, after = text[:at], text[at:]
        if before and not before[-1].isspace():
            before += self.blank
        return f"{before}{word}{self.blank if after else ''}{after}"

    def without(self, text: str, word: str) -> str:
        """The text without a word, wherever it stands."""
        kept, last = [], 0
        for start, end in self.spans(text):
            if text[start:end].lower() == word:
                kept.append(text[last:start])
                last = end + len(text[end:]) - len(text[end:].lstrip())
        return "".join([*kept, text[last:]]) or " "


def measure_shortcuts(context: Context) -> list[Measure]:
    """How often a word moves the model more than any word would, how many answers it turns, what taking it out does."""
    training = context.training_texts("to find words in")
    words = Words.of(context.language)
    found = word_statistics(training, context.labels, words)
    suspects, neutral = _choose(found, len(context.labels), WORDS_QUICK if context.quick else WORDS, context)
    if not suspects or len(neutral) < 4:
        raise NotMeasurableError(
            f"{len(suspects)} words go with a label and {len(neutral)} of the same frequency go with none, in "
            f"{len(training):,} training texts; one and four are needed"
        )
    return [*_put_in(context, words, suspects, neutral), _taken_out(context, words, suspects, neutral)]


def word_statistics(training: list[Example], labels: list[str], words: Words) -> list[Word]:
    """Each word that stands in enough texts, with the label that it goes with most."""
    number = {label: place for place, label in enumerate(labels)}
    totals = np.zeros(len(labels))
    counts: dict[str, np.ndarray] = {}
    held = [words.held(example.text) for example in training]
    frequent = Counter(word for own in held for word in own)
    for example, own in zip(training, held, strict=True):
        label = number[example.label or ""]
        totals[label] += 1
        for word in own:
            if frequent[word] >= FEWEST_TEXTS:
                counts.setdefault(word, np.zeros(len(labels)))[label] += 1
    priors = totals / totals.sum()
    found = []
    for word, row in sorted(counts.items()):
        n = row.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.nan_to_num((row / n - priors) / np.sqrt(priors * (1 - priors) / n))
        label = int(z.argmax())
        found.append(Word(word, label, float(z[label] if z.max() >= -z.min() or len(labels) > 2 else z.max()), int(n)))
    return found


def _choose(found: list[Word], labels: int, most: int, context: Context) -> tuple[list[Word], list[Word]]:
    """The words with the highest z of each label, significant among all words; and neutral ones about as frequent."""
    least = float(norm.isf(0.025 / max(1, len(found) * labels)))
    suspects = []
    for label in range(labels):
        own = sorted((word for word in found if word.label == label and word.z > least), key=lambda word: -word.z)
        suspects += own[: max(1, most // labels)]
    pool = [word for word in found if word.z < NEUTRAL]
    neutral: list[Word] = []
    for suspect in suspects:
        left = [word for word in pool if word not in neutral]
        if left:
            neutral.append(min(left, key=lambda word: (abs(np.log(word.n / suspect.n)), word.word)))
    return suspects, neutral


def _put_in(context: Context, words: Words, suspects: list[Word], neutral: list[Word]) -> list[Measure]:
    """Into texts that are answered rightly with another label than the word's; one word turns no text's meaning around."""
    drawn = context.drawn_to_change("shortcuts", 10 * TEXTS, quick=10 * TEXTS_QUICK, askings=1)
    before = context.asked.probabilities(drawn.texts)
    right = before.argmax(axis=1) == drawn.truth
    askings = len(suspects) + len(neutral) * len(context.labels)
    size = max(FEWEST_PUT_IN, min(TEXTS_QUICK if context.quick else TEXTS, context.affordable(drawn.texts, askings)))
    generator = context.generator("shortcuts")
    by_label: dict[int, np.ndarray] = {}
    for label in sorted({word.label for word in suspects}):
        rows = np.flatnonzero(right & (drawn.truth != label))
        if len(rows):
            by_label[label] = np.sort(generator.choice(rows, size=min(size, len(rows)), replace=False))
    suspects = [word for word in suspects if word.label in by_label]
    if not suspects:
        raise NotMeasurableError("no text of another label is answered rightly, into which a word could be put")
    places = {row: int(generator.choice(words.places(drawn.texts[row]))) for rows in by_label.values() for row in rows}

    def effects(word: str, label: int) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
        rows = by_label[label]
        texts = [words.put(drawn.texts[row], places[row], word) for row in rows]
        after = context.asked.probabilities(texts)
        return after[:, label] - before[rows, label], after.argmax(axis=1) != drawn.truth[rows], texts, after

    any_word = {label: [effects(word.word, label) for word in neutral] for label in by_label}
    p_values, rates, beyond, flips, worst = [], [], [], [], []
    for word in suspects:
        moved, flipped, texts, after = effects(word.word, word.label)
        usual = np.mean([found[0] for found in any_word[word.label]], axis=0)
        excess = moved - usual
        varies = len(excess) > 1 and float(np.ptp(excess)) > 1e-12
        p_values.append(float(ttest_1samp(excess, 0, alternative="greater").pvalue) if varies else float(excess.mean() <= 1e-9))
        beyond.append(float(excess.mean()))
        rates.append(
            Rate(
                name=f"{word.word!r} towards {context.labels[word.label]} (z {word.z:.1f} in {word.n:,} texts)",
                value=float(excess.mean()),
                interval=mean_interval(excess) if len(excess) > 1 else None,
                n=len(excess),
            )
        )
        flips.append(flipped)
        rows = by_label[word.label]
        worst += [
            (float(before[rows[place]].max()), rows[place], texts[place], after[place], word.word)
            for place in np.flatnonzero(flipped)
        ]
    corrected = holm(np.array(p_values))
    moving = corrected < 0.05
    worst.sort(key=lambda found: -found[0])
    named = ", ".join(repr(word.word) for word, moves in zip(suspects, moving, strict=True) if moves) or "none"
    judge = "a person has to judge whether a word may carry the label; no dictionary was asked"
    share = float(moving.mean())
    strongest = int(np.argmax(beyond))
    among = rates[strongest].interval
    moving_words = Measure(
        name="moving-words",
        family=FAMILY,
        title="Largest push of one inserted word towards the label that it goes with, beyond that of neutral words",
        status="measured",
        value=100 * beyond[strongest],
        interval=None if among is None else _percent(among),
        n=len(suspects),
        floor=Floor(value=0.0, what="words as frequent that go with no label"),
        unit="points",
        better="lower",
        assumptions=[
            f"the strongest of {len(suspects)} words: its value errs to the high side",
            f"after Holm's correction {int(moving.sum())} of them ({100 * share:.0f} %) move it beyond neutral ones: {named}",
            judge,
        ],
        detail=RatesDetail(of="word: probability of the label, beyond neutral words", rates=rates),
    )
    turned = np.concatenate(flips)
    usual_turned = np.concatenate([found[1] for label in by_label for found in any_word[label]])
    text_of = [str(row) for word in suspects for row in by_label[word.label]]
    value = float(turned.mean())
    low, high = interval_by_group(turned, text_of, seed=context.seed)
    return [
        moving_words,
        Measure(
            name="turned-by-a-word",
            family=FAMILY,
            title="Share of right answers that one inserted word of another label turns",
            status="measured",
            value=value,
            interval=(min(low, value), max(high, value)),
            n=len(turned),
            floor=Floor(value=float(usual_turned.mean()), what="words as frequent that go with no label"),
            better="lower",
            assumptions=["the texts are independent draws", "one word, anywhere in a text, does not change its label", judge],
            worst=[
                _turned(context, drawn.texts[row], before[row], int(drawn.truth[row]), *rest) for _, row, *rest in worst[:WORST]
            ],
        ),
    ]


def _turned(
    context: Context, text: str, before: np.ndarray, truth: int, changed: str, after: np.ndarray, word: str
) -> WorstExample:
    answer = context.labels[int(after.argmax())]
    return context.example(text, before, truth, changed=changed, note=f"with {word!r} it is called {answer}")


def _taken_out(context: Context, words: Words, suspects: list[Word], neutral: list[Word]) -> Measure:
    """What the answer loses without the word, in texts that hold it."""
    name, title = "falls-without-a-word", "Probability of a word's label that is lost without it, where it stands"
    texts = context.report.texts
    held = [words.held(text) for text in texts]
    most = min(MOST_HOLDING, max(FEWEST_HOLDING, context.affordable(texts, len(suspects) + len(neutral))))

    def losses(word: str, label: int) -> np.ndarray:
        rows = [row for row, own in enumerate(held) if word in own][:most]
        if len(rows) < FEWEST_HOLDING:
            return np.zeros(0)
        without = [words.without(texts[row], word) for row in rows]
        whole = context.asked.probabilities([texts[row] for row in rows])[:, label]
        found: np.ndarray = whole - context.asked.probabilities(without)[:, label]
        return found

    pairs = [(word, found) for word in suspects if len(found := losses(word.word, word.label))]
    labels = sorted({word.label for word in suspects})
    usual = [found for place, word in enumerate(neutral) if len(found := losses(word.word, labels[place % len(labels)]))]
    if not pairs or not usual:
        return Measure(
            name=name,
            family=FAMILY,
            title=title,
            status="not measurable",
            unit="points",
            reason=f"no such word, or no neutral one, stands in {FEWEST_HOLDING} texts of the report split",
        )
    every = np.concatenate([found for _, found in pairs])
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=100 * float(every.mean()),
        interval=_percent(interval_by_group(every, [word.word for word, found in pairs for _ in found], seed=context.seed))
        if len(pairs) > 1
        else _percent(mean_interval(every)),
        n=len(every),
        floor=Floor(value=100 * float(np.concatenate(usual).mean()), what="words as frequent that go with no label"),
        unit="points",
        better="neither",
        assumptions=["words are drawn whole, with their texts", "a word that carries the label may be missed when it is gone"],
        detail=RatesDetail(
            of="word: probability lost without it",
            rates=[
                Rate(
                    name=f"{word.word!r} ({context.labels[word.label]})",
                    value=float(found.mean()),
                    interval=mean_interval(found),
                    n=len(found),
                )
                for word, found in pairs
            ],
        ),
    )


def _percent(interval: tuple[float, float]) -> tuple[float, float]:
    return (100 * interval[0], 100 * interval[1])


def _calls(context: Context) -> int:
    if not context.training:
        return 0
    words, texts = (WORDS_QUICK, TEXTS_QUICK) if context.quick else (WORDS, TEXTS)
    return words * texts + words * texts * len(context.labels) + 2 * words * MOST_HOLDING // 2


MEASURING = Measuring(FAMILY, "whether single words turn its answers", measure_shortcuts, calls=_calls)
