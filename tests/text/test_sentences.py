"""Sentences as spaCy's rules find them, in their places, in any amount of text."""

from __future__ import annotations

import sys

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import MissingExtraError, SettingsError
from fathom.text import split_sentences
from fathom.text.sentences import LONGEST, _sentencizer


def split(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in split_sentences([text], language)[0]]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Mr. Smith's film cost $3.50. I liked it! Did U.K. viewers?  They did; twice... Really?! Yes"),
        ("de", "Das ist z.B. gut. Oder u.a. nicht! Wer weiß?"),
        ("xx", "Un film. Deux films! Trois?"),
    ],
)
def test_sentences_are_spacys(language: str, text: str) -> None:
    pipeline = spacy.blank(language)
    pipeline.add_pipe("sentencizer")
    assert split(text, language) == [sentence.text.strip() for sentence in pipeline(text).sents]


def test_sentences_end_at_full_stops_but_not_in_numbers_and_titles() -> None:
    assert split("Mr. Smith paid 3.50 for it. Why?") == ["Mr. Smith paid 3.50 for it.", "Why?"]


@pytest.mark.parametrize("language", ["en", "zh", "ja", "xx"])
def test_sentences_end_at_chinese_full_stops_in_any_language(language: str) -> None:
    text = "这部电影很好。我喜欢它！你呢？3.5 分。The end"
    assert split(text, language) == ["这部电影很好。", "我喜欢它！", "你呢？", "3.5 分。", "The end"]


def test_sentences_are_found_between_html_tags() -> None:
    assert split("<p>One film.<br /><br />Two films.</p>") == ["One film.", "Two films."]


@pytest.mark.parametrize("text", ["", " \n ", "<br />"])
def test_sentences_of_a_blank_text_are_none(text: str) -> None:
    assert split_sentences([text, "a"], "en") == [[], [(0, 1)]]


@given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(". !?。"), max_size=200))
def test_sentences_lose_only_blanks_and_keep_their_places(text: str) -> None:
    text = text.replace("<", "")
    end = 0
    for start, stop in split_sentences([text], "xx")[0]:
        assert not text[end:start].strip()
        assert start < stop
        assert text[start:stop] == text[start:stop].strip()
        end = stop
    assert not text[end:].strip()


@pytest.mark.parametrize("sentence", ["One, Mr. Smith, and two.", "A word" + " more" * 1000 + "."])
def test_sentences_of_an_endless_line_are_those_of_its_parts(sentence: str) -> None:
    count = 5 * LONGEST // len(sentence) + 3
    assert split(" ".join([sentence] * count)) == [sentence] * count


def test_sentences_longer_than_the_longest_are_cut_between_words() -> None:
    found = split("word " * LONGEST)
    assert len(found) > 1
    assert all(set(sentence.split()) == {"word"} and len(sentence) <= LONGEST for sentence in found)
    assert [len(sentence) for sentence in split("w" * (2 * LONGEST + 1))] == [LONGEST, LONGEST, 1]


def test_sentences_of_an_unknown_language_are_refused() -> None:
    with pytest.raises(SettingsError, match="'klingon'"):
        split_sentences(["a"], "klingon")


def test_sentences_without_the_extra_say_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    _sentencizer.cache_clear()
    with pytest.raises(MissingExtraError, match=r"fathom-lm\[words\]"):
        split_sentences(["a"])


def test_sentences_of_many_words_are_found_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fathom.text.sentences._REMEMBERED", 2000)
    first = _sentencizer("en")
    for start in range(0, 10_000, 1000):
        split(" ".join(f"word{number}." for number in range(start, start + 1000)))
    assert _sentencizer("en") is not first
    assert _sentencizer("en").words < 4000
