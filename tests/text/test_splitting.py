"""How a text falls into words: exactly as spaCy and jieba split it, each word in its place."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import jieba
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import MissingExtraError, SettingsError
from fathom.text.splitting import make_splitter

REVIEW = "I don't like it.  Mr. Smith's film (2004) cost $3.50, e-mail me: a@b.com... U.K. viewers won't 😀!\n\nBye"


@pytest.fixture
def forgetful() -> Iterator[None]:
    """No splitter is remembered from before."""
    make_splitter.cache_clear()
    yield
    make_splitter.cache_clear()


def split(language: str, text: str) -> list[str]:
    return [text[start:end] for start, end in make_splitter(language)(text)]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", REVIEW),
        ("de", "Das gefällt mir z.B. nicht, u.a. wegen's Tons."),
        ("fr", "L'histoire n'est pas mal, aujourd'hui."),
    ],
)
def test_splitting_is_spacys(language: str, text: str) -> None:
    assert split(language, text) == [token.text for token in spacy.blank(language)(text)]


def test_splitting_english_parts_what_belongs_apart() -> None:
    assert split("en", "I don't.") == ["I", "do", "n't", "."]


def test_splitting_chinese_is_jiebas() -> None:
    for text in ("我来到北京清华大学", "这部电影非常好看，really good！", "小明硕士毕业于中国科学院计算所"):
        assert split("zh", text) == jieba.lcut(text)
    assert split("zh", "我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]


def test_splitting_simple_parts_words_and_signs() -> None:
    assert split("simple", "It's 5.5, naïve_ly 很好!\n") == ["It", "'", "s", "5", ".", "5", ",", "naïve_ly", "很好", "!"]


@pytest.mark.parametrize("language", ["simple", "en", "zh"])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_splitting_gives_places_in_order_and_loses_only_blanks(language: str, text: str) -> None:
    spans = list(make_splitter(language)(text))
    end = 0
    for start, stop in spans:
        assert not text[end:start].strip()
        assert end <= start < stop <= len(text)
        end = stop
    assert not text[end:].strip()


def test_splitting_unknown_language_is_refused() -> None:
    with pytest.raises(SettingsError, match="'klingon'"):
        make_splitter("klingon")


@pytest.mark.parametrize(("language", "package"), [("en", "spacy"), ("zh", "jieba")])
@pytest.mark.usefixtures("forgetful")
def test_splitting_without_the_extra_says_which_one(monkeypatch: pytest.MonkeyPatch, language: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"fathom-lm\[words\]"):
        make_splitter(language)
    assert split("simple", "no package needed") == ["no", "package", "needed"]
