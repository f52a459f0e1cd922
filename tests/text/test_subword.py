"""Sub-word vocabularies: learned, saved, loaded, the same every time, and read by Hugging Face's library."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import DataError
from fathom.text import Tokenizer, train_bpe, train_unigram, train_wordpiece
from tests.tiny import BAD, GOOD

CHINESE = ("今天天气很好，我们去看电影。", "这部电影非常好看", "我们很喜欢这部电影", "天气不好，电影也不好看")
CORPUS = [*GOOD, *BAD, *CHINESE] * 3
TRAINERS = {"wordpiece": train_wordpiece, "bpe": train_bpe, "unigram": train_unigram}
UNSEEN = [
    "A wonderful story, isn't it?",
    "我们去看电影吧",
    "naïve café 🎉",
    "",
    "  two  blanks ",
    "tab\tand\nline",
    "\x00\u200b",
]

Train = Callable[..., Tokenizer]


@pytest.fixture(params=TRAINERS, scope="module")
def train(request: pytest.FixtureRequest) -> Train:
    trainer: Train = TRAINERS[request.param]
    return trainer


@pytest.fixture(scope="module")
def learned(train: Train) -> Tokenizer:
    return train(CORPUS, vocab_size=400)


def content(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text without [CLS] and [SEP]."""
    return tokenizer.encode([text], max_length=10**9)[0][0].token_ids[1:-1]


def spelled(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.id_to_token(token_id) for token_id in content(tokenizer, text)]


