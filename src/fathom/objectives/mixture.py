"""Several objectives at once, by weight, of one reading.

BERT (Devlin et al. 2019)    1 · masked language + 1 · next sentence
ALBERT (Lan et al. 2020)     1 · masked language + 1 · sentence order
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fathom.data import Batch
from fathom.objectives.answers import Answers, OnePass, read


@dataclass(frozen=True)
class Mixture:
    """The weighted sum of what each part asks.

    Args:
        parts: weights and objectives. Each asks about what the ones before it have left to read, so the one that hides
            tokens comes first.

    Raises:
        ValueError: no parts, or a weight that is not above 0.
    """

    parts: tuple[tuple[float, OnePass], ...]

    def __post_init__(self) -> None:
        if not self.parts or min(weight for weight, _ in self.parts) <= 0:
            raise ValueError(f"weights are {[weight for weight, _ in self.parts]}, expected one or more, above 0")

    def answers(self, model: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> list[Answers]:
        """Of each part."""
        questions = []
        for _, part in self.parts:
            questions.append(part.ask(batch, generator))
            batch = questions[-1].batch
        states = read(model, batch)
        return [part.answer(model, states, question) for (_, part), question in zip(self.parts, questions, strict=True)]

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats."""
        weighted = zip(self.parts, self.answers(model, batch), strict=True)
        return torch.stack([weight * answers.losses() for (weight, _), answers in weighted]).sum(dim=0)
