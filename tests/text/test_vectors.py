"""Pretrained vectors: rows equal the file's, coverage is counted, and a bad line is named."""

from __future__ import annotations

import bz2
import gzip
import random
from pathlib import Path

import numpy as np
import pytest

from fathom.errors import DataError
from fathom.text import PretrainedVectors, Tokenizer, read_vectors, train_words

WORDS = {"film": [0.5, -1.25, 3e-3], "good": [1.0, 2.0, 3.0], "很": [0.1, 0.2, 0.3], "unheard": [9.0, 9.0, 9.0]}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_words(["a good film 很"], language="simple")


def lines(words: dict[str, list[float]], end: str = "\n") -> str:
    return "".join(f"{word} {' '.join(map(str, values))}{end}" for word, values in words.items())


def read(path: Path, content: str | bytes, tokenizer: Tokenizer) -> PretrainedVectors:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return read_vectors(path, tokenizer)


@pytest.mark.parametrize(
    "content",
    [
        lines(WORDS),
        f"{len(WORDS)} 3\n" + lines(WORDS),
        f"{len(WORDS)} 3\n" + lines(WORDS, end=" \n"),
        lines(WORDS, end="\r\n"),
        lines(WORDS).removesuffix("\n"),
    ],
    ids=["GloVe", "word2vec", "fastText", "Windows", "no last line end"],
)
def test_vectors_rows_equal_those_of_the_file(tmp_path: Path, tokenizer: Tokenizer, content: str) -> None:
    vectors = read(tmp_path / "vectors.txt", content, tokenizer)
    assert vectors.matrix.shape == (tokenizer.vocab_size, 3)
    assert vectors.matrix.dtype == np.float32
    for token_id, token in enumerate(tokenizer.tokens()):
        np.testing.assert_array_equal(vectors.matrix[token_id], np.array(WORDS.get(token, [0, 0, 0]), dtype=np.float32))
        assert vectors.found[token_id] == (token in WORDS)


def test_vectors_coverage_is_the_share_of_the_vocabulary(tmp_path: Path, tokenizer: Tokenizer) -> None:
    assert tokenizer.vocab_size == 7
    assert read(tmp_path / "v.txt", lines(WORDS), tokenizer).coverage == pytest.approx(3 / 7)
    assert read(tmp_path / "v.txt", "unheard 1 2\n", tokenizer).coverage == 0


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_vectors_may_be_compressed(tmp_path: Path, tokenizer: Tokenizer, ending: str, compress: object) -> None:
    assert callable(compress)
    vectors = read(tmp_path / f"v.txt.{ending}", compress(lines(WORDS).encode()), tokenizer)
    np.testing.assert_array_equal(vectors.matrix, read(tmp_path / "v.txt", lines(WORDS), tokenizer).matrix)


def test_vectors_first_of_several_for_one_word_counts(tmp_path: Path, tokenizer: Tokenizer) -> None:
    vectors = read(tmp_path / "v.txt", "film 1 2\ngood 3 4\nfilm 5 6\n", tokenizer)
    assert vectors.matrix[tokenizer.token_to_id("film")].tolist() == [1, 2]


def test_vectors_words_with_blanks_are_words(tmp_path: Path, tokenizer: Tokenizer) -> None:
    vectors = read(tmp_path / "v.txt", "good 1 2\n. . film 3 4\nat name@domain.com 5 6\nfilm 7 8\n", tokenizer)
    assert vectors.matrix[tokenizer.token_to_id("film")].tolist() == [7, 8]


def test_vectors_line_separators_of_unicode_end_no_line(tmp_path: Path, tokenizer: Tokenizer) -> None:
    vectors = read(tmp_path / "v.txt", "good 1 2\n\u2028 3 4\n\x85 5 6\nfilm 7 8\n", tokenizer)
    assert vectors.matrix[tokenizer.token_to_id("film")].tolist() == [7, 8]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("good 1 2 3\nfilm 1 2\n", "line 2: 'film 1 2"),
        ("good 1 2 3\nfilm 1 two 3\n", "line 2"),
        ("good 1 2 3\nunheard 1 2\n", "line 2"),
        ("good 1 2 3\nfilm 1 nan 3\n", "line 2"),
        ("good 1 2 3\nfilm 1 1e99 3\n", "line 2"),
        ("good 1 2 3\n\nfilm 1 2 3\n", "line 2"),
        ("good 1 2 3\nfilm\n", "line 2"),
        ("good\nfilm\n", "line 1"),
        ("good\t1\t2\n", "line 1"),
        ("2 3\ngood 1 2 3\nfilm 1 2\n", "line 3"),
        ("2 3\ngood 1 2 3\n" + "x" * 10_000, "line 3"),
        ("2 0\ngood\n", "line 1: the header says '0'"),
        ("2 many\ngood 1\n", "line 1"),
        ("", "is empty"),
    ],
)
def test_vectors_bad_line_is_named(tmp_path: Path, tokenizer: Tokenizer, content: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path / "v.txt", content, tokenizer)
    assert says in str(error.value)
    assert len(str(error.value)) < 1000


def test_vectors_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="line 3 is not UTF-8"):
        read(tmp_path / "v.txt", "good 1\nfilm 2\ncafé 3\n".encode("latin-1"), tokenizer)
    with pytest.raises(DataError, match="line 2"):
        read(tmp_path / "v.bin", b"2 3\ngood " + np.ones(3, np.float32).tobytes() + b"\n", tokenizer)


def test_vectors_file_that_is_missing_or_damaged_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        read_vectors(tmp_path / "none.txt", tokenizer)
    packed = gzip.compress(("good " + random.Random(0).randbytes(5000).hex()).encode())
    flipped = bytearray(packed)
    flipped[20] ^= 0xFF
    flipped[len(packed) // 2] ^= 0xFF
    for damaged in (packed[:-9], bytes(flipped), b"not compressed"):
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / "v.gz", damaged, tokenizer)
