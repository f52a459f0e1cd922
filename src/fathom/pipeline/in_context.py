"""How well a language model classifies by reading: a few labelled texts in its prompt, and no weight changed.

    Text: warm and funny      a demonstration
    Label: good

    Text: dull                the text to classify: the model answers with the likeliest label
    Label:

As Brown et al. (2020, 2005.14165) measured GPT-3: without demonstrations and with some, drawn and ordered anew several times,
since answers depend on which they are and in which order (Lu et al. 2022, 2104.08786). Beside it stand always saying the most
frequent label, and the same demonstrations with their labels shuffled: where that changes nothing, the model did not learn
from the labels (Min et al. 2022, 2202.12837).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fathom.checkpoint import MadeBy, machine, read_json, resolve_model
from fathom.checkpoint.about import MADE_BY
from fathom.data import Columns, Example
from fathom.errors import DataError, SettingsError
from fathom.inference import Predictor
from fathom.inference.in_context import Question, score_answers, spell_question
from fathom.limits import statistics
from fathom.limits.baseline import whole_text
from fathom.limits.statistics import Interval, PairedTest
from fathom.model import LanguageModel
from fathom.pipeline.demonstrations import choose_rows
from fathom.pipeline.evaluate import Score
from fathom.pipeline.seen import SEEN, SeenTexts
from fathom.text import Tokenizer

PROMPT = "Text: {text}\nLabel: {label}"
BETWEEN = "\n\n"  # two demonstrations
NO_EFFECT = 0.05  # a difference counts as none where its whole interval is within this
ONE_LABEL = 0.95  # a label that makes up this share of the answers is named in the conclusions


@dataclass(frozen=True)
class InContextSettings:
    """What is asked, and how often.

    Raises:
        SettingsError: a number out of range, or a prompt in another form.
    """

    shots: int  # demonstrations in a prompt
    orderings: int = 5  # how often they are drawn, each time with an order of their own
    prompt: str = PROMPT  # with {text} and, at the end, {label}
    label_words: Mapping[str, str] = field(default_factory=dict)  # words that stand for labels; the others stand for themselves
    normalise: bool = False  # a label's log-probability is divided by its bytes
    text_tokens: int | None = None  # of each text, the first so many tokens are kept; None: all
    seed: int = 0  # decides which demonstrations are drawn, their order, and how their labels are shuffled

    def __post_init__(self) -> None:
        for name, least in (("shots", 0), ("orderings", 1), ("text_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(f"{name} is {value}", expected=f"at least {least}")
        names = re.findall(r"\{(.*?)\}", self.prompt)
        if names != ["text", "label"] or not self.prompt.endswith("{label}"):
            raise SettingsError(
                f"the prompt is {self.prompt!r}",
                expected="{text} and then, at its end, {label}, each once and no other name in braces",
                do=f"see the default: {PROMPT!r}",
            )

    @property
    def conditions(self) -> int:
        """Prompts for each drawing of demonstrations: with their labels and, where there are several to shuffle, shuffled."""
        return 1 if self.shots == 1 else 2

    def ask(self, text: str) -> str:
        """The prompt up to the label."""
        before, after = self.prompt.removesuffix("{label}").split("{text}")
        return f"{before}{text}{after}"

    def show(self, text: str, word: str) -> str:
        """A demonstration."""
        return self.ask(text) + word + BETWEEN

    def words_for(self, labels: Sequence[str]) -> list[str]:
        """The word for each label.

        Raises:
            SettingsError: a word for a label that is not there, or one word for two labels.
        """
        if unknown := sorted(set(self.label_words) - set(labels)):
            raise SettingsError(
                f"there is a word for {', '.join(map(repr, unknown))}, but the labels are {', '.join(map(repr, labels))}",
                expected="words for labels of the data",
            )
        words = [self.label_words.get(label, label) for label in labels]
        if len(set(words)) < len(words) or not all(word.strip() for word in words):
            raise SettingsError(f"the labels are to be {', '.join(map(repr, words))}", expected="a word of its own for each")
        return words


@dataclass(frozen=True)
class Answered:
    """All texts, answered behind one prompt."""

    score: Score
    said: dict[str, int]  # how many texts got each label
    beyond_majority: PairedTest  # minus always saying the most frequent label


@dataclass(frozen=True)
class Ordering:
    """Demonstrations that were drawn, in their order."""

    rows: list[int]  # of the data that they are from, counted from 0
    labels: list[str]
    shuffled_labels: list[str]
    given: Answered
    shuffled: Answered | None  # the same demonstrations with the shuffled labels; None: one demonstration, nothing to shuffle
    beyond_shuffled: PairedTest | None  # with the labels as given minus shuffled


@dataclass(frozen=True)
class Mean:
    """A mean over orderings and texts."""

    value: float
    interval: Interval  # 95 %, orderings and texts both drawn; of one ordering, over texts alone
    over_orderings: Interval | None  # 95 %, for these texts: Student's, over orderings alone; None: there is one

    @classmethod
    def of(cls, values: np.ndarray, least: float = -1.0) -> Mean:
        """From (orderings, texts) shares between `least` and 1."""
        means = values.mean(axis=1)
        over = _within(statistics.mean_interval(means), least) if len(means) > 1 else None
        return cls(float(values.mean()), _within(statistics.crossed_interval(values), least), over)


def _within(interval: Interval, least: float) -> Interval:
    return (max(interval[0], least), min(interval[1], 1.0))


@dataclass(frozen=True)
class Demonstrated:
    """What demonstrations do."""

    orderings: list[Ordering]
    accuracy: Mean
    shuffled: Mean | None  # accuracy with shuffled labels
    beyond_zero: Mean  # minus no demonstrations
    beyond_majority: Mean
    beyond_shuffled: Mean | None
    unchanged: int  # orderings whose labels stayed where they were when they were shuffled


@dataclass(frozen=True)
class InContext:
    """What one language model does with prompts on one set of labelled texts."""

    labels: list[str]
    words: list[str]  # for the labels
    prompt: str
    shots: int
    normalise: bool
    n: int  # texts measured on
    pool: int  # texts that demonstrations are drawn from
    cut: int  # texts measured on that were cut to `text_tokens`
    longest: int  # tokens that the model read at once
    most_frequent: str  # of the labels of the texts measured on
    majority: Score  # always saying it
    zero: Answered  # without demonstrations
    demonstrated: Demonstrated | None  # None: no demonstrations were asked for
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def measure_in_context(
    predictor: Predictor,
    examples: Sequence[Example],
    pool: Mapping[int, Example],
    settings: InContextSettings,
    *,
    on_batch: Callable[[int, int], None] | None = None,
) -> InContext:
    """Measures a causal language model.

    Args:
        examples: labelled texts to measure on.
        pool: labelled texts to draw demonstrations from, by their row numbers; none that stands among `examples`.
        on_batch: told how many texts each batch answered, and how many will be in all.

    Raises:
        SettingsError: a model for another task, or labels that it cannot tell apart.
        DataError: too few texts, a single label, or prompts that are longer than the model reads.
    """
    model = require_language_model(predictor)
    labels = sorted({example.label for example in (*examples, *pool.values()) if example.label is not None})
    if len(examples) < 2 or len(labels) < 2:
        raise DataError(
            f"there {'is one text' if len(examples) == 1 else f'are {len(examples)} texts'} to measure on, "
            f"and {len(labels)} different {'label' if len(labels) == 1 else 'labels'}",
            expected="at least two texts and two labels",
        )
    if len(pool) < settings.shots:
        raise DataError(
            f"{settings.shots} demonstrations are to be drawn from {len(pool)} texts that share no text and no group with "
            "those measured on",
            expected="at least as many texts as demonstrations",
            do="fewer --shots, or more data",
        )
    started = time.monotonic()
    words = dict(zip(labels, settings.words_for(labels), strict=True))
    reader = _Reader(model, predictor.tokenizer, settings, list(words.values()), predictor.about.max_length)
    texts = [reader.beginning(example) for example in examples]
    truth = np.array([labels.index(example.label or "") for example in examples])
    drawn = [_draw(pool, settings, number) for number in range(settings.orderings if settings.shots else 0)]
    prefixes = [""]  # what stands before the text: nothing, then for each ordering the demonstrations and the same shuffled
    for demonstrations in drawn:
        shown = [reader.beginning(pool[row]) for row in demonstrations.rows]
        for own in (demonstrations.labels, demonstrations.shuffled_labels)[: settings.conditions]:
            prefixes.append("".join(settings.show(text, words[label]) for text, label in zip(shown, own, strict=True)))
    different = dict.fromkeys(prefixes)  # shuffling may leave labels as they are
    longest = max(reader.check(prefix, texts) for prefix in different)

    def tell(rows: int) -> None:
        if on_batch is not None:
            on_batch(rows, len(different) * len(texts))

    times = np.bincount(truth, minlength=len(labels))
    majority = int(times.argmax())
    answers_behind = {prefix: reader.scores(prefix, texts, tell).argmax(axis=1) for prefix in different}
    said = np.stack([answers_behind[prefix] for prefix in prefixes])  # (prefixes, texts)
    right, always = said == truth, truth == majority
    answered = [
        Answered(
            Score.of(correct),
            dict(zip(labels, np.bincount(answers, minlength=len(labels)).tolist(), strict=True)),
            statistics.paired_test(correct, always),
        )
        for answers, correct in zip(said, right, strict=True)
    ]
    return InContext(
        labels=labels,
        words=list(words.values()),
        prompt=settings.prompt,
        shots=settings.shots,
        normalise=settings.normalise,
        n=len(texts),
        pool=len(pool),
        cut=sum(text != whole_text(example) for text, example in zip(texts, examples, strict=True)),
        longest=longest,
        most_frequent=labels[majority],
        majority=Score.of(always),
        zero=answered[0],
        demonstrated=_demonstrated(drawn, answered, right, always, settings.conditions) if drawn else None,
        seconds=round(time.monotonic() - started, 1),
    )


def evaluate_in_context(
    spec: str,
    data: str,
    settings: InContextSettings,
    *,
    split: str | None = None,
    train_split: str | None = None,
    limit: int | None = None,
    columns: Columns = Columns(),
    device: str | None = None,
    on_phase: Callable[[str], None] = lambda text: None,
    on_batch: Callable[[int, int], None] | None = None,
) -> tuple[InContext, dict[str, Any]]:
    """Measures a causal language model on DATA.

    Args:
        split, train_split, limit: as for `choose_rows`.
        on_batch: told how many texts each batch answered, and how many will be in all.

    Returns:
        The figures and a record: who was measured on what, and on which machine.

    Raises:
        SettingsError, DataError: as `measure_in_context`.
    """
    folder = resolve_model(spec)
    predictor = Predictor.load(spec, device=device)
    require_language_model(predictor)
    on_phase("reading the data")
    rows = choose_rows(data, split=split, train_split=train_split, limit=limit, columns=columns, seed=settings.seed)
    on_phase(
        f"answering {len(rows.measured):,} texts of {rows.available:,}; {len(rows.pool):,} others to draw demonstrations from"
    )
    found = measure_in_context(predictor, rows.measured, rows.pool, settings, on_batch=on_batch)
    seen = SeenTexts.load(folder / SEEN) if (folder / SEEN).is_file() else None
    made_by = read_json(folder / MADE_BY, MadeBy) if (folder / MADE_BY).is_file() else None
    record = {
        "name": folder.resolve().name,
        "data": data if rows.split is None else f"{data} ({rows.split})",
        "demonstrations_from": rows.source,
        "available": rows.available,
        "limit": limit,
        **found.to_dict(),
        "conclusions": conclusions(found),
        "settings": asdict(settings),
        "seen": None if seen is None else sum(example in seen for example in rows.measured),
        "made_by": None if made_by is None else made_by.model_dump(mode="json"),
        "measured_on": machine(),
    }
    return found, record


def conclusions(found: InContext) -> list[str]:
    """What the figures say, in plain sentences."""
    always = f"always saying {found.most_frequent!r}"
    paired = found.zero.beyond_majority
    said = [_beside_chance("without demonstrations", paired.difference, paired.interval, always)]
    said += _one_label("without demonstrations", found.zero.said)
    what = found.demonstrated
    if what is None:
        return said
    behind = "with one demonstration" if found.shots == 1 else f"with {found.shots} demonstrations"
    said.append(_beside_chance(behind, what.beyond_majority.value, what.beyond_majority.interval, always))
    said += _one_label(behind, sum((Counter(ordering.given.said) for ordering in what.orderings), Counter()))
    if what.beyond_shuffled is None:
        return [*said, "one demonstration has no labels to shuffle: whether its label matters was not measured"]
    if what.unchanged == len(what.orderings):
        return [*said, "shuffling left all labels as they were: whether they matter was not measured"]
    value, interval = what.beyond_shuffled.value, what.beyond_shuffled.interval
    changed = f"{points(value, interval)} with them as they are, compared with shuffled"
    if interval[0] > 0:
        said.append(f"the labels of the demonstrations matter: {changed}")
    elif interval[1] < 0:
        said.append(f"the model answers better where the labels of the demonstrations are shuffled: {changed}")
    elif max(-interval[0], interval[1]) <= NO_EFFECT:
        said.append(f"the labels of the demonstrations do not matter: {changed}")
    else:
        said.append(f"whether the labels of the demonstrations matter stays open: {changed}")
    if what.unchanged:
        said.append(f"in {what.unchanged} of {len(what.orderings)} orderings shuffling left the labels as they were")
    return said


def points(value: float, interval: Interval) -> str:
    """A difference of shares, in percentage points."""
    return f"{100 * value:+.2f} points ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"


def require_language_model(predictor: Predictor) -> LanguageModel:
    """The model, where it can be prompted.

    Raises:
        SettingsError: it is for another task.
    """
    task = predictor.about.task
    if task != "causal" or not isinstance(predictor.model, LanguageModel):
        raise SettingsError(
            f"this model is for the task {task!r}, and only a causal language model learns from demonstrations in its prompt",
            expected="a causal language model, such as smollm2",
            do="leave --shots out to measure it as a classifier" if task == "sequence" else None,
        )
    return predictor.model


@dataclass(frozen=True)
class _Reader:
    """How prompts are spelled and scored."""

    model: LanguageModel
    tokenizer: Tokenizer
    settings: InContextSettings
    words: list[str]
    max_length: int

    def beginning(self, example: Example) -> str:
        """A text (of a pair, both), or its first tokens if so asked."""
        text = whole_text(example)
        if self.settings.text_tokens is None:
            return text
        special = sum(map(len, self.tokenizer.frame_ids))
        window = self.tokenizer.encode([text], max_length=self.settings.text_tokens + special, offsets=True)[0][0]
        assert window.offsets is not None
        return text[: max(end for _, end in window.offsets)] if window.dropped else text

    def spell(self, prefix: str, texts: Sequence[str]) -> list[Question]:
        return [spell_question(self.tokenizer, prefix + self.settings.ask(text), self.words) for text in texts]

    def check(self, prefix: str, texts: Sequence[str]) -> int:
        """The tokens of the longest prompt.

        Raises:
            DataError: the model cannot read as many.
        """
        lengths = [question.length for question in self.spell(prefix, texts)]
        if over := sum(length > self.max_length for length in lengths):
            raise DataError(
                f"{over:,} of {len(texts):,} prompts are longer than the model reads, "
                f"the longest with {max(lengths):,} tokens, {self.settings.shots} demonstrations included",
                expected=f"at most {self.max_length:,} tokens",
                do="fewer --shots, or keep the first N tokens of each text: --text-tokens N",
            )
        return max(lengths)

    def scores(self, prefix: str, texts: Sequence[str], on_batch: Callable[[int], None]) -> np.ndarray:
        """(texts, labels)."""
        found = score_answers(self.model, self.spell(prefix, texts), on_batch=on_batch)
        return found / [len(word.encode()) for word in self.words] if self.settings.normalise else found


@dataclass(frozen=True)
class _Drawn:
    rows: list[int]
    labels: list[str]
    shuffled_labels: list[str]


def _draw(pool: Mapping[int, Example], settings: InContextSettings, number: int) -> _Drawn:
    generator = np.random.default_rng([settings.seed, number + 1])
    rows = generator.choice(sorted(pool), settings.shots, replace=False).tolist()
    labels = [pool[row].label or "" for row in rows]
    return _Drawn(rows, labels, [labels[place] for place in generator.permutation(len(labels))])


def _demonstrated(
    drawn: Sequence[_Drawn], answered: Sequence[Answered], right: np.ndarray, always: np.ndarray, conditions: int
) -> Demonstrated:
    """From the answers without demonstrations, then of each ordering with the labels as given and, if any, shuffled."""
    given = right[1::conditions]
    shuffled = right[2::conditions] if conditions == 2 else None
    orderings = [
        Ordering(
            rows=demonstrations.rows,
            labels=demonstrations.labels,
            shuffled_labels=demonstrations.shuffled_labels,
            given=answered[1 + conditions * number],
            shuffled=None if shuffled is None else answered[2 + conditions * number],
            beyond_shuffled=None if shuffled is None else statistics.paired_test(given[number], shuffled[number]),
        )
        for number, demonstrations in enumerate(drawn)
    ]
    return Demonstrated(
        orderings=orderings,
        accuracy=Mean.of(given.astype(float), least=0.0),
        shuffled=None if shuffled is None else Mean.of(shuffled.astype(float), least=0.0),
        beyond_zero=Mean.of(given.astype(float) - right[0]),
        beyond_majority=Mean.of(given.astype(float) - always),
        beyond_shuffled=None if shuffled is None else Mean.of(given.astype(float) - shuffled),
        unchanged=sum(ordering.labels == ordering.shuffled_labels for ordering in orderings),
    )


def _beside_chance(behind: str, value: float, interval: Interval, always: str) -> str:
    difference = f"{points(value, interval)} compared with {always}"
    if interval[0] > 0:
        return f"above chance {behind}: {difference}"
    if interval[1] < 0:
        return f"below chance {behind}: {difference}"
    return f"at chance {behind}: {difference}"


def _one_label(behind: str, said: Mapping[str, int]) -> list[str]:
    """A sentence where nearly all answers are the same."""
    label, times = max(said.items(), key=lambda entry: entry[1])
    total = sum(said.values())
    if times == total:
        return [f"{behind} the model always says {label!r}"]
    return [f"{behind} {times:,} of {total:,} answers are {label!r}"] if times >= ONE_LABEL * total else []
