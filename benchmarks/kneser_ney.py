"""An interpolated n-gram model with modified Kneser–Ney smoothing (Chen & Goodman 1999), of token ids.

    p(w | u v) = max(a(u v w) − D(a(u v w)), 0) / a(u v ·) + γ(u v) · p(w | v)        … down to 1 / V

    a     how often the longest n-grams stand in the text; of shorter ones, after how many different tokens they stand.
          Nothing stands before a document's start: what begins there counts by how often it is there (as in KenLM)
    D     taken off counts of 1, of 2, of 3 and more; from how many n-grams were seen 1, 2, 3 and 4 times
    γ     what was taken off, so that the sum over all V tokens is 1

An n-gram is a number: (number of its first n − 1 tokens, last token). So a level of the table is a sorted array and a look-up a
binary search, and 17 million tokens take minutes and some GB; NLTK's dictionaries would take hours, and KenLM's package for
Python answers but does not estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FALLBACK = (0.5, 1.0, 1.5)  # discounts of a text too small to estimate them from, as in KenLM


@dataclass(frozen=True)
class _Level:
    """All different n-grams of one length, by number."""

    codes: np.ndarray  # (n-grams,) int64, sorted: number of the first n − 1 tokens · (V + 1) + last token
    counts: np.ndarray  # (n-grams,) int64, how often each stands in the text
    suffix: np.ndarray  # (n-grams,) int32, the number of its last n − 1 tokens
    starts: np.ndarray  # (n-grams,) booleans: a document begins with it


@dataclass(frozen=True)
class _Weights:
    """What an n-gram of one length is worth in a model of some order."""

    adjusted: np.ndarray  # (n-grams,) int64, a
    discounts: np.ndarray  # (4,) off a count of 0, 1, 2, 3 and more
    total: np.ndarray  # (contexts,) a(u v ·)
    backed_off: np.ndarray  # (contexts,) γ(u v)


class KneserNey:
    """Counted n-grams, from which a model of any order up to `longest` answers."""

    def __init__(self, documents: Sequence[np.ndarray], *, vocab_size: int, longest: int = 5) -> None:
        """Counts.

        Args:
            documents: (tokens,) ids of each, below `vocab_size`. No n-gram reaches from one into another.
        """
        self._vocab_size, self.longest = vocab_size, longest
        tokens, place = self._stream(documents)
        before = np.zeros(len(tokens), dtype=np.int32)  # number of the n-gram one shorter that ends here
        self._levels: list[_Level] = []
        for size in range(1, longest + 1):
            here = np.flatnonzero(place >= size - 1)
            code = tokens[here] if size == 1 else before[here - 1].astype(np.int64) * (vocab_size + 1) + tokens[here]
            codes, first, number, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
            del code
            at = here[first]
            self._levels.append(_Level(codes, counts, before[at], place[at] == size - 1))
            before = np.full(len(tokens), -1, dtype=np.int32)
            before[here] = number
        self._weights: dict[int, list[_Weights]] = {}

    def nats(self, documents: Sequence[np.ndarray], order: int) -> np.ndarray:
        """(tokens of all documents,) −ln p(token | those before it in its document, `order` − 1 of them at most).

        Raises:
            ValueError: an order that was not counted.
        """
        if not 1 <= order <= self.longest:
            raise ValueError(f"order is {order}, expected 1 to {self.longest}")
        if order not in self._weights:
            self._weights = {order: [self._weigh(size, order) for size in range(1, order + 1)]}
        tokens, place = self._stream(documents)
        chance = np.full(len(tokens), 1 / self._vocab_size)
        before = np.zeros(len(tokens), dtype=np.int64)  # number of the n-gram one shorter that ends here; −1: never seen
        for size, (level, weights) in enumerate(zip(self._levels, self._weights[order], strict=False), start=1):
            context = before if size == 1 else np.concatenate([[-1], before[:-1]])
            inside = (place >= size - 1) & (context >= 0)
            context = np.where(inside, context, 0)
            code = context * (self._vocab_size + 1) + tokens
            number = np.searchsorted(level.codes, code).clip(max=len(level.codes) - 1)
            found = inside & (level.codes[number] == code)
            seen = np.where(found, weights.adjusted[number], 0)
            total = weights.total[context]
            higher = np.maximum(seen - weights.discounts[np.minimum(seen, 3)], 0) / np.maximum(total, 1)
            chance = np.where(inside & (total > 0), higher + weights.backed_off[context] * chance, chance)
            before = np.where(found, number, -1)
        nats: np.ndarray = -np.log(chance[place > 0])
        return nats

    def _stream(self, documents: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(N,) ids with a start (id V) before each document, and (N,) how far each stands from it."""
        start = np.array([self._vocab_size])
        tokens = np.concatenate([part for document in documents for part in (start, document)]).astype(np.int64)
        lengths = np.array([len(document) + 1 for document in documents])
        place = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return tokens, place

    def _weigh(self, size: int, order: int) -> _Weights:
        level = self._levels[size - 1]
        adjusted = level.counts
        if size < order:
            different = np.bincount(self._levels[size].suffix, minlength=len(level.codes))
            adjusted = np.where(level.starts, level.counts, different)
        if size == 1:
            adjusted = np.where(level.codes == self._vocab_size, 0, adjusted)  # a start follows nothing
        contexts = 1 if size == 1 else len(self._levels[size - 2].codes)
        context = level.codes // (self._vocab_size + 1)
        discounts = _discounts(adjusted)
        total = np.bincount(context, weights=adjusted, minlength=contexts)
        taken = np.bincount(context, weights=discounts[np.minimum(adjusted, 3)], minlength=contexts)
        return _Weights(adjusted, discounts, total, taken / np.maximum(total, 1))


def _discounts(counts: np.ndarray) -> np.ndarray:
    """(4,) for counts of 0, 1, 2, 3 and more: i − (i + 1) Y nᵢ₊₁ / nᵢ with Y = n₁ / (n₁ + 2 n₂)."""
    n = [int((counts == times).sum()) for times in range(1, 5)]
    if min(n[:3]) == 0:
        return np.array([0.0, *_FALLBACK])
    y = n[0] / (n[0] + 2 * n[1])
    found = [times - (times + 1) * y * n[times] / n[times - 1] for times in (1, 2, 3)]
    return np.array([0.0, *(min(max(value, 0.0), times) for times, value in enumerate(found, start=1))])
