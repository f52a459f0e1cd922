"""What a corpus repeats, and what it has in common with the texts that a model will be measured on.

    copies       equal up to case, markup and punctuation
    near copies  most runs of five words are the same: found by MinHash in bands (Broder 1997; Leskovec et al., chapter 3),
                 then compared run by run, so that what is reported is true
    passages     runs of 13 words that also stand in an evaluation text (Brown et al. 2020, 2005.14165, appendix C)

Texts are read one at a time and more than once; memory holds some 200 bytes a document, and the runs of the evaluation texts
as numbers of 64 bits. A Chinese character counts as a word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fathom.data.examples import Example
from fathom.data.splits import normalise_for_matching, text_digest
from fathom.errors import DataError, SettingsError
from fathom.text.splitting import WORD

RUN = 5  # words in the runs by which near copies are told
PASSAGE = 13  # words that in common are no chance
SHORTEST_PASSAGE = 8  # evaluation texts of 8 to 12 words are looked for as a whole; shorter ones as whole documents only
SHOWN = 200  # characters of an example

_BANDS, _ROWS = (
    25,
    5,
)  # a pair that shares 80 % of its runs is missed once in 20,000 times, one that shares 50 % in every second
_CROWD = 100  # of so many that look alike, each is compared with the first ones only
_PAIRS = 50_000  # compared in one reading
_BLOCK = 1024  # runs hashed, or texts looked up, at a time
_KNOWN_WORDS = 2**20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Duplicates:
    """Repeats inside a corpus. Rows count from 0."""

    documents: int
    copies: int  # rows whose text stood in an earlier row
    near_copies: int  # other rows of which an earlier one has at least `similarity`
    similarity: float  # of two texts: runs of five words that stand in both, over those that stand in either
    share: float  # copies and near copies, of all rows
    examples: list[dict[str, Any]]  # row, earlier row, similarity, how both begin

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class SharedPassages:
    """What documents and evaluation texts have in common."""

    documents: int
    texts: int  # for evaluation
    touched: int  # of these, texts with at least one passage that stands in a document
    mostly: int  # texts of whose passages at least half do
    wholly: int  # texts of whose passages all do
    touched_share: float  # of the texts
    passages: int  # different ones in all texts
    passages_found: int
    examples: list[dict[str, Any]]  # evaluation row, document row, the passage

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def find_duplicates(documents: Iterable[Example], *, similarity: float = 0.8, seed: int = 0, examples: int = 5) -> Duplicates:
    """Compares all documents with all others.

    Args:
        documents: a list, a Source, or anything else that can be iterated again.
        similarity: above 0, at most 1. Below 0.7 more and more pairs are missed.
        seed: of the hash functions.
        examples: how many to show.

    Raises:
        DataError: documents that can be read only once.
        SettingsError: a similarity that none can have.
    """
    _require_again(documents)
    if not 0 < similarity <= 1:
        raise SettingsError(f"similarity is {similarity}", expected="above 0 and at most 1")
    digests, bands, blank = _fingerprints(documents, seed)
    firsts, first_of = np.unique(digests, return_index=True, return_inverse=True)[1:]
    earlier = firsts[first_of]  # (rows,) the first row with the same text
    copy = earlier < np.arange(len(digests))
    originals = np.flatnonzero(~copy & ~blank)
    found = _compared(documents, originals[_alike(bands[originals])], similarity)
    rows = {int(row): (int(earlier[row]), 1.0) for row in np.flatnonzero(copy)[:examples]}
    near = dict(sorted(found.items()))
    shown = [*list(near.items())[:examples], *rows.items()][:examples]
    texts = _texts(documents, {row for row, (other, _) in shown for row in (row, other)})
    count = int(copy.sum()) + len(near)
    return Duplicates(
        documents=len(digests),
        copies=int(copy.sum()),
        near_copies=len(near),
        similarity=similarity,
        share=round(count / len(digests), 6) if len(digests) else 0.0,
        examples=[
            {
                "row": row,
                "earlier_row": other,
                "similarity": round(alike, 3),
                "text": texts[row][:SHOWN],
                "earlier_text": texts[other][:SHOWN],
            }
            for row, (other, alike) in shown
        ],
    )


def passage_shares(documents: Iterable[Example], evaluation: Sequence[Example]) -> np.ndarray:
    """(n,) for each evaluation text the share of its passages that stand in a document; 1 for a text that stands in one whole.

    Args:
        documents: read once.
        evaluation: n.
    """
    found = _find_passages(documents, evaluation)
    shares: np.ndarray = found.hits() / np.maximum(1, found.lengths)
    return shares


def find_shared_passages(documents: Iterable[Example], evaluation: Iterable[Example], *, examples: int = 5) -> SharedPassages:
    """Looks for the passages of evaluation texts (and their pairs) in documents.

    Args:
        documents: read once.
        evaluation: a list, a Source, or anything else that can be iterated again.
        examples: how many to show.

    Raises:
        DataError: evaluation texts that can be read only once.
    """
    _require_again(evaluation)
    found = _find_passages(documents, evaluation)
    lengths, hits = found.lengths, found.hits()
    firsts = np.cumsum(lengths) - lengths
    shown = []
    wanted = np.flatnonzero(hits)[:examples]
    texts = _texts(evaluation, set(wanted.tolist()))
    for row in wanted.tolist():
        documents_of = found.found_in[found.which[firsts[row] : firsts[row] + lengths[row]]]
        place = int(np.flatnonzero(documents_of >= 0)[0])
        passage = _split(texts[row])[place : place + PASSAGE]
        shown.append({"row": row, "document_row": int(documents_of[place]), "passage": " ".join(passage)})
    touched = int((hits > 0).sum())
    return SharedPassages(
        documents=found.documents,
        texts=len(lengths),
        touched=touched,
        mostly=int(((hits > 0) & (2 * hits >= lengths)).sum()),
        wholly=int(((hits > 0) & (hits == lengths)).sum()),
        touched_share=round(touched / len(lengths), 6) if len(lengths) else 0.0,
        passages=len(found.found_in),
        passages_found=int((found.found_in >= 0).sum()),
        examples=shown,
    )


@dataclass(frozen=True)
class _Passages:
    """The passages of evaluation texts, and where they stand."""

    documents: int
    lengths: np.ndarray  # (texts,) passages of each
    which: np.ndarray  # (passages of all texts, one text after the other) number among the different ones
    found_in: np.ndarray  # (different passages,) the first document that holds it, −1: none

    def hits(self) -> np.ndarray:
        """(texts,) how many of the passages of each stand in a document."""
        text_of = np.repeat(np.arange(len(self.lengths)), self.lengths)
        weights = self.found_in[self.which] >= 0
        return np.bincount(text_of, weights=weights, minlength=len(self.lengths)).astype(np.int64)


def _find_passages(documents: Iterable[Example], evaluation: Iterable[Example]) -> _Passages:
    words = _Words()
    held: list[np.ndarray] = []
    sizes: set[int] = set()  # of the passages
    for example in evaluation:
        hashes = words(_whole(example))
        sizes.add(min(len(hashes), PASSAGE))
        held.append(_runs(hashes, min(len(hashes), PASSAGE)))
    lengths = np.array([len(passages) for passages in held], dtype=np.int64)
    known, which = np.unique(_joined(held), return_inverse=True)
    held.clear()
    found_in = np.full(len(known), -1, dtype=np.int64)  # the first document that holds each
    rows = 0
    for block in _blocks(documents):
        numbers, runs = [], []
        for example in block:
            hashes = words(_whole(example))
            for size in sizes:
                if size >= SHORTEST_PASSAGE or size == len(hashes):
                    runs.append(_runs(hashes, size))
                    numbers.append(np.full(len(runs[-1]), rows))
            rows += 1
        _look_up(known, _joined(runs), _joined(numbers), found_in)
    return _Passages(rows, lengths, which, found_in)


# --- words and runs of words as numbers ---


def _whole(example: Example) -> str:
    return example.text if example.pair is None else f"{example.text}\n{example.pair}"


def _split(text: str) -> list[str]:
    return re.findall(WORD, normalise_for_matching(text))


class _Words:
    """A text's words as numbers of 64 bits, the same in every process; frequent ones are remembered."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> np.ndarray:
        if len(self._known) > _KNOWN_WORDS:
            self._known.clear()
        known = self._known
        numbers = []
        for word in _split(text):
            number = known.get(word)
            if number is None:
                digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                number = known[word] = int.from_bytes(digest, "big")
            numbers.append(number)
        return np.array(numbers, dtype=np.uint64)


