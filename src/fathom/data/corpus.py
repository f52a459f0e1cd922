"""A corpus: documents as token ids in memory-mapped shards, written once and checked by hash whenever they are opened.

    corpus/
      corpus.json       what it was made of and with, what it holds, and the seal of every folder below
      shard-00000/      some documents, in their order; each shard is written whole or not at all
        tokens.npy           ids of all documents, one after the other: uint16 where the vocabulary allows it, else int32
        word_starts.npy      one bit a token: whether a word starts there
        sentence_ends.npy    where each sentence ends, in tokens from the start of the shard
        document_ends.npy    the same for documents
        text_bytes.npy       bytes of each document's text in UTF-8
        digests.npy          64 bits a document, equal for copies up to case, markup and punctuation
        shard.json           how many of each, and the hash of the texts
        SHA256SUMS
      parts/parts.npy   which part each document belongs to

A seal is the SHA-256 of a folder's SHA256SUMS, which holds those of its files. Built by `fathom.data.corpus_building`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fathom.errors import DataError, ModelFolderError
from fathom.folders import MANIFEST, sha256_of_file, verify_folder
from fathom.text import Tokenizer

CORPUS = "corpus.json"
SHARD = "shard.json"
PARTS = "parts"

Part = Literal["train", "held-out"]
PART_NUMBERS: dict[Part, int] = {"train": 0, "held-out": 1}


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusSettings(_Closed):
    """What decides how documents become a corpus."""

    sentences: str | None = "en"  # the language by whose rules sentences are found; None: a document is one sentence
    chinese_words: bool = False  # words of Chinese text are jieba's, not single characters
    held_out: float = Field(default=0.01, ge=0, lt=1)  # share of the documents that are for measuring
    seed: int = Field(default=0, ge=0)  # of the choice which ones
    shard_characters: int = Field(default=8_000_000, ge=1)  # a shard is closed when it has as many


class ShardSummary(_Closed):
    """shard.json: what a shard holds."""

    documents: int
    blank: int  # documents that were left out because they hold no token
    sentences: int
    tokens: int
    text_bytes: int
    texts_sha256: str  # of the documents in their order


class Manifest(_Closed):
    """corpus.json: what a corpus was made of and with, and what it holds."""

    format: Literal[1] = 1
    source: str
    settings: CorpusSettings
    tokenizer_sha256: str
    vocab_size: int
    complete: bool = False  # the rest is known at the end
    texts_sha256: str = ""  # of the shards' own, in their order
    documents: dict[Part, int] = {}
    blank: int = 0
    sentences: int = 0
    tokens: int = 0
    text_bytes: int = 0
    file_bytes: int = 0  # of all arrays
    seals: dict[str, str] = {}  # {folder: SHA-256 of its SHA256SUMS}

    @property
    def token_type(self) -> type[np.uint16] | type[np.int32]:
        """The narrowest type that holds every id of the vocabulary."""
        return np.uint16 if self.vocab_size <= 2**16 else np.int32


_Model = TypeVar("_Model", bound=_Closed)


def read_json(path: Path, kind: type[_Model]) -> _Model:
    """One of the JSON files of a corpus.

    Raises:
        ModelFolderError: it is missing, damaged, or from another version.
    """
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, ValidationError) as error:
        raise ModelFolderError(
            f"{path} cannot be read: {error}", expected="a file that fathom wrote with a corpus", do="build the corpus again"
        ) from error


def seal(folder: Path) -> str:
    """SHA-256 over the sums of a folder's files."""
    return sha256_of_file(folder / MANIFEST)


def verify_shard(folder: Path, sealed: str | None) -> None:
    """Checks every byte of a shard.

    Args:
        sealed: what its seal has to be; None: not known yet.

    Raises:
        ModelFolderError: the shard is missing or damaged.
    """
    try:
        verify_folder(folder, strict=True)
        if sealed is not None and seal(folder) != sealed:
            raise ModelFolderError(f"{folder / MANIFEST} has changed since it was written")
    except ModelFolderError as error:
        raise ModelFolderError(
            f"{folder} is damaged: {str(error).splitlines()[0]}",
            expected=f"the files that {CORPUS} was written for",
            do=f"delete the folder {folder.name} and build the corpus again; whole shards are kept",
        ) from error


@dataclass(frozen=True)
class _Shard:
    """The arrays of one shard, mapped."""

    tokens: np.ndarray
    word_starts: np.ndarray
    sentence_ends: np.ndarray
    document_ends: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> _Shard:
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in cls.__dataclass_fields__))


