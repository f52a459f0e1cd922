"""What a measure of a model that writes is given, as limits/context.py is for classifiers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fathom.limits.context import Language, generator_of, shortened
from fathom.limits.record import WorstExample
from fathom.limits.statistics import Interval, bootstrap_interval
from fathom.limits.writing.asked import AskedCausal
from fathom.limits.writing.questions import Question


@dataclass(frozen=True)
class CausalContext:
    """One audit of a model that writes, as a measure sees it."""

    asked: AskedCausal
    language: Language = "en"
    quick: bool = False
    seed: int = 0
    sampled: list[str] = field(default_factory=list)  # what was drawn or left out, in words
    training: list[str] | None = None  # texts that it may have memorised; None: not named
    held_out: list[str] | None = None  # texts that it has surely not read; None: not named
    questions: list[Question] | None = None  # of the user, with choices; None: only our own

    def generator(self, name: str) -> np.random.Generator:
        """A stream of its own for each name, whatever else was measured before."""
        return generator_of(self.seed, name)

    def bootstrap(self, n: int, statistic: Callable[[np.ndarray], float], *, pivotal: bool = False) -> Interval:
        """95 % bootstrap interval; arguments as for `bootstrap_interval`."""
        return bootstrap_interval(n, statistic, pivotal=pivotal, draws=200 if self.quick else 500, seed=self.seed)

    def example(self, text: str, answer: str, truth: str | None = None, *, note: str | None = None) -> WorstExample:
        """A prompt to be read, with what was answered."""
        return WorstExample(text=shortened(text), answer=shortened(answer), truth=truth, note=note)
