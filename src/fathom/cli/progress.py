"""How a training run looks on a terminal: a bar with the time left, and a line for everything worth keeping."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from fathom.cli.console import Bar, percent, say


class TrainingProgress:
    """A `fathom.training.Listener` that shows a run on standard error; lines only, where there is no terminal."""

    def __init__(self, *, quiet: bool = False, describe: Callable[[dict[str, float]], str] | None = None) -> None:
        """`describe`: what a measurement is in words; None: how many texts of the dev part were right."""
        self._quiet = quiet
        self._describe = describe or _right_on_dev
        self._bar: Bar | None = None

    def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
        """Moves the bar."""
        if self._bar is None:
            self._bar = Bar("training", total=total, unit="updates", quiet=self._quiet).__enter__()
            self._bar.advance(step - 1)
        self._bar.advance(1, note=f"loss {loss:.3f}  rate {rate:.1e}  {tokens_per_second:,.0f} tokens/s")

    def on_evaluation(self, step: int, total: int, scores: dict[str, float]) -> None:
        """A line for each measurement."""
        say(f"update {step:,} of {total:,}: {self._describe(scores)}")

    def on_message(self, text: str) -> None:
        """A line."""
        say(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)


def _right_on_dev(scores: dict[str, float]) -> str:
    return f"{percent(scores['accuracy'], 2)} right on the dev part, loss {scores['loss']:.4f}"