def test_subword_special_tokens_come_first_and_frame_a_text(learned: Tokenizer) -> None:
    assert learned.tokens()[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert (learned.pad_id, learned.unknown_id, learned.class_id, learned.separator_id, learned.mask_id) == (0, 1, 2, 3, 4)
    ids = learned.encode(["a film"], max_length=20)[0][0].token_ids
    assert (ids[0], ids[-1]) == (2, 3)
    assert min(ids[1:-1]) > 4


def test_subword_pairs_are_framed_with_segments(learned: Tokenizer) -> None:
    a, b = content(learned, "a film"), content(learned, "电影")
    pair = learned.encode(["a film"], ["电影"], max_length=40)[0][0]
    assert pair.token_ids == [2, *a, 3, *b, 3]
    assert pair.segment_ids == [0] * (len(a) + 2) + [1] * (len(b) + 1)


def test_subword_vocabulary_has_the_size_asked_for_and_no_token_twice(train: Train) -> None:
    for size in (320, 400):
        tokenizer = train(CORPUS * 2, vocab_size=size)
        assert tokenizer.vocab_size <= size
        assert len(set(tokenizer.tokens())) == tokenizer.vocab_size
        assert [tokenizer.token_to_id(token) for token in tokenizer.tokens()] == list(range(tokenizer.vocab_size))
    assert train_bpe(CORPUS, vocab_size=300).vocab_size == 300


@pytest.mark.parametrize(("kind", "sizes"), [("wordpiece", (80, 150)), ("bpe", (280, 400)), ("unigram", (60, 80))])
def test_subword_larger_vocabulary_spells_with_fewer_tokens(kind: str, sizes: tuple[int, int]) -> None:
    small, large = (TRAINERS[kind](CORPUS, vocab_size=size) for size in sizes)
    assert sum(len(content(large, text)) for text in CORPUS) < 0.9 * sum(len(content(small, text)) for text in CORPUS)
    assert not any(small.unknown_id in content(small, text) for text in CORPUS)


def test_subword_saved_and_loaded_is_the_same(tmp_path: Path, learned: Tokenizer) -> None:
    learned.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.tokens() == learned.tokens()
    texts = [*CORPUS, *UNSEEN]
    assert loaded.encode(texts, max_length=20, offsets=True) == learned.encode(texts, max_length=20, offsets=True)
    assert loaded.encode(texts, texts[::-1], max_length=20) == learned.encode(texts, texts[::-1], max_length=20)
    loaded.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert (again.pad_id, again.unknown_id, again.mask_id) == (0, 1, 4)


def test_subword_saved_folder_gives_the_same_ids_in_transformers(tmp_path: Path, learned: Tokenizer) -> None:
    learned.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in (*CORPUS, *UNSEEN):
        assert theirs(text)["input_ids"] == learned.encode([text], max_length=10**6)[0][0].token_ids, text
    pair = theirs("a film", "电影", return_token_type_ids=None)
    ours = learned.encode(["a film"], ["电影"], max_length=40)[0][0]
    assert pair["input_ids"] == ours.token_ids
    assert pair["token_type_ids"] == ours.segment_ids
    assert (theirs.pad_token_id, theirs.unk_token_id, theirs.cls_token_id, theirs.sep_token_id) == (0, 1, 2, 3)
    assert theirs.mask_token_id == 4


def test_subword_offsets_say_where_each_token_stands(learned: Tokenizer) -> None:
    text = "great acting 电影 and warm"
    window = learned.encode([text], max_length=60, offsets=True)[0][0]
    assert window.offsets is not None
    assert window.offsets[0] == window.offsets[-1] == (0, 0)
    covered = set()
    for token_id, (start, end) in list(zip(window.token_ids, window.offsets, strict=True))[1:-1]:
        covered |= set(range(start, end))
        if text[start:end].isascii():
            token = learned.id_to_token(token_id)
            assert text[start:end].strip() in (token.removeprefix("##").strip("▁Ġ"), text[start:end] if token == "▁" else "")
    assert covered >= {place for place, sign in enumerate(text) if not sign.isspace()}


@given(text=st.text(max_size=60))
def test_subword_offsets_lie_in_the_text_and_never_go_back(learned: Tokenizer, text: str) -> None:
    window = learned.encode([text], max_length=10**6, offsets=True)[0][0]
    assert window.offsets is not None
    inside = window.offsets[1:-1]
    assert all(0 <= start <= end <= len(text) for start, end in inside)
    assert [start for start, _ in inside] == sorted(start for start, _ in inside)
    assert window.token_ids == learned.encode([text], max_length=10**6)[0][0].token_ids, "with offsets and without"


def test_subword_ids_become_text_again(learned: Tokenizer) -> None:
    for text in ("a wonderful film", "great acting and a good story"):
        assert learned.decode(learned.encode([text], max_length=60)[0][0].token_ids) == text
    assert learned.decode(content(learned, "这部电影")).replace(" ", "") == "这部电影"


# --- each kind ---


def test_wordpiece_follows_berts_rules() -> None:
    tokenizer = train_wordpiece([*CORPUS, "cafe"], vocab_size=400, min_frequency=1)
    assert spelled(tokenizer, "Café") == spelled(tokenizer, "cafe"), "accents go with lower-casing"
    assert spelled(tokenizer, "这部电影") == ["这", "部", "电", "影"], "every Chinese character is a word"
    assert spelled(tokenizer, "joyless")[0] == "joy"
    assert all(token.startswith("##") for token in spelled(tokenizer, "joyless")[1:])
    assert spelled(tokenizer, "🎉") == spelled(tokenizer, "j" * 101) == ["[UNK]"]


def test_wordpiece_case_is_kept_if_asked() -> None:
    cased = train_wordpiece(["Film film FILM"] * 3, vocab_size=60, lowercase=False)
    assert [spelled(cased, word) for word in ("Film", "film", "FILM")] == [["Film"], ["film"], ["FILM"]]


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return train_bpe(CORPUS, vocab_size=400)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="["), max_size=80))
def test_bpe_gives_any_text_back(bpe: Tokenizer, text: str) -> None:
    ids = content(bpe, text)
    assert bpe.decode(ids) == text
    assert bpe.unknown_id not in ids


def test_bpe_knows_every_byte_and_lowercases_if_asked() -> None:
    tokenizer = train_bpe(["x"] * 3, vocab_size=300)
    assert tokenizer.vocab_size == 261, "256 bytes and the special tokens"
    assert tokenizer.decode(content(tokenizer, "Ünïcode 你好 🎉")) == "Ünïcode 你好 🎉"
    lower = train_bpe(CORPUS, vocab_size=300, lowercase=True)
    assert content(lower, "A FILM") == content(lower, "a film")
    assert content(tokenizer, "A FILM") != content(tokenizer, "a film")


