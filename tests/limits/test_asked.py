"""Every answer is checked, kept, counted and asked again on failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fathom.errors import PredictorError
from fathom.limits.asked import Asked
from fathom.limits.asking import BudgetSpentError
from fathom.limits.classifier import Classifier, NotMeasurableError, TryAgainError

TEXTS = [f"text {number}" for number in range(20)]


class Scripted(Classifier):
    """Answers by a rule, and remembers what it was asked."""

    door = "python"
    batch = 6

    def __init__(self, rule: Callable[[list[str]], Any] | None = None) -> None:
        self.name, self.labels = "scripted", ["bad", "good"]
        self.asked: list[str] = []
        self._rule = rule or by_number

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        found: np.ndarray = self._rule(list(texts))
        return found


def by_number(texts: list[str]) -> np.ndarray:
    p = np.array([int(text.split()[1]) / 20 for text in texts])
    return np.stack([1 - p, p], axis=1)


def test_asked_answers_in_order_and_asks_each_text_once() -> None:
    classifier, told = Scripted(), []
    asked = Asked(classifier, on_answers=told.append)
    found = asked.probabilities([*TEXTS[::-1], TEXTS[3]])
    np.testing.assert_allclose(found, by_number([*TEXTS[::-1], TEXTS[3]]))
    asked.probabilities(TEXTS)
    assert sorted(classifier.asked) == sorted(TEXTS)
    assert (asked.cost.calls, told) == (20, [6, 6, 6, 2])
    assert asked.probabilities([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda texts: np.full((len(texts), 2), np.nan), "a number that is not finite"),
        (lambda texts: np.full((len(texts), 2), np.inf), "a number that is not finite"),
        (lambda texts: np.array([[2.0, -1.0]] * len(texts)), "a negative number"),
        (lambda texts: np.array([[0.7, 0.7]] * len(texts)), "a sum that is not 1"),
        (lambda texts: np.full((len(texts), 3), 1 / 3), "with shape (6, 3)"),
        (lambda texts: np.full(len(texts), 0.5), "with shape (6,)"),
        (lambda texts: np.full((1, 2), 0.5), "with shape (1, 2)"),
        (lambda texts: ["good"] * len(texts), "that is no array of numbers"),
        (lambda texts: None, "with shape ()"),
        (lambda texts: [[0.5, 0.5], [1.0]], "that is no array of numbers"),
    ],
)
def test_asked_refuses_what_are_no_probabilities(rule: Callable[[list[str]], Any], message: str) -> None:
    with pytest.raises(PredictorError) as caught:
        Asked(Scripted(rule)).probabilities(TEXTS)
    assert message in str(caught.value)
    assert "scripted" in str(caught.value)


def test_asked_scales_what_is_inexact_only_by_rounding() -> None:
    asked = Asked(Scripted(lambda texts: np.array([[0.3, 0.7004]] * len(texts), dtype=np.float32)))
    assert abs(asked.probabilities(TEXTS).sum(axis=1) - 1).max() < 1e-15


def test_asked_tries_again_and_then_says_what_was_raised() -> None:
    failures = iter([RuntimeError("busy"), TryAgainError("slow", wait=0.0)])

    def rule(texts: list[str]) -> np.ndarray:
        for failure in failures:
            raise failure
        return by_number(texts)

    asked = Asked(Scripted(rule), pause=0.0)
    np.testing.assert_allclose(asked.probabilities(TEXTS[:3]), by_number(TEXTS[:3]))
    assert (asked.cost.retries, asked.cost.calls) == (2, 3)

    def gone(texts: list[str]) -> np.ndarray:
        raise RuntimeError("the server is gone")

    with pytest.raises(PredictorError, match=r"raised RuntimeError when asked for 6 texts: the server is gone"):
        Asked(Scripted(gone), pause=0.0).probabilities(TEXTS)


def test_asked_keeps_to_its_budget_and_asks_nothing_beyond_it() -> None:
    classifier = Scripted()
    asked = Asked(classifier, budget=15)
    asked.probabilities(TEXTS[:10])
    with pytest.raises(BudgetSpentError, match="10 more answers are needed, and 5 calls are left of 15"):
        asked.probabilities(TEXTS)
    assert len(classifier.asked) == 10
    asked.probabilities(TEXTS[:15])
    assert (asked.left, asked.new(TEXTS), asked.new(TEXTS[:15])) == (0, 5, 0)


def test_asked_goes_on_from_its_cache_which_holds_no_text(tmp_path: Path) -> None:
    cache = tmp_path / "answers.jsonl"
    before = Asked(Scripted(), cache=cache).probabilities(TEXTS[:12])
    assert "text" not in cache.read_text()
    with cache.open("a") as file:
        file.write('["00ff')  # killed while writing
    classifier = Scripted()
    asked = Asked(classifier, cache=cache)
    assert asked.kept == 12
    assert (asked.probabilities(TEXTS)[:12] == before).all()
    assert sorted(classifier.asked) == sorted(TEXTS[12:])
    assert asked.cost.from_cache == 12
    assert len(cache.read_text().splitlines()) == 21
    assert all(json.loads(line) for line in cache.read_text().splitlines())


@pytest.mark.parametrize("change", ["labels", "fingerprint", "damage", "foreign"])
def test_asked_begins_anew_beside_the_cache_of_another(change: str, tmp_path: Path) -> None:
    cache = tmp_path / "answers.jsonl"
    Asked(Scripted(), cache=cache).probabilities(TEXTS)
    classifier = Scripted()
    if change == "labels":
        classifier.labels = ["good", "bad"]
    elif change == "fingerprint":
        classifier.fingerprint = lambda: "another"  # type: ignore[method-assign]
    elif change == "damage":
        cache.write_text(cache.read_text().replace("[", "{"))
    else:
        cache.write_text("notes of mine\n")
    asked = Asked(classifier, cache=cache)
    assert asked.kept == 0
    asked.probabilities(TEXTS)
    assert len(classifier.asked) == 20
    assert Asked(classifier, cache=cache).kept == 20


def test_asked_twice_notices_chance_and_a_model_that_changed(tmp_path: Path) -> None:
    assert Asked(Scripted()).check_twice(TEXTS) == 0.0
    generator = np.random.default_rng(0)

    def moody(texts: list[str]) -> np.ndarray:
        p = generator.random(len(texts))
        return np.stack([p, 1 - p], axis=1)

    with pytest.raises(PredictorError, match="answers differently the second time"):
        Asked(Scripted(moody)).check_twice(TEXTS)
    cache = tmp_path / "answers.jsonl"
    Asked(Scripted(), cache=cache).check_twice(TEXTS)
    with pytest.raises(PredictorError, match="from the audit that was interrupted"):
        Asked(Scripted(lambda texts: by_number(texts)[:, ::-1]), cache=cache).check_twice(TEXTS)


def test_asked_twice_counts_as_calls() -> None:
    asked = Asked(Scripted(), budget=16)
    asked.check_twice(TEXTS)
    assert (asked.cost.calls, asked.left) == (16, 0)
    with pytest.raises(BudgetSpentError):
        Asked(Scripted(), budget=12).check_twice(TEXTS)


@pytest.mark.parametrize("method", ["logits", "lengths", "embeddings"])
def test_what_a_door_cannot_give_is_said(method: str) -> None:
    with pytest.raises(NotMeasurableError, match="a Python callable gives no"):
        getattr(Scripted(), method)(TEXTS)
    with pytest.raises(NotMeasurableError, match="gradients"):
        Scripted().predictor()
