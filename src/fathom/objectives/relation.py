"""How the two texts of a pair relate, asked of the head that `PretrainingModel` has for it. The data say what relation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fathom.data import Batch
from fathom.model import PretrainingModel
from fathom.objectives.answers import Answers, OnePass, Question, score


@dataclass(frozen=True)
class Relation(OnePass):
    """−log p(label | first text, second text), by cross-entropy over two classes."""

    def ask(self, batch: Batch, generator: torch.Generator | None = None) -> Question:
        """Nothing is drawn.

        Raises:
            ValueError: a batch without labels.
        """
        if batch.labels is None:
            raise ValueError("the batch has no labels; the relation of two texts needs one a pair")
        rows = torch.arange(len(batch.labels), device=batch.labels.device)
        return Question("relation", batch, rows, torch.zeros_like(rows), batch.labels)

    def answer(self, model: nn.Module, states: Tensor, question: Question) -> Answers:
        """Two scores a row."""
        assert isinstance(model, PretrainingModel), type(model)
        logits = model.relation_logits(states, question.batch.padding_mask)
        return score(question, logits, lambda logits: logits, classes=2)