def test_unigram_marks_blanks_and_folds_wide_letters() -> None:
    tokenizer = train_unigram(CORPUS, vocab_size=400)
    assert "".join(spelled(tokenizer, "a good film")) == "▁a▁good▁film"
    assert content(tokenizer, "ＧＯＯＤ ﬁlm") == content(tokenizer, "good film")
    assert len(spelled(tokenizer, "电影")) < 3, "frequent Chinese words are pieces"


def test_unigram_prunes_by_likelihood_only() -> None:
    with pytest.raises(DataError, match="min_frequency 2"):
        train_unigram(CORPUS, min_frequency=2)


# --- the same every time ---

DETERMINISM = """
import hashlib, random
from fathom.text import train_{kind}
dice = random.Random(0)
words = ["".join(dice.choices("abcdefghijklmnopé电影", k=dice.randint(1, 6))) for _ in range(2000)]
tokenizer = train_{kind}([" ".join(dice.sample(words, 8)) for _ in range(400)], vocab_size=700)
print(hashlib.sha256("\\n".join(tokenizer.tokens()).encode()).hexdigest())
"""


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_subword_vocabulary_is_the_same_in_every_process(kind: str) -> None:
    found = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TOKENIZERS_PARALLELISM": "true" if seed == "2" else "false"}
        command = [sys.executable, "-c", DETERMINISM.format(kind=kind)]
        found.add(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120).stdout)
    assert len(found) == 1


def test_wordpiece_vocabulary_does_not_depend_on_how_texts_are_handed_in() -> None:
    class Stream:
        def __iter__(self) -> Iterator[str]:
            return iter(CORPUS)

    expected = train_wordpiece(CORPUS, vocab_size=300).tokens()
    assert train_wordpiece(iter(CORPUS), vocab_size=300).tokens() == expected
    assert train_wordpiece(Stream(), vocab_size=300).tokens() == expected
    assert train_wordpiece(CORPUS[::-1], vocab_size=300).tokens() == expected


# --- what cannot be learned from ---


@pytest.mark.parametrize("texts", [[], ["", "  \n"]], ids=["nothing", "blank"])
def test_subword_nothing_to_learn_from_is_refused(train: Train, texts: list[str]) -> None:
    with pytest.raises(DataError, match="no text to learn a vocabulary from"):
        train(texts)


def test_subword_what_is_no_text_is_refused(train: Train) -> None:
    with pytest.raises(DataError, match="a text is None"):
        train(["a film", None])


def test_subword_a_failing_source_of_texts_says_why(train: Train) -> None:
    def texts() -> Iterator[str]:
        yield "a film"
        raise DataError("line 2 is not UTF-8")

    with pytest.raises(DataError, match="line 2 is not UTF-8"):
        train(texts())


def test_subword_lone_surrogates_are_learned_from_and_read(train: Train) -> None:
    tokenizer = train([*CORPUS, "a \ud800 film"], vocab_size=400)
    assert content(tokenizer, "a \udfff film") == content(tokenizer, "a \ufffd film")


@pytest.mark.parametrize("train", [train_wordpiece, train_bpe])
def test_subword_a_word_that_never_ends_is_learned_from_in_pieces(train: Train) -> None:
    endless = "".join(random.Random(0).choices("abcdefgh", k=100_000))  # whole, it takes minutes
    pieces = [endless[start : start + 1000] for start in range(0, len(endless), 1000)]
    learned, expected = (train([f"warm {text} and funny"], vocab_size=300) for text in (endless, " ".join([*pieces, ""])))
    assert learned.tokens() == expected.tokens()


def test_unigram_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(DataError, match=r"no vocabulary can be learned.*not large enough"):
        train_unigram(CORPUS, vocab_size=10)
