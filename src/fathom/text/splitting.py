"""How a text falls into words, for word vocabularies: spaCy's rules, jieba for Chinese, or a plain regular expression.

Only spaCy's tokenizer runs (a blank pipeline: no model, nothing to download). Words keep their place in the text:
`text[start:end]` is the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Protocol

from fathom.errors import MissingExtraError, SettingsError

Span = tuple[int, int]

WORD = r"[\u3040-\u30ff\u3400-\u9fff]|\w+"  # Japanese and Chinese put no space between words: each character is one
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class Splitter(Protocol):
    """Gives the words of a text as (start, end) character positions, in order, not overlapping."""

    def __call__(self, text: str) -> Iterator[Span]:
        """The spans of one text."""
        ...


@lru_cache(maxsize=8)
def make_splitter(language: str) -> Splitter:
    """The splitter for a language: a spaCy code ("en", "de", …), "zh" (jieba), or "simple" (letters, digits, signs).

    Raises:
        MissingExtraError: spaCy or jieba is not installed.
        SettingsError: spaCy does not know the language.
    """
    if language == "simple":
        return _simple
    if language == "zh":
        return _jieba()
    return _spacy(language)


_WORD = re.compile(r"\w+|[^\w\s]")


def is_han(character: str) -> bool:
    """Whether it is one of the characters that Chinese is written with."""
    return _HAN.match(character) is not None


def mostly_chinese(texts: Iterable[str]) -> bool:
    """Whether at least half of the words of these texts are Chinese; every Chinese character counts as a word.

    Japanese, where most signs are kana, is not.
    """
    chinese = words = 0
    for text in texts:
        for word in re.findall(WORD, text):
            words += 1
            chinese += is_han(word)
    return words > 0 and 2 * chinese >= words


def readable_words(text: str) -> list[Span]:
    """The words of a text as a reader sees them, whatever a vocabulary makes of them; every sign is one, and no blank.

    Chinese words are those that jieba finds; without jieba, every character is one.
    """
    if mostly_chinese([text]):
        try:
            return [(start, end) for start, end in make_splitter("zh")(text) if text[start:end].strip()]
        except MissingExtraError:
            pass
    return [found.span() for found in _READABLE.finditer(text)]


_LETTERS = r"[^\W\u3040-\u30ff\u3400-\u9fff]+"
_READABLE = re.compile(rf"[\u3040-\u30ff\u3400-\u9fff]|{_LETTERS}(?:['’]{_LETTERS})*|[^\w\s]")


def _simple(text: str) -> Iterator[Span]:
    return (found.span() for found in _WORD.finditer(text))


def _spacy(language: str) -> Splitter:
    try:
        import spacy
    except ImportError as error:
        raise MissingExtraError(f"splitting {language!r} text into words", "words") from error
    try:
        tokenizer = spacy.blank(language).tokenizer
    except ImportError as error:
        raise SettingsError(
            f"spaCy cannot split the language {language!r}: {str(error).splitlines()[0]}",
            expected="a language code that spaCy knows, zh, or simple",
        ) from error

    def split(text: str) -> Iterator[Span]:
        return ((token.idx, token.idx + len(token)) for token in tokenizer(text))

    return split


def _jieba() -> Splitter:
    try:
        import jieba
    except ImportError as error:
        raise MissingExtraError("splitting Chinese text into words", "words") from error
    jieba.setLogLevel("ERROR")

    def split(text: str) -> Iterator[Span]:
        return ((start, end) for _, start, end in jieba.tokenize(text))

    return split
