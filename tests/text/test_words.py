"""Word vocabularies: the most frequent words, ties by code point, saved as a standard file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jieba
import pytest
import spacy
import transformers
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import DataError, SettingsError
from fathom.text import Tokenizer, train_words

REVIEWS = ["I don't like this film.", "This film isn't bad, I like it!", "A film to like"]
SPECIALS = ["[PAD]", "[UNK]", "[MASK]"]


def content(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode([text], max_length=10**6)[0][0].token_ids


def test_words_are_ranked_by_frequency_and_then_by_code_point() -> None:
    tokenizer = train_words(["b a c é z", "c 很 A", "c é"], language="simple", lowercase=False)
    assert tokenizer.tokens() == [*SPECIALS, "c", "é", "A", "a", "b", "z", "很"]


@given(texts=st.lists(st.text("abcd ", min_size=1), max_size=20).filter(lambda texts: any(text.strip() for text in texts)))
def test_words_do_not_depend_on_the_order_of_texts(texts: list[str]) -> None:
    assert train_words(texts, language="simple").tokens() == train_words(texts[::-1], language="simple").tokens()


def test_words_are_the_same_in_every_process() -> None:
    code = f"from fathom.text import train_words; print(train_words({REVIEWS!r}, max_words=12, language='simple').tokens())"
    found = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, timeout=120)
        found.add(run.stdout.decode().strip())
    assert found == {str(train_words(REVIEWS, max_words=12, language="simple").tokens())}


def test_words_as_many_as_asked_for_and_the_specials() -> None:
    texts = [" ".join(f"w{number}" for number in range(start, 30_000)) for start in (0, 20_000)]
    assert train_words(texts, language="simple", max_words=7).tokens()[3:] == [f"w{number}" for number in range(20_000, 20_007)]
    assert train_words(texts, language="simple").vocab_size == 25_003
    assert train_words(texts, language="simple", min_frequency=2).vocab_size == 10_003
    assert train_words(["one"], language="simple", max_words=5).vocab_size == 4


def test_words_split_as_spacy_does() -> None:
    tokenizer = train_words(REVIEWS)
    english = spacy.blank("en")
    for review in REVIEWS:
        words = [token.lower_ for token in english(review)]
        assert tokenizer.words(review) == words
        assert [tokenizer.id_to_token(token_id) for token_id in content(tokenizer, review)] == words
    assert {"do", "is", "n't", "."} <= set(tokenizer.tokens())


def test_words_of_chinese_split_as_jieba_does() -> None:
    texts = ["这部电影非常好看", "我来到北京清华大学看电影"]
    tokenizer = train_words(texts, language="zh")
    for text in texts:
        assert tokenizer.words(text) == jieba.lcut(text)
        assert tokenizer.unknown_id not in content(tokenizer, text)
    assert "清华大学" in tokenizer.tokens()


def test_words_case_goes_or_stays() -> None:
    assert train_words(["Film film"], language="simple").tokens()[3:] == ["film"]
    assert train_words(["Film film"], language="simple", lowercase=False).tokens()[3:] == ["Film", "film"]
    lower = train_words(["film"], language="simple")
    assert content(lower, "FILM Film film") == [3, 3, 3]


def test_words_that_were_not_seen_are_unknown_and_nothing_frames_a_text() -> None:
    tokenizer = train_words(["a film"], language="simple")
    assert (tokenizer.pad_id, tokenizer.unknown_id, tokenizer.mask_id) == (0, 1, 2)
    assert (tokenizer.class_id, tokenizer.separator_id) == (None, None)
    assert content(tokenizer, "a strange film 🎉") == [3, 1, 4, 1]
    assert content(tokenizer, "") == [1], "a model needs something to look at"
    assert tokenizer.decode([3, 1, 4, 0, 0]) == "a [UNK] film"


def test_words_spelled_like_special_tokens_are_ordinary_text() -> None:
    tokenizer = train_words(["[PAD] [MASK] pad"], language="simple")
    assert tokenizer.tokens()[:3] == SPECIALS
    assert len(set(tokenizer.tokens())) == tokenizer.vocab_size
    assert tokenizer.pad_id not in content(tokenizer, "[PAD]")


@pytest.mark.parametrize("language", ["en", "simple"])
def test_words_offsets_say_where_each_word_stands(language: str) -> None:
    tokenizer = train_words(REVIEWS, language=language)
    text = "İstanbul: I DON'T like\tit, 你好!"
    window = tokenizer.encode([text], max_length=50, offsets=True)[0][0]
    assert window.offsets is not None
    assert [text[start:end].lower() for start, end in window.offsets] == tokenizer.words(text)


def test_words_saved_and_loaded_are_the_same(tmp_path: Path) -> None:
    for language, text in (("en", REVIEWS[0]), ("zh", "这部电影非常好看"), ("simple", "don't")):
        tokenizer = train_words([*REVIEWS, "这部电影"], language=language, lowercase=language != "simple")
        tokenizer.save(tmp_path)
        loaded = Tokenizer.load(tmp_path)
        assert loaded.tokens() == tokenizer.tokens()
        assert loaded.words(text) == tokenizer.words(text)
        assert content(loaded, text) == content(tokenizer, text)
        config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert config["word_splitting"] == {"language": language, "lowercase": language != "simple"}


def test_words_saved_folder_gives_the_same_ids_in_transformers(tmp_path: Path) -> None:
    tokenizer = train_words(REVIEWS)
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in ("I do n't like this film .", "a STRANGE film", "bad"):
        assert theirs(text)["input_ids"] == content(tokenizer, text), "words that blanks part"
    assert (theirs.pad_token_id, theirs.unk_token_id, theirs.mask_token_id) == (0, 1, 2)


@pytest.mark.parametrize("texts", [[], ["", "  "]], ids=["nothing", "blank"])
def test_words_nothing_to_learn_from_is_refused(texts: list[str]) -> None:
    with pytest.raises(DataError, match="no text to learn a vocabulary from"):
        train_words(texts, language="simple")


@pytest.mark.parametrize("language", ["simple", "en", "zh"])
def test_words_lone_surrogates_are_learned_from_and_read(language: str) -> None:
    tokenizer = train_words(["a \ud800 film"], language=language)
    assert content(tokenizer, "a \udfff film") == content(tokenizer, "a \ufffd film")
    assert tokenizer.unknown_id not in content(tokenizer, "\udc00")


def test_words_what_is_no_text_is_refused() -> None:
    with pytest.raises(DataError, match="a text is None"):
        train_words(["a", None], language="simple")


def test_words_unknown_language_is_refused_before_anything_is_read() -> None:
    def texts() -> Iterator[str]:
        raise AssertionError("read")
        yield ""

    with pytest.raises(SettingsError, match="klingon"):
        train_words(texts(), language="klingon")