class Corpus:
    """The documents of a folder, by number.

    Attributes:
        manifest: what stands in corpus.json.
        lengths: (documents,) tokens of each, without special ones.
        text_bytes: (documents,) bytes of each text in UTF-8, for bits per byte.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        shards = [folder / name for name in manifest.seals if name != PARTS]
        self._shards = [_Shard.open(shard) for shard in shards]
        held = [np.diff(shard.document_ends, prepend=0) for shard in self._shards]
        self._ends = np.cumsum([len(lengths) for lengths in held])  # documents up to the end of each shard
        self.lengths: np.ndarray = np.concatenate(held).astype(np.int64)
        # (documents,) where each begins, in tokens of its shard
        self._starts: np.ndarray = np.concatenate([np.cumsum(lengths) - lengths for lengths in held]).astype(np.int64)
        self.text_bytes: np.ndarray = np.concatenate([np.load(shard / "text_bytes.npy") for shard in shards]).astype(np.int64)
        self._parts: np.ndarray = np.load(folder / PARTS / f"{PARTS}.npy")

    @classmethod
    def open(cls, folder: Path, tokenizer: Tokenizer | None = None, *, verify: bool = True) -> Corpus:
        """Opens a finished corpus.

        Args:
            tokenizer: the one that its ids are to be read with.
            verify: read every byte and compare hashes; leave it out only where another process just did it.

        Raises:
            ModelFolderError: nothing there, unfinished, damaged, or made with another tokenizer.
        """
        if not (folder / CORPUS).is_file():
            raise ModelFolderError(f"{folder} holds no corpus", expected=f"a folder with {CORPUS}", do="build it")
        manifest = read_json(folder / CORPUS, Manifest)
        if not manifest.complete:
            raise ModelFolderError(
                f"{folder} is unfinished", expected="a whole corpus", do="build it again; the shards that are there are kept"
            )
        if tokenizer is not None:
            require_tokenizer(folder, manifest, tokenizer)
        for name, sealed in manifest.seals.items():
            if verify or not (folder / name / MANIFEST).is_file():
                verify_shard(folder / name, sealed)
        return cls(folder, manifest)

    def __len__(self) -> int:
        return len(self.lengths)

    def documents(self, part: Part) -> np.ndarray:
        """The numbers of the documents of a part, in order.

        Raises:
            DataError: there is none.
        """
        numbers = np.flatnonzero(self._parts == PART_NUMBERS[part])
        if not len(numbers):
            share = self.manifest.settings.held_out
            raise DataError(
                f"{self.folder} has no {part} documents: {len(self):,} in all, {share:.2%} to be held out",
                expected="at least one",
                do="hand in more documents (one a row; copies count as one), or change the share that is held out",
            )
        return numbers

    def count(self, token_id: int) -> int:
        """How often a token stands in all documents."""
        return sum(int(np.count_nonzero(shard.tokens == token_id)) for shard in self._shards)

    def tokens(self, document: int, start: int = 0, end: int | None = None) -> np.ndarray:
        """(tokens,) ids of a document, or of a part of it."""
        shard, first, last = self._place(document, start, end)
        return shard.tokens[first:last]

    def word_starts(self, document: int, start: int = 0, end: int | None = None) -> np.ndarray:
        """(tokens,) booleans, True where a word starts."""
        shard, first, last = self._place(document, start, end)
        bits = np.unpackbits(shard.word_starts[first // 8 : -(-last // 8)])
        return bits[first % 8 : first % 8 + last - first].astype(bool)

    def stretches(self, documents: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids and word starts of many parts of documents at once, one after the other.

        Args:
            documents: (n,) their numbers.
            starts: (n,) in tokens of each.
            ends: (n,) likewise, at most its length.

        Returns:
            (tokens,) ids and (tokens,) booleans.
        """
        sizes = ends - starts
        places = np.repeat(self._starts[documents] + starts, sizes) + ramps(sizes)
        shards = np.repeat(np.searchsorted(self._ends, documents, side="right"), sizes)
        ids, words = np.empty(len(places), dtype=np.int64), np.empty(len(places), dtype=bool)
        for number in np.unique(shards):
            shard, here = self._shards[number], shards == number
            place = places[here]
            ids[here] = shard.tokens[place]
            words[here] = shard.word_starts[place // 8] >> (7 - place % 8) & 1
        return ids, words

    def sentence_ends(self, document: int) -> np.ndarray:
        """(sentences,) where each ends, in tokens from the start of the document; the last is its length."""
        shard, first, last = self._place(document, 0, None)
        from_, to = np.searchsorted(shard.sentence_ends, [first, last], side="right")
        return shard.sentence_ends[from_:to] - first

    def _place(self, document: int, start: int, end: int | None) -> tuple[_Shard, int, int]:
        number = int(np.searchsorted(self._ends, document, side="right"))
        shard = self._shards[number]
        first = int(self._starts[document])
        length = int(self.lengths[document])
        return shard, first + start, first + (length if end is None else min(end, length))


def ramps(sizes: np.ndarray) -> np.ndarray:
    """(n,) sizes -> 0, 1, …, size - 1 for each of them, one after the other."""
    ramp: np.ndarray = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ramp


def require_tokenizer(folder: Path, manifest: Manifest, tokenizer: Tokenizer) -> None:
    """Raises ModelFolderError where a corpus was made with another tokenizer."""
    if manifest.tokenizer_sha256 != tokenizer.digest:
        raise ModelFolderError(
            f"{folder} was made with another tokenizer (SHA-256 {manifest.tokenizer_sha256[:12]}…, "
            f"{manifest.vocab_size:,} tokens; this one is {tokenizer.digest[:12]}…, {tokenizer.vocab_size:,})",
            expected="the tokenizer that spelled its documents",
            do="use that one, or build a corpus with this one in another folder",
        )
