"""How templates are written down and filled. The words themselves are in `english.py` and `chinese.py`.

A template says the same thing once in praise and once in blame, so that a classifier that always gives one answer fails
half of it. `{good}` and its like are replaced by a word of that list, drawn anew for each case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fathom.limits.behaviour.cases import BehaviourTest, Case, Expectation
from fathom.limits.polarity import Polarity

Words = Mapping[str, Sequence[str]]
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Sided:
    """Praise and blame, each in a sentence. Mild is what a neutral label fits, too ("not bad")."""

    capability: str
    name: str
    praise: str
    blame: str
    mild_praise: bool = False
    mild_blame: bool = False


@dataclass(frozen=True)
class Directed:
    """A sentence of praise and one of blame, and how each is changed so that it says more, or less, of the same."""

    capability: str
    name: str
    praise: tuple[str, str]
    blame: tuple[str, str]
    more: bool


@dataclass(frozen=True)
class Swapped:
    """Sentences in which a word of one list is replaced by another of the list: nothing may change."""

    capability: str
    name: str
    slot: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """Everything that is written for one language."""

    words: Words
    sided: tuple[Sided, ...]
    directed: tuple[Directed, ...]
    swapped: tuple[Swapped, ...]
    praise: tuple[str, ...]  # sentences that make any text more favourable
    blame: tuple[str, ...]


def sided_test(template: Sided, words: Words, sides: Polarity, cases: int, generator: np.random.Generator) -> BehaviourTest:
    """Half of the cases praise, half blame. Where there is no neutral label, a mild sentence must still be on its side."""
    found = []
    for case in range(cases):
        praise = case % 2 == 0
        right, wrong = (sides.good, sides.bad) if praise else (sides.bad, sides.good)
        mild = template.mild_praise if praise else template.mild_blame
        expectation = Expectation("not be", wrong) if mild else Expectation("be", right)
        text = fill(template.praise if praise else template.blame, words, generator)
        found.append(Case((text,), expectation))
    return BehaviourTest(template.name, template.capability, _unique(found))


def directed_test(
    template: Directed, words: Words, sides: Polarity, cases: int, generator: np.random.Generator
) -> BehaviourTest:
    """The probability of the side that is meant must not fall where more is said, and not rise where less is."""
    found = []
    for case in range(cases):
        (before, after), label = (template.praise, sides.good) if case % 2 == 0 else (template.blame, sides.bad)
        chosen = _draw(before + after, words, generator)
        texts = (_put(before, chosen), _put(after, chosen))
        found.append(Case(texts, Expectation("not fall" if template.more else "not rise", label)))
    return BehaviourTest(template.name, template.capability, _unique(found))


def swapped_test(template: Swapped, words: Words, cases: int, generator: np.random.Generator) -> BehaviourTest:
    """One word of a list for another."""
    found = []
    for case in range(cases):
        sentence = template.sentences[case % len(template.sentences)]
        chosen = _draw(sentence, words, generator)
        other = [word for word in words[template.slot] if word != chosen[template.slot]]
        changed = chosen | {template.slot: other[int(generator.integers(len(other)))]}
        found.append(Case((_put(sentence, chosen), _put(sentence, changed)), Expectation("stay")))
    return BehaviourTest(template.name, template.capability, _unique(found))


def fill(sentence: str, words: Words, generator: np.random.Generator) -> str:
    """Every slot filled; the same slot twice is the same word, `{good}` and `{good2}` are two of one list."""
    return _put(sentence, _draw(sentence, words, generator))


def _draw(sentence: str, words: Words, generator: np.random.Generator) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for slot in dict.fromkeys(_SLOT.findall(sentence)):
        options = [word for word in words[slot.rstrip("2")] if word not in chosen.values()]
        chosen[slot] = options[int(generator.integers(len(options)))]
    return chosen


def _put(sentence: str, chosen: Mapping[str, str]) -> str:
    text = _SLOT.sub(lambda found: chosen[found[1]], sentence)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return text[0].upper() + text[1:]


def _unique(cases: list[Case]) -> list[Case]:
    """A template with few words makes some sentences twice; they count once."""
    return list(dict.fromkeys(cases))
