"""What a measure is given, and what a measure is: one function of a context that returns `Measure`s.

    def measure_something(context: Context) -> list[Measure]:
        probabilities = context.asked.probabilities(context.report.texts)     # (n, K); asked once, then remembered
        …
    MEASURING = Measuring("something", "what it tells, in a line", measure_something)

A measure never catches `BudgetSpentError` or `NotMeasurableError`, unless it has other figures to give: the runner turns them
into a record of why. It asks only through `context.asked`, and draws only from `context.generator`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np

from fathom.data import Canary, Example, assign_parts, passage_shares, split_key, text_digest
from fathom.errors import DataError
from fathom.limits.asked import Asked
from fathom.limits.baseline import Baseline, baseline_of
from fathom.limits.behaviour import BehaviourTest
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.pairs import PairFile
from fathom.limits.polarity import Polarity, polarity_of
from fathom.limits.policy import Gates, Policy, Reason
from fathom.limits.record import Measure, WorstExample
from fathom.limits.statistics import Interval, bootstrap_interval, interval_by_group, paired_test, wilson

WORST = 8  # examples that a measure keeps to be read
LONGEST_SHOWN = 1000  # characters kept of each
CHARACTERS, CHARACTERS_QUICK = 1_000_000, 60_000  # that a measure which asks for further texts has read, about
READ = 2000  # characters that a text counts for at most; few classifiers read more of it
LONG = 400  # characters; where texts are longer in the mean, the shorter ones among them are changed
LEARNED_QUICK = 3_000_000  # characters of training texts that a quick audit learns words from
SEARCHED_QUICK = 3_000_000  # characters of training texts in which a quick audit looks for more than whole copies
FEWEST_CHANGED, FEWEST_CHANGED_QUICK = 20, 8  # texts that it changes, however long they are
Language = Literal["en", "zh"]
Audit = TypeVar("Audit")  # the context of a classifier, or that of a model that writes


@dataclass(frozen=True)
class Labelled:
    """Texts with their labels."""

    texts: list[str]
    truth: np.ndarray  # (n,) class numbers, in the order of the classifier's labels
    groups: list[str] | None  # (n,) what the texts belong to; None: not known, texts count as independent

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | np.ndarray) -> Labelled:
        """Some of them, in this order."""
        places = [int(row) for row in rows]
        groups = None if self.groups is None else [self.groups[row] for row in places]
        return Labelled([self.texts[row] for row in places], self.truth[places], groups)


class Seen(Protocol):
    """Texts that a classifier was trained on, such as their digests."""

    def __contains__(self, example: Example) -> bool:
        """Whether it was."""
        ...


@dataclass(frozen=True)
class Beside:
    """Texts that were named beside those that are measured on: of a kind near to them, of a far one, of another time."""

    name: str
    texts: list[str]
    truth: np.ndarray | None  # (n,) class numbers; None: not all of them have a label, or one that the classifier knows

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Suite:
    """Tests that the user named."""

    name: str
    tests: list[BehaviourTest]
    left_out: list[str]  # tests that cannot be used, each with its reason


@dataclass(frozen=True)
class Context:
    """One audit, as a measure sees it."""

    asked: Asked
    report: Labelled  # what measures measure on
    calibrate: Labelled  # what the policy was fitted on; measures have no use for it but to say what it is
    training: list[Example] | None  # labelled texts to learn a bag of words from, none of them in the data; None: not named
    policy: Policy
    language: Language = "en"
    quick: bool = False
    seed: int = 0
    sampled: list[str] = field(default_factory=list)  # what was drawn instead of measured whole, in words
    rows: list[Example] = field(default_factory=list)  # all of the data, before anything was left out or drawn
    training_rows: list[Example] | None = None  # the named training texts, with those that are also in the data
    seen: Seen | None = None  # what the classifier says it was trained on; None: it does not say
    near: Beside | None = None
    far: Beside | None = None
    compared: Beside | None = None
    watts: float | None = None  # what the machine draws under load
    _known: dict[str, float] = field(default_factory=dict)
    members: Labelled | None = None  # texts of `training` that the classifier learned from; None: not named
    members_known: bool = False  # by what its folder remembers; otherwise what was named is believed
    canaries: list[Canary] | None = None  # texts that were planted in its training data, and others like them
    positive: str | None = None  # the label that praises, named by the user
    suite: Suite | None = None
    pairs: PairFile | None = None

    @property
    def labels(self) -> list[str]:
        """By class number."""
        return self.asked.labels

    @property
    def polarity(self) -> Polarity:
        """Which label is the good one.

        Raises:
            NotMeasurableError: the labels do not tell, and nobody said.
        """
        return polarity_of(self.labels, positive=self.positive)

    def generator(self, name: str) -> np.random.Generator:
        """A stream of its own for each name, whatever else was measured before."""
        return generator_of(self.seed, name)

    def drawn(self, name: str, most: int, *, quick: int) -> Labelled:
        """The report split, or texts drawn from it where it has more than `most`; says so in the record.

        Args:
            name: of the measure; decides the draw.
            most: texts.
            quick: the same for a quick audit.
        """
        limit = quick if self.quick else most
        if len(self.report) <= limit:
            return self.report
        self.sampled.append(f"{name}: {limit:,} of {len(self.report):,} texts of the report split")
        return self.report.take(np.sort(self.generator(name).choice(len(self.report), size=limit, replace=False)))

    def drawn_to_change(self, name: str, most: int, *, quick: int, askings: int) -> Labelled:
        """As `drawn`, and fewer and shorter ones where texts are long: for measures that ask many variants of each text.

        Args:
            name: of the measure.
            most: texts.
            quick: the same for a quick audit.
            askings: variants of each text.
        """
        texts = self.report
        lengths = np.array([min(len(text), READ) for text in texts.texts])
        if lengths.mean() > LONG:
            share = 4 if self.quick else 2
            rows = np.sort(np.argsort(lengths, kind="stable")[: max(FEWEST_CHANGED, len(texts) // share)])
            texts, lengths = texts.take(rows), lengths[rows]
        fewest = FEWEST_CHANGED_QUICK if self.quick else FEWEST_CHANGED
        limit = max(fewest, min(quick if self.quick else most, self.affordable(texts.texts, askings)))
        if len(texts) > limit:
            texts = texts.take(np.sort(self.generator(name).choice(len(texts), size=limit, replace=False)))
        if len(texts) < len(self.report):
            among = "" if len(lengths) == len(self.report) else f", from the {len(lengths):,} shortest"
            self.sampled.append(f"{name}: {len(texts):,} of {len(self.report):,} texts of the report split{among}")
        return texts

    def affordable(self, texts: Sequence[str], askings: int = 1) -> int:
        """How many texts, as long as these in the mean, a measure may have read; each in so many variants."""
        limit = CHARACTERS_QUICK if self.quick else CHARACTERS
        mean = sum(min(len(text), READ) for text in texts) / max(1, len(texts))
        return int(limit / (askings * max(1.0, mean)))

    def stops(self, texts: Sequence[str]) -> list[list[Reason]]:
        """What of the policy stops each text, whatever its answer.

        Raises:
            BudgetSpentError: it needs to ask more than is left.
        """
        return stops(self.asked, self.policy.gates, texts)

    def known(self, texts: Sequence[str]) -> np.ndarray | None:
        """(n,) shares of each text that stand in the training data: 1 for a copy, else the share of its runs of 13 words.

        None: no training data were named, and the classifier does not say what it was trained on. Where it says so without
        naming the texts, only copies are found.
        """
        if self.training_rows is None and self.seen is None:
            return None
        if new := [Example(text) for text in dict.fromkeys(texts) if text not in self._known]:
            found = np.zeros(len(new))
            if self.training_rows is not None:
                copies = [text_digest(example) in self._training_digests for example in new]
                found = np.maximum(passage_shares(self._searched, new), copies)
            if self.seen is not None:
                found[[example in self.seen for example in new]] = 1.0
            self._known.update(zip((example.text for example in new), found.tolist(), strict=True))
        return np.array([self._known[text] for text in texts])

    @cached_property
    def _training_digests(self) -> set[int]:
        return {text_digest(example) for example in self.training_rows or []}

    @cached_property
    def _searched(self) -> list[Example]:
        rows = self.training_rows or []
        return (
            self._some(rows, SEARCHED_QUICK, "training texts were searched for passages, all for copies")
            if self.quick
            else rows
        )

    def _some(self, examples: list[Example], characters: int, what: str) -> list[Example]:
        """Examples drawn so that they hold about so many characters; says so in the record."""
        size = int(len(examples) * characters / max(1, sum(len(example.text) for example in examples)))
        if size >= len(examples):
            return examples
        self.sampled.append(f"{size:,} of {len(examples):,} {what}")
        return [examples[row] for row in np.sort(self.generator(what).choice(len(examples), size=size, replace=False))]

    def training_texts(self, purpose: str) -> list[Example]:
        """`training`, for a measure that learns from it; some of them, where an audit is quick and they are many.

        Args:
            purpose: in words, for the error: "to find words in".

        Raises:
            NotMeasurableError: none were named, or none that the data do not hold as well.
        """
        if self.training is None:
            raise NotMeasurableError(f"no training texts were named {purpose}; add --train DATA")
        if not self.training:
            raise NotMeasurableError(
                f"the training texts also stand in the data, and none are left {purpose}; name others with --train DATA"
            )
        return self._learned

    @cached_property
    def _learned(self) -> list[Example]:
        rows = self.training or []
        return self._some(rows, LEARNED_QUICK, "training texts were learned from") if self.quick else rows

    @cached_property
    def baseline(self) -> Baseline:
        """A bag of words that learned from the training texts.

        Raises:
            NotMeasurableError: there are no training texts, or none can be learned from.
        """
        training = self.training_texts("for a bag of words to learn from")
        parts = assign_parts(list(map(split_key, training)), {"train": 0.9, "dev": 0.1}, seed=self.seed)
        rows = list(zip(training, parts, strict=True))
        try:
            return baseline_of((e for e, part in rows if part == "train"), (e for e, part in rows if part == "dev"))
        except DataError as error:
            raise NotMeasurableError(f"no bag of words can be learned: {str(error).splitlines()[0]}") from error

    def rate_interval(self, right: np.ndarray, groups: Sequence[str] | None) -> Interval:
        """95 % interval of a rate: Wilson's, and where groups are known the wider of it and one that draws whole groups.

        Args:
            right: (n,) booleans.
            groups: (n,) names or None, such as `report.groups`.
        """
        low, high = wilson(int(right.sum()), len(right))
        if groups is None:
            return (low, high)
        by_group = interval_by_group(right, groups, seed=self.seed)
        return (min(low, by_group[0]), max(high, by_group[1]))

    def paired_interval(self, first: np.ndarray, second: np.ndarray, groups: Sequence[str] | None) -> Interval:
        """95 % interval of the difference of two rates on the same texts; groups as for `rate_interval`.

        Args:
            first: (n,) booleans.
            second: (n,) booleans.
            groups: (n,) names or None.
        """
        low, high = paired_test(first, second).interval
        if groups is None:
            return (low, high)
        by_group = interval_by_group(first.astype(np.float64) - second, groups, seed=self.seed)
        return (min(low, by_group[0]), max(high, by_group[1]))

    def bootstrap(
        self, n: int, statistic: Callable[[np.ndarray], float], groups: Sequence[str] | None, *, pivotal: bool = False
    ) -> Interval:
        """95 % bootstrap interval, drawing whole groups where they are known; arguments as for `bootstrap_interval`."""
        draws = 200 if self.quick else 500
        return bootstrap_interval(n, statistic, groups=groups, pivotal=pivotal, draws=draws, seed=self.seed)

    def independence(self, groups: Sequence[str] | None) -> str:
        """What an interval assumes of the texts, for `Measure.assumptions`."""
        return "the texts are independent draws" if groups is None else "the groups of texts are independent draws"

    def example(
        self,
        text: str,
        probabilities: np.ndarray,
        truth: int | None = None,
        *,
        changed: str | None = None,
        note: str | None = None,
    ) -> WorstExample:
        """A text to be read, with what was answered; and what it was changed to, of which the answer is then."""
        best = int(probabilities.argmax())
        shown = shortened(text) if changed is None else _from_the_change(text, changed)[0]
        return WorstExample(
            text=shown,
            changed=None if changed is None else _from_the_change(text, changed)[1],
            truth=None if truth is None else self.labels[truth],
            answer=self.labels[best],
            confidence=float(probabilities[best]),
            note=note,
        )


@dataclass(frozen=True)
class Measuring(Generic[Audit]):
    """One way to measure, as the registry has it."""

    name: str  # of the family: what --only names, `Measure.family`, and the name of the file
    what: str  # one line for a person
    run: Callable[[Audit], list[Measure]]
    calls: Callable[[Audit], int] = lambda context: 0  # texts that it asks beside the report split, about: for the time left
    needs_unseen: bool = True  # False: true also of texts that the classifier was trained on, so never "contaminated"


def generator_of(seed: int, name: str) -> np.random.Generator:
    """The stream of random numbers of a name."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def stops(asked: Asked, gates: Gates, texts: Sequence[str]) -> list[list[Reason]]:
    """`Gates.stops` with what the gates need, asked of the classifier.

    Raises:
        BudgetSpentError: more is needed than calls are left.
    """
    if gates.likeness is not None:
        states = asked.states(texts)
        return gates.stops(texts, unread=states.lengths.unread, embeddings=states.embeddings)
    unread = None if gates.most_unread is None else asked.classifier.lengths(texts).unread
    return gates.stops(texts, unread=unread)


def shortened(text: str) -> str:
    """A text as the record keeps it."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + " …"


def _from_the_change(text: str, changed: str) -> tuple[str, str]:
    """Both as the record keeps them; where they are long and differ late only, from a little before that place."""
    same = next(
        (place for place, (a, b) in enumerate(zip(text, changed, strict=False)) if a != b), min(len(text), len(changed))
    )
    if max(len(text), len(changed)) <= LONGEST_SHOWN or same < LONGEST_SHOWN // 2:
        return shortened(text), shortened(changed)
    start = same - LONGEST_SHOWN // 5
    return shortened("… " + text[start:]), shortened("… " + changed[start:])
