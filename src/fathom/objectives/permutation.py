"""Permutation language modelling (Yang et al. 2019, 1906.08237, sections 2.2 to 2.5): tokens one after the other, in any order.

    order of factorisation   3 1 5 | 2 4       the last 1/K are predicted, each from all that comes before it in the order
    2 is predicted from      3 1 5             whether that stands to its left or to its right
    4 is predicted from      3 1 5 2

A query stream knows where it is but not what stands there (`Transformer.query_states`). Tokens that are not predicted
all see each other, as in the paper's code; only predicted ones are ordered. Special tokens are never predicted, nor is a
token that sees no other.

A text may be longer than a row: its next row sees states of the row before, without gradients (Dai et al. 2019, 1901.02860).
The objective holds them from batch to batch. They are part of a run's state: a checkpoint takes `state()`, a resumed run
gives it back to `restore`, and each epoch starts with `forget`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fathom.data import Batch
from fathom.model import LanguageModel, remember
from fathom.objectives.answers import Answers, Question, answer_tokens, ordinary_tokens, real_tokens


@dataclass(frozen=True)
class Factorisation:
    """The orders of a batch."""

    ranks: Tensor  # (B, L) int64: 0 where not predicted, 1 for the first that is, 2 for the second, …
    targets: Tensor  # (B, T) int64, the predicted places in their order
    valid: Tensor  # (B, T) booleans: False where a row has fewer of them

    def visible(self) -> Tensor:
        """(B, L, L) booleans: which keys a query may see."""
        return self.ranks[:, None, :] < self.ranks.clamp(min=1)[:, :, None]


@dataclass
class _Memory:
    """Of the rows of the batch before."""

    states: list[Tensor]  # for each block (B, M, D)
    seen: Tensor  # (B, M) booleans: real, and of the text that the row ended with
    full: Tensor  # (B,) booleans: the row ended without padding


@dataclass
class PermutationLanguage:
    """−log p(token | those before it in a random order), over the last of each row's order.

    Args:
        special_ids: tokens that are never predicted.
        predicted: K; one of so many ordinary tokens of a row is predicted, at least one.
        memory: tokens that a row sees of the rows of its text before it; 0: none. Rows then come as `Batch.continues` says.

    Raises:
        ValueError: a number out of range.
    """

    special_ids: tuple[int, ...]
    predicted: int = 6
    memory: int = 0
    _remembered: _Memory | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.predicted < 1 or self.memory < 0:
            raise ValueError(f"predicted is {self.predicted} and memory {self.memory}, expected at least 1 and at least 0")

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats."""
        return self.answers(model, batch).losses()

    def answers(self, model: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> Answers:
        """Which token stands at each predicted place. What the model read is remembered for the next batch.

        Raises:
            ValueError: a model without relative positions, or a row that goes on where another ended in padding.
        """
        assert isinstance(model, LanguageModel), type(model)
        order = self.factorise(batch, generator)
        visible = order.visible() & real_tokens(batch)[:, None]
        if batch.documents is not None:
            visible = visible & (batch.documents[:, :, None] == batch.documents[:, None, :])
        memory = self._continued(batch)
        if memory is not None:
            visible = torch.cat([memory.seen[:, None] & _first_text(batch)[..., None], visible], dim=2)
        query, states = model.transformer.query_states(
            batch.token_ids,
            order.targets,
            visible,
            segment_ids=batch.segment_ids,
            memory=None if memory is None else memory.states,
        )
        if self.memory:
            self._remembered = self._remember(states, batch, memory)
        informed = visible.any(dim=2).gather(1, order.targets)  # what sees nothing would see itself: `query_states`
        rows, places = (order.valid & informed).nonzero(as_tuple=True)
        columns = order.targets[rows, places]
        question = Question("token", batch, rows, columns, batch.token_ids[rows, columns])
        return answer_tokens(model, query[rows, places], question)

    def factorise(self, batch: Batch, generator: torch.Generator | None = None) -> Factorisation:
        """Draws an order for each row from a CPU generator; None: torch's own, seeded anew for each batch of a run."""
        ordinary = ordinary_tokens(batch, self.special_ids)
        drawn = torch.rand(ordinary.shape, generator=generator).to(ordinary.device)
        order = drawn.masked_fill(~ordinary, 2).argsort(dim=1)  # ordinary tokens first
        count = ordinary.sum(dim=1, keepdim=True)
        asked = torch.minimum(count, (count // self.predicted).clamp(min=1))
        start = count - asked
        number = torch.arange(ordinary.shape[1], device=ordinary.device)
        in_order = (number - start + 1).clamp(min=0) * (number < count)  # rank at each place of the order
        ranks = torch.zeros_like(order).scatter(1, order, in_order)
        number = number[: max(1, int(asked.max()))]
        targets = order.gather(1, (start + number).clamp(max=ordinary.shape[1] - 1))
        return Factorisation(ranks, targets, number < asked)

    def forget(self) -> None:
        """What an epoch starts with."""
        self._remembered = None

    def state(self) -> dict[str, Tensor]:
        """What has to be restored for the next batch to read what it would have read; empty where nothing is remembered."""
        held = self._remembered
        if held is None:
            return {}
        return {f"states.{number}": states for number, states in enumerate(held.states)} | {
            "seen": held.seen,
            "full": held.full,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes back what `state` gave."""
        self.forget()
        if state:
            states = [state[f"states.{number}"] for number in range(len(state) - 2)]
            self._remembered = _Memory(states, state["seen"], state["full"])

    def _continued(self, batch: Batch) -> _Memory | None:
        """What this batch's rows remember of those before; None where none goes on."""
        held, continues = self._remembered, batch.continues
        if not self.memory or held is None or continues is None or not continues.any():
            return None
        rows = len(batch.token_ids)
        if rows > len(held.seen):
            if continues[len(held.seen) :].any():
                raise ValueError(f"row {len(held.seen)} or a later one goes on, but the batch before had no such row")
            held = _Memory([_grown(states, rows) for states in held.states], _grown(held.seen, rows), _grown(held.full, rows))
        if (continues & ~held.full[:rows]).any():
            raise ValueError("a row goes on where the one before it ended in padding; expected full rows before others")
        return _Memory([states[:rows] for states in held.states], held.seen[:rows] & continues[:, None], held.full[:rows])

    def _remember(self, states: list[Tensor], batch: Batch, before: _Memory | None) -> _Memory:
        real = real_tokens(batch)
        seen, same_text = real, torch.ones_like(real[:, 0])
        if batch.documents is not None:
            last = (real * torch.arange(real.shape[1], device=real.device)).amax(dim=1, keepdim=True)
            seen = real & (batch.documents == batch.documents.gather(1, last))
            same_text = seen[:, 0]
        if before is not None:
            seen = torch.cat([before.seen & same_text[:, None], seen], dim=1)
        kept = remember(states, self.memory, None if before is None else before.states)
        return _Memory(kept, seen[:, -self.memory :], real[:, -1].clone())


def _first_text(batch: Batch) -> Tensor:
    """(B, L) booleans: tokens of the text that the row starts with."""
    if batch.documents is None:
        return torch.ones_like(batch.token_ids, dtype=torch.bool)
    return batch.documents == batch.documents[:, :1]


def _grown(tensor: Tensor, rows: int) -> Tensor:
    """With rows of zeros after those there are."""
    return torch.cat([tensor, tensor.new_zeros(rows - len(tensor), *tensor.shape[1:])])
