"""Text that comes token by token is the text that all tokens together give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.checkpoint import resolve_model
from fathom.checkpoint.gguf import read_gguf
from fathom.text import TextStream, Tokenizer, train_bpe, train_unigram, train_words
from tests import tiny

TEXTS = [*tiny.GOOD, *tiny.BAD, "好 🎉 naïve café, it's - fine."]


@pytest.fixture(scope="module")
def every() -> dict[str, Tokenizer]:
    return {
        "smollm": read_gguf(resolve_model("smollm2")).tokenizer,
        "bpe": train_bpe(TEXTS, vocab_size=300, min_frequency=1),
        "unigram": train_unigram(TEXTS * 2, vocab_size=120),
        "wordpiece": tiny.tokenizer(),
        "words": train_words(TEXTS, language="simple"),
    }


KINDS = ["smollm", "bpe", "unigram", "wordpiece", "words"]


def pieces(tokenizer: Tokenizer, ids: list[int], size: int = 1) -> list[str]:
    stream = TextStream(tokenizer)
    return [*(stream.push(ids[start : start + size]) for start in range(0, len(ids), size)), stream.end()]


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=60) | st.lists(st.sampled_from(" ".join(TEXTS).split()), max_size=20).map(" ".join))
def test_stream_gives_what_decode_gives(every: dict[str, Tokenizer], kind: str, text: str) -> None:
    ids = every[kind].prompt_ids(text)
    given = pieces(every[kind], ids)
    assert "".join(given) == every[kind].decode(ids)
    if "\ufffd" not in every[kind].decode(ids):
        assert "\ufffd" not in "".join(given)
        assert given[-1] == "", "a whole text leaves nothing for the end"


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), size=st.integers(1, 4))
def test_stream_of_any_ids_gives_what_decode_gives(
    every: dict[str, Tokenizer], kind: str, data: st.DataObject, size: int
) -> None:
    tokenizer = every[kind]
    first = st.integers(0, min(tokenizer.vocab_size, 300) - 1)  # where the single bytes and special tokens are
    ids = data.draw(st.lists(first | st.integers(0, tokenizer.vocab_size - 1), max_size=30))
    assert "".join(pieces(tokenizer, ids, size)) == tokenizer.decode(ids)


def test_stream_holds_a_character_until_it_is_whole(every: dict[str, Tokenizer]) -> None:
    tokenizer = every["bpe"]
    ids = tokenizer.prompt_ids("a👍🏽b")
    given = pieces(tokenizer, ids)
    assert len(ids) > 5
    assert [piece for piece in given if piece] == ["a", "👍", "🏽", "b"]
    assert pieces(tokenizer, ids[:3]) == ["a", "", "", "\ufffd"], "cut off inside a character"


def test_stream_gives_each_word_when_it_comes(every: dict[str, Tokenizer]) -> None:
    tokenizer = every["smollm"]
    assert pieces(tokenizer, tokenizer.prompt_ids("The sea is deep.")) == ["The", " sea", " is", " deep", ".", ""]


def test_stream_leaves_special_tokens_out(every: dict[str, Tokenizer]) -> None:
    tokenizer = every["smollm"]
    ids = tokenizer.prompt_ids("<|im_start|>Hi<|im_end|>")
    assert pieces(tokenizer, ids) == ["", "Hi", "", ""]


def test_stream_can_begin_anew(every: dict[str, Tokenizer]) -> None:
    tokenizer = every["unigram"]
    ids = tokenizer.prompt_ids("a warm film")
    stream = TextStream(tokenizer)
    for _ in range(2):
        assert "".join([stream.push(ids), stream.end()]) == tokenizer.decode(ids)