def _runs(words: np.ndarray, size: int) -> np.ndarray:
    """(words − size + 1,) a number for each run of so many words; none where there are fewer, or no words."""
    count = max(len(words) - size + 1, 0) if size else 0
    numbers = np.full(count, size, dtype=np.uint64)
    for place in range(size):
        numbers = numbers * _MULTIPLIER + words[place : place + count]
    return _mixed(numbers)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Every bit depends on every other (Steele et al. 2014, SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = numbers ^ (numbers >> np.uint64(31))
    return mixed


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.uint64)


def _look_up(known: np.ndarray, runs: np.ndarray, numbers: np.ndarray, found_in: np.ndarray) -> None:
    """Notes for each known run the first of the documents in which it stands."""
    if not len(known):
        return
    runs, first = np.unique(runs, return_index=True)  # in order, they are looked up ten times as fast
    place = np.minimum(np.searchsorted(known, runs), len(known) - 1)
    new = (known[place] == runs) & (found_in[place] < 0)
    found_in[place[new]] = numbers[first[new]]


# --- near copies ---


def _fingerprints(documents: Iterable[Example], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows,) digests, (rows, bands) hashes of signatures, and (rows,) whether a row holds no word."""
    generator = np.random.default_rng(seed)
    factors, offsets = generator.integers(0, 2**64, (2, _BANDS * _ROWS, 1), dtype=np.uint64)
    words = _Words()
    digests: list[np.ndarray] = [np.zeros(0, dtype=np.uint64)]
    bands: list[np.ndarray] = [np.zeros((0, _BANDS), dtype=np.uint64)]
    blank: list[np.ndarray] = [np.zeros(0, dtype=bool)]
    for block in _blocks(documents):
        signatures = np.empty((len(block), _BANDS * _ROWS), dtype=np.uint64)
        for place, example in enumerate(block):
            signatures[place] = _signature(_shingles(words(_whole(example))), factors | np.uint64(1), offsets)
        digests.append(np.array([text_digest(example) for example in block], dtype=np.uint64))
        hashed = np.zeros((len(block), _BANDS), dtype=np.uint64)
        for row in range(_ROWS):
            hashed = _mixed(hashed * _MULTIPLIER + signatures[:, row::_ROWS])
        bands.append(hashed)
        blank.append((signatures == np.iinfo(np.uint64).max).all(axis=1))
    return np.concatenate(digests), np.concatenate(bands), np.concatenate(blank)


def _shingles(words: np.ndarray) -> np.ndarray:
    """The different runs of a text, in order of number; a text shorter than a run is one."""
    return np.unique(_runs(words, min(len(words), RUN)))


def _signature(shingles: np.ndarray, factors: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(hash functions,) the smallest hash of any run, for each function."""
    smallest = np.full(len(factors), np.iinfo(np.uint64).max)
    for start in range(0, len(shingles), _BLOCK):
        np.minimum(smallest, (shingles[start : start + _BLOCK] * factors + offsets).min(axis=1), out=smallest)
    return smallest


