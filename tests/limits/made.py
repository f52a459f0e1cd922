"""Classifiers with a rule, and a context for them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from fathom.data import Example
from fathom.limits.asked import Asked
from fathom.limits.classifier import Classifier
from fathom.limits.context import Context, Labelled
from fathom.limits.policy import fit_policy
from fathom.limits.record import Measure

SIDES = ["bad", "good"]


class Ruled(Classifier):
    """Two labels, and the probability of the second by a rule."""

    door, name = "python", "ruled"

    def __init__(self, good: Callable[[str], float], labels: Sequence[str] = SIDES) -> None:
        self.labels, self.good = list(labels), good
        self.asked: list[str] = []

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        second = np.array([self.good(text) for text in texts])
        rows = np.zeros((len(texts), len(self.labels)))
        rows[:, 0], rows[:, 1] = 1 - second, second
        return rows


def context_of(
    classifier: Classifier,
    texts: Sequence[str],
    truth: Sequence[int],
    *,
    seen: Container[Example] | None = None,
    groups: list[str] | None = None,
    **more: Any,
) -> Context:
    """All texts are reported on; the policy is of no use here."""
    asked, numbers = Asked(classifier), np.array(truth)
    report = Labelled(list(texts), numbers, groups)
    rows = np.tile([0.6, *[0.4 / (len(classifier.labels) - 1)] * (len(classifier.labels) - 1)], (20, 1))
    policy = fit_policy(rows, np.zeros(20, dtype=np.int64), rows)
    return Context(asked, report=report, calibrate=report, training=None, policy=policy, seen=seen, **more)


def by_name(measures: Sequence[Measure]) -> dict[str, Measure]:
    """Also checks what every measure must keep to."""
    assert len({measure.name for measure in measures}) == len(measures)
    for measure in measures:
        Measure.model_validate(measure.model_dump())
        if measure.value is not None:
            assert measure.interval is not None
            assert measure.interval[0] - 1e-9 <= measure.value <= measure.interval[1] + 1e-9, measure.name
            assert measure.interval[0] < measure.interval[1], measure.name
            assert measure.floor is not None
            assert measure.n > 0
    return {measure.name: measure for measure in measures}
