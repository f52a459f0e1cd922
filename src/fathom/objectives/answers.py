"""What a model is asked about a batch, and what it answers: the part that is the same whatever is asked.

    batch ──ask──► Question: what the model reads, and N right answers ──model──► Answers: N losses, N hits ──► (B,) losses

Each of the N answers belongs to a row of the batch; most are about one token of it. Scores for the vocabulary are computed
at those tokens only, and for no more of them at a time than fit into `SCORES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from fathom.data import Batch
from fathom.model import LanguageModel, PretrainingModel, TransformerConfig

About = Literal["token", "relation", "replaced"]
SCORES = 2**26  # numbers in a table of scores; 256 MiB of them, and as many again for their gradient


@dataclass(frozen=True)
class Question:
    """N things to say about a batch."""

    about: About
    batch: Batch  # what the model reads
    rows: Tensor  # (N,) int64, the row that each is about
    columns: Tensor  # (N,) int64, and the place in it; 0 where it is about the whole row
    right: Tensor  # (N,) int64, the right answers: token ids or labels


@dataclass(frozen=True)
class Answers:
    """What a model made of a question."""

    question: Question
    nats: Tensor  # (N,) −log p(right answer)
    best: Tensor  # (N,) int64, the likeliest answers

    @property
    def hits(self) -> Tensor:
        """(N,) booleans: the right answer was the likeliest."""
        return self.best == self.question.right

    def losses(self) -> Tensor:
        """(B,) nats: the mean over each row's answers; 0 for a row about which nothing was asked."""
        rows = self.question.rows
        total = self.nats.new_zeros(len(self.question.batch.token_ids))
        counts = torch.bincount(rows, minlength=len(total)).clamp(min=1)
        return total.index_add(0, rows, self.nats) / counts


class OnePass(ABC):
    """An objective for which the model reads each batch once. Several of them can share the reading: `Mixture`."""

    @abstractmethod
    def ask(self, batch: Batch, generator: torch.Generator | None = None) -> Question:
        """Draws what there is to draw from a CPU generator; None: torch's own, seeded anew for each batch of a run."""

    @abstractmethod
    def answer(self, model: nn.Module, states: Tensor, question: Question) -> Answers:
        """Of (B, L, D) final states, which the model made of `question.batch`."""

    def answers(self, model: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> Answers:
        """Asks, reads and answers."""
        question = self.ask(batch, generator)
        return self.answer(model, read(model, question.batch), question)

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats."""
        return self.answers(model, batch).losses()


def read(model: nn.Module, batch: Batch) -> Tensor:
    """(B, L, D) final states of a batch, in which several texts in a row do not see each other."""
    assert isinstance(model, LanguageModel | PretrainingModel), type(model)
    states: Tensor = model.transformer(
        batch.token_ids,
        batch.padding_mask,
        batch.segment_ids,
        position_ids=positions_of(batch, model.config),
        documents=batch.documents,
    )
    return states


def positions_of(batch: Batch, config: TransformerConfig) -> Tensor | None:
    """(B, L) rows of a model's table of positions, where the batch says where its tokens stand."""
    if batch.position_ids is None or config.padding_position is None:
        return batch.position_ids
    return batch.position_ids + config.padding_position + 1  # real tokens count from the row after the one for padding


def answer_tokens(model: nn.Module, states: Tensor, question: Question) -> Answers:
    """Which token stands at each place that was asked for, by the model's scores for its vocabulary.

    Args:
        states: (N, D), one an answer.
    """
    assert isinstance(model, LanguageModel | PretrainingModel), type(model)
    return score(question, states, model.logits, classes=model.config.vocab_size)


def score(question: Question, states: Tensor, logits: Callable[[Tensor], Tensor], *, classes: int) -> Answers:
    """Loss and likeliest of each answer. Tables beyond `SCORES` are made in parts, and again when gradients are computed.

    Args:
        states: (N, D), one an answer.
        logits: turns states into scores for the classes.
    """

    def compare(states: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        scores = logits(states).float()
        return cross_entropy(scores, right, reduction="none"), _likeliest(scores.detach())

    size = max(1, SCORES // classes)
    if len(states) <= size:
        nats, best = compare(states, question.right)
        return Answers(question, nats, best)
    parts = zip(torch.split(states, size), torch.split(question.right, size), strict=True)
    compared = [checkpoint(compare, *part, use_reentrant=False) for part in parts]
    return Answers(question, torch.cat([nats for nats, _ in compared]), torch.cat([best for _, best in compared]))


def _likeliest(scores: Tensor) -> Tensor:
    """(N, classes) -> (N,). On a processor by NumPy, which takes a sixth of the time: with torch's search, 5 % of an update."""
    return torch.from_numpy(scores.numpy().argmax(axis=-1)) if scores.device.type == "cpu" else scores.argmax(dim=-1)


def real_tokens(batch: Batch) -> Tensor:
    """(B, L) booleans: not padding."""
    return torch.ones_like(batch.token_ids, dtype=torch.bool) if batch.padding_mask is None else ~batch.padding_mask


def ordinary_tokens(batch: Batch, special_ids: tuple[int, ...]) -> Tensor:
    """(B, L) booleans: neither padding nor special."""
    return real_tokens(batch) & ~torch.isin(batch.token_ids, batch.token_ids.new_tensor(special_ids))
