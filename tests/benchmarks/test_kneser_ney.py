"""The n-gram model equals one of dictionaries, written from the formula alone, and its probabilities sum to 1."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from kneser_ney import KneserNey

VOCABULARY = 6
START = -1


def text(seed: int, documents: int = 40) -> list[np.ndarray]:
    """Documents in which some tokens follow others more often than chance, one of them of a single token."""
    generator = np.random.default_rng(seed)
    made = [np.array([2])]
    for _ in range(documents):
        tokens = [int(generator.integers(VOCABULARY - 1))]  # the last token is never seen
        for _ in range(int(generator.integers(1, 30))):
            tokens.append((tokens[-1] * 2 + int(generator.random() < 0.3)) % (VOCABULARY - 1))
        made.append(np.array(tokens))
    return made


class Dictionaries:
    """The same model, one n-gram at a time."""

    def __init__(self, documents: list[np.ndarray], order: int) -> None:
        raw: dict[int, Counter[tuple[int, ...]]] = {size: Counter() for size in range(1, order + 1)}
        for document in documents:
            padded = (START, *document.tolist())
            for size in raw:
                raw[size].update(padded[end - size : end] for end in range(max(size, 2), len(padded) + 1))
        self.adjusted = {order: dict(raw[order])}
        for size in range(1, order):
            before = defaultdict(set)
            for gram in raw[size + 1]:
                before[gram[1:]].add(gram[0])
            self.adjusted[size] = {g: c if g[0] == START else len(before[g]) for g, c in raw[size].items()}
        self.order = order
        self.discounts = {size: self._discounts(list(counts.values())) for size, counts in self.adjusted.items()}
        self.following: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for counts in self.adjusted.values():
            for gram, count in counts.items():
                self.following[gram[:-1]].append(count)

    @staticmethod
    def _discounts(counts: list[int]) -> tuple[float, float, float]:
        n1, n2, n3, n4 = (counts.count(times) for times in (1, 2, 3, 4))
        if not (n1 and n2 and n3):
            return (0.5, 1.0, 1.5)
        y = n1 / (n1 + 2 * n2)
        found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        return tuple(min(max(value, 0.0), limit) for value, limit in zip(found, (1, 2, 3), strict=True))  # type: ignore[return-value]

    def chance(self, context: tuple[int, ...], token: int) -> float:
        context = context[max(0, len(context) - self.order + 1) :]
        lower = self.chance(context[1:], token) if context else 1 / VOCABULARY
        counts = self.following[context]
        if not counts:
            return lower
        discounts = self.discounts[len(context) + 1]
        seen = self.adjusted[len(context) + 1].get((*context, token), 0)
        kept = max(seen - discounts[min(seen, 3) - 1], 0) if seen else 0
        taken = sum(discounts[min(count, 3) - 1] for count in counts)
        return kept / sum(counts) + taken / sum(counts) * lower


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_formula(order: int) -> None:
    train, held_out = text(0), text(1, documents=5)
    slow = Dictionaries(train, order)
    expected = []
    for document in held_out:
        padded = (START, *document.tolist())
        expected += [-math.log(slow.chance(padded[:place], padded[place])) for place in range(1, len(padded))]
    found = KneserNey(train, vocab_size=VOCABULARY).nats(held_out, order)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("order", [1, 3, 5])
@pytest.mark.parametrize("context", [[], [0], [5, 5], [1, 2, 4, 3, 1, 2]])
def test_sums_to_one(order: int, context: list[int]) -> None:
    model = KneserNey(text(0), vocab_size=VOCABULARY)
    ends = [np.array([*context, token]) for token in range(VOCABULARY)]
    last = [float(np.exp(-model.nats([end], order)[-1])) for end in ends]
    assert sum(last) == pytest.approx(1, abs=1e-12)
    assert min(last) > 0


def test_longer_contexts_help_where_there_are_some() -> None:
    model = KneserNey(text(0, documents=400), vocab_size=VOCABULARY)
    means = [float(model.nats(text(1), order).mean()) for order in (1, 2)]
    assert means[1] < 0.7 * means[0]


def test_an_order_that_was_not_counted() -> None:
    with pytest.raises(ValueError, match="order is 4, expected 1 to 3"):
        KneserNey(text(0), vocab_size=VOCABULARY, longest=3).nats(text(1), 4)
