"""How well a model answers on text it was not trained on, beside what counting alone achieves on the same answers.

    loss                nats an answer
    bits per byte       loss · tokens / bytes / ln 2: comparable across vocabularies, which loss is not. Tokens that were not
                        asked for count as if they had cost as much as the others
    unigram, bigram     the loss of a model that knows how often each token is, and how often after the one before

Every model of tokens should beat both, and a masked one may look at both sides where the bigram looks at one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import nn

from fathom.data import Batch
from fathom.errors import DataError
from fathom.objectives.answers import About, Answers, ordinary_tokens
from fathom.objectives.objective import memory_aside

_DISCOUNT = 0.75  # taken off every count of a bigram that was seen (Ney et al. 1994; Chen & Goodman 1999 find it near this)
_WAITING = 2_000_000  # bigrams that are held before they are sorted


class Answering(Protocol):
    """An objective that can be measured."""

    def answers(self, model: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> Answers | list[Answers]:
        """What the model says, with everything random drawn from `generator`."""
        ...


@dataclass(frozen=True)
class TokenCounts:
    """How often tokens follow each other in the training text.

        unigram(t)   = (c(t) + 1) / (N + V)
        bigram(t|s)  = max(c(s t) − d, 0) / c(s ·) + d · different t after s / c(s ·) · unigram(t)      d = 0.75

    Special tokens are never counted as t; they may be s, as a text's beginning is.
    """

    single: np.ndarray  # (V,) float64, c(t)
    codes: np.ndarray  # (different bigrams,) int64, s · V + t, sorted
    counts: np.ndarray  # (different bigrams,) int64, c(s t)
    outcomes: int  # tokens that can be t

    @classmethod
    def of(cls, batches: Iterable[Batch], *, vocab_size: int, special_ids: tuple[int, ...]) -> TokenCounts:
        """Counts rows of training text."""
        single = np.zeros(vocab_size)
        codes, counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        waiting: list[np.ndarray] = []
        for batch in batches:
            rows, columns = ordinary_tokens(batch, special_ids).nonzero(as_tuple=True)
            tokens, before = batch.token_ids[rows, columns].cpu().numpy(), _before(batch, rows, columns)
            single += np.bincount(tokens, minlength=vocab_size)
            waiting.append((before * vocab_size + tokens)[before >= 0])
            if sum(map(len, waiting)) > _WAITING:
                codes, counts, waiting = *_added(codes, counts, waiting), []
        codes, counts = _added(codes, counts, waiting)
        return cls(single, codes, counts, vocab_size - len(set(special_ids)))

    @cached_property
    def _running(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.counts)])

    def unigram(self, tokens: np.ndarray) -> np.ndarray:
        """(N,) probabilities of (N,) tokens."""
        chances: np.ndarray = (self.single[tokens] + 1) / (self.single.sum() + self.outcomes)
        return chances

    def bigram(self, before: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """(N,) probabilities of (N,) tokens after those in `before`; −1 where there is none, which gives the unigram's."""
        size = len(self.single)
        edges = np.searchsorted(self.codes, np.stack([before * size, (before + 1) * size]))  # of what follows each s
        after = np.where(before >= 0, self._running[edges[1]] - self._running[edges[0]], 0)  # c(s ·)
        different = edges[1] - edges[0]
        code = before * size + tokens
        place = np.searchsorted(self.codes, code).clip(max=max(0, len(self.codes) - 1))
        seen = np.zeros(len(code), dtype=np.int64)
        if len(self.codes):
            seen = np.where((self.codes[place] == code) & (before >= 0), self.counts[place], 0)
        known, total = after > 0, np.maximum(after, 1)
        backed_off = np.where(known, _DISCOUNT * different / total, 1) * self.unigram(tokens)
        chances: np.ndarray = np.maximum(seen - _DISCOUNT, 0) / total + backed_off
        return chances


@dataclass(frozen=True)
class HeldOut:
    """A measurement."""

    answers: int
    loss: float  # nats an answer
    accuracy: float  # share of answers that are the right one
    bits_per_byte: float | None = None  # of answers about tokens, where the number of bytes is known
    unigram_loss: float | None = None  # of the same answers, where counts are given
    bigram_loss: float | None = None


