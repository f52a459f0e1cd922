"""What the training loop asks of an objective."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from fathom.data import Batch


class Objective(Protocol):
    """The loss of each example of a batch; the loop sums, averages and differentiates."""

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats, one an example, so that a loss that is not finite can be traced to its text."""
        ...