def _alike(bands: np.ndarray) -> np.ndarray:
    """(pairs, 2) places, the earlier one first, of rows that agree in some band."""
    pairs = np.zeros(0, dtype=np.int64)  # both places in one number
    for band in bands.T:
        order = np.argsort(band, kind="stable")  # equal ones in the order of rows
        starts = np.flatnonzero(np.append(True, np.diff(band[order]) != 0)) if len(order) else order
        sizes = np.diff(starts, append=len(order))
        new = [pairs]
        for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            crowd = order[start : start + size]
            first, second = np.triu_indices(min(size, _CROWD), 1)
            new.append(crowd[first] << 32 | crowd[second])
            new.append((crowd[:_CROWD] << 32 | crowd[_CROWD:, None]).ravel())
        pairs = np.unique(np.concatenate(new))
    return np.stack([pairs >> 32, pairs & (2**32 - 1)], axis=1)


def _compared(documents: Iterable[Example], pairs: np.ndarray, similarity: float) -> dict[int, tuple[int, float]]:
    """For each row that is like an earlier one: the most similar such row, and how similar it is."""
    words = _Words()
    found: dict[int, tuple[int, float]] = {}
    for start in range(0, len(pairs), _PAIRS):
        some = pairs[start : start + _PAIRS]
        wanted = set(some.flatten().tolist())
        shingles = {row: _shingles(words(text)) for row, text in _texts(documents, wanted).items()}
        for earlier, row in some.tolist():
            first, second = shingles[earlier], shingles[row]
            both = len(np.intersect1d(first, second, assume_unique=True))
            alike = both / (len(first) + len(second) - both)
            if alike >= similarity and alike > found.get(row, (0, 0.0))[1]:
                found[row] = earlier, alike
    return found


# --- reading ---


def _require_again(examples: Iterable[Example]) -> None:
    if isinstance(examples, Iterator):
        raise DataError(
            "texts that can be read only once", expected="a list, a Source, or a file that is opened with open_data"
        )


def _blocks(examples: Iterable[Example]) -> Iterator[Sequence[Example]]:
    block: list[Example] = []
    for example in examples:
        block.append(example)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _texts(examples: Iterable[Example], rows: set[int]) -> dict[int, str]:
    """Some of the texts, by row."""
    if not rows:
        return {}
    texts: dict[int, str] = {}
    for row, example in enumerate(examples):
        if row in rows:
            texts[row] = _whole(example)
            if len(texts) == len(rows):
                break
    return texts