def measure(
    model: nn.Module,
    objective: Answering,
    batches: Iterable[Batch],
    *,
    seed: int = 0,
    special_ids: tuple[int, ...] = (),
    text_bytes: int | None = None,
    counts: TokenCounts | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[About, HeldOut] | None:
    """Measures a model, in evaluation mode, in one pass over held-out text; torch's own random state is left alone.

    Args:
        seed: the same one hides the same tokens every time.
        special_ids: tokens that stand for no text, for bits per byte.
        text_bytes: of the held-out text in UTF-8.
        counts: of the training text.
        stop: asked after each batch.

    Returns:
        A measurement of each kind of answers that the objective asks for; None where `stop` said so.

    Raises:
        DataError: nothing was asked, because there is no text or too little of it.
    """
    generator = torch.Generator().manual_seed(seed)
    device, was_training = next(model.parameters()).device, model.training
    sums: dict[About, np.ndarray] = {}  # answers, nats, hits, nats of unigram and bigram
    tokens = 0
    model.eval()
    try:
        with memory_aside(objective):
            for batch in batches:
                with torch.no_grad():
                    found = objective.answers(model, batch.to(device), generator)
                tokens += int(ordinary_tokens(batch, special_ids).sum())
                for answers in found if isinstance(found, list) else [found]:
                    about = answers.question.about
                    sums[about] = sums.get(about, np.zeros(5)) + _sums(answers, batch, counts)
                if stop():
                    return None
    finally:
        model.train(was_training)
    if not sums or any(total[0] == 0 for total in sums.values()):
        raise DataError(
            "nothing can be asked about the held-out text",
            expected="at least one token that can be predicted",
            do="hold out more documents",
        )
    return {about: _held_out(about, total, tokens, text_bytes, counts is not None) for about, total in sums.items()}


def _sums(answers: Answers, batch: Batch, counts: TokenCounts | None) -> np.ndarray:
    question = answers.question
    found = [len(answers.nats), float(answers.nats.double().sum()), int(answers.hits.sum()), 0.0, 0.0]
    if counts is not None and question.about == "token":
        right, before = question.right.cpu().numpy(), _before(batch, question.rows.cpu(), question.columns.cpu())
        found[3:] = [-float(np.log(chances).sum()) for chances in (counts.unigram(right), counts.bigram(before, right))]
    return np.array(found)


def _held_out(about: About, sums: np.ndarray, tokens: int, text_bytes: int | None, counted: bool) -> HeldOut:
    count = int(sums[0])
    loss, accuracy, unigram, bigram = (sums[1:] / count).tolist()
    of_tokens = about == "token"
    return HeldOut(
        count,
        loss,
        accuracy,
        bits_per_byte=loss * max(tokens, count) / text_bytes / math.log(2) if text_bytes and of_tokens else None,
        unigram_loss=unigram if counted and of_tokens else None,
        bigram_loss=bigram if counted and of_tokens else None,
    )


def _before(batch: Batch, rows: torch.Tensor, columns: torch.Tensor) -> np.ndarray:
    """(N,) the tokens before some places, in the text as it is; −1 where a text begins."""
    left = (columns - 1).clamp(min=0)
    inside = columns > 0
    if batch.documents is not None:
        inside = inside & (batch.documents[rows, left] == batch.documents[rows, columns])
    if batch.padding_mask is not None:
        inside = inside & ~batch.padding_mask[rows, left]
    before: np.ndarray = torch.where(inside, batch.token_ids[rows, left], -1).cpu().numpy()
    return before


def _added(codes: np.ndarray, counts: np.ndarray, waiting: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sorted codes and their counts with those of more codes added."""
    new, more = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *waiting]), return_counts=True)
    merged, places = np.unique(np.concatenate([codes, new]), return_inverse=True)
    return merged, np.bincount(places, weights=np.concatenate([counts, more]), minlength=len(merged)).astype(np.int64)
