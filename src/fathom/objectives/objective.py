"""What the training loop asks of an objective."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from fathom.data import Batch


class Objective(Protocol):
    """The loss of each example of a batch; the loop sums, averages and differentiates."""

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats, one an example, so that a loss that is not finite can be traced to its text."""
        ...


@runtime_checkable
class Remembering(Objective, Protocol):
    """An objective that may hold something from batch to batch, which then belongs to a run's state."""

    memory: int  # tokens that it holds of each row; 0: it holds nothing

    def forget(self) -> None:
        """Holds nothing any more, as when an epoch starts."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What it holds, by name."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes back what `state` gave."""
        ...


@contextmanager
def memory_aside(objective: object) -> Iterator[None]:
    """For other text than the training's: inside, an objective begins with nothing in mind; then it holds what it held."""
    if not isinstance(objective, Remembering):
        yield
        return
    held = objective.state()
    objective.forget()
    try:
        yield
    finally:
        objective.restore(held)
