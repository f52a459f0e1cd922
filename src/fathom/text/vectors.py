"""Pretrained word vectors from text files: GloVe (no header), fastText and word2vec (a header with rows and width).

the 0.418 0.24968 -0.41242 …
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import DataError
from fathom.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class PretrainedVectors:
    """Vectors for the part of a vocabulary that a file knows."""

    matrix: np.ndarray  # (vocab_size, width) float32; zero rows where nothing was found
    found: np.ndarray  # (vocab_size,) booleans

    @property
    def coverage(self) -> float:
        """The share of the vocabulary that was found."""
        return float(self.found.mean())


def read_vectors(path: Path, tokenizer: Tokenizer) -> PretrainedVectors:
    """The vectors of a vocabulary's tokens; rows equal the file's, and the first of several for one word counts.

    Raises:
        DataError: no such file, not UTF-8, or a line whose numbers do not fit the others (the line is named).
    """
    vectors: dict[int, np.ndarray] = {}
    width: int | None = None
    for number, line in _lines(path):
        word, *values = line.rstrip().split(" ")
        if number == 1 and len(values) == 1 and word.isdigit():
            width = _header_width(path, values[0])
            continue
        if width is None:
            width = len(values)
        if len(values) > width:  # a few words of GloVe's larger files hold blanks
            word, values = " ".join([word, *values[:-width]]), values[-width:]
        token_id = tokenizer.token_to_id(word)
        if token_id is not None and token_id in vectors:
            continue
        try:
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
                vector = np.array(values, dtype=np.float32)
        except ValueError:
            vector = np.empty(0, dtype=np.float32)
        if len(vector) != width or not width or not np.isfinite(vector).all():
            raise DataError(f"{path}, line {number}: {line[:60]!r}", expected=f"a word and {width or 'some'} finite numbers")
        if token_id is not None:
            vectors[token_id] = vector
    if width is None:
        raise DataError(f"{path} is empty", expected="one word and its numbers a line")
    matrix = np.zeros((tokenizer.vocab_size, width), dtype=np.float32)
    found = np.zeros(tokenizer.vocab_size, dtype=bool)
    for token_id, vector in vectors.items():
        matrix[token_id], found[token_id] = vector, True
    return PretrainedVectors(matrix, found)


def _header_width(path: Path, text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise DataError(f"{path}, line 1: the header says {text!r} numbers a word", expected="a number above 0")
    return int(text)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
    number = 0
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number} is not UTF-8: {error}", expected="a text file of vectors") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}", expected="a text file of vectors") from error
