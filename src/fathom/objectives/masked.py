"""Masked language modelling (Devlin et al. 2019, 1810.04805, section 3.1): which tokens were hidden?

    the film was great   ──►   the [MASK] was great          loss: −log p(film), at every selected token

Of the selected tokens 80 % become [MASK], 10 % another token, and 10 % stay; the loss covers all three. Whole words (Devlin's
later models; Cui et al. 2019, 1906.08101, for Chinese) are selected with all their tokens. Rates above 15 % can serve
larger models better (Wettig et al. 2022, 2202.08005).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from fathom.data import Batch
from fathom.objectives.answers import Answers, OnePass, Question, answer_tokens, ordinary_tokens


@dataclass(frozen=True)
class MaskedLanguage(OnePass):
    """−log p(token | the text with some tokens hidden), over the selected tokens of each row.

    Args:
        mask_id: the token that hides others.
        vocab_size: tokens in the vocabulary.
        special_ids: tokens that are never selected and never put in another's place.
        rate: the share of a row's ordinary tokens that are selected, on average exactly; at least one of them.
        whole_words: select words, by the batch's `word_starts`, instead of tokens.
        masked: the share of the selected that become `mask_id`.
        random: the share of the selected that become any ordinary token.

    Raises:
        ValueError: a share out of range, or no ordinary token in the vocabulary.
    """

    mask_id: int
    vocab_size: int
    special_ids: tuple[int, ...]
    rate: float = 0.15
    whole_words: bool = False
    masked: float = 0.8
    random: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ValueError(f"rate is {self.rate}, expected a share above 0 and below 1")
        if min(self.masked, self.random) < 0 or self.masked + self.random > 1:
            raise ValueError(f"masked and random are {self.masked} and {self.random}, expected shares that add up to 1 at most")
        if not len(self._ordinary_ids):
            raise ValueError(f"all {self.vocab_size} tokens are special, expected some that are not")

    @cached_property
    def _ordinary_ids(self) -> Tensor:
        ordinary = torch.ones(self.vocab_size, dtype=torch.bool)
        ordinary[list(self.special_ids)] = False
        return ordinary.nonzero().flatten()

    def ask(self, batch: Batch, generator: torch.Generator | None = None) -> Question:
        """Selects, and hides what was selected."""
        device = batch.token_ids.device
        selected = self.select(batch, generator)
        rows, columns = selected.nonzero(as_tuple=True)
        right = batch.token_ids[rows, columns]
        fate = torch.rand(len(right), generator=generator).to(device)
        drawn = torch.randint(len(self._ordinary_ids), (len(right),), generator=generator)
        put_in = self._ordinary_ids[drawn].to(device)
        shown = torch.where(fate < self.masked, self.mask_id, torch.where(fate < self.masked + self.random, put_in, right))
        token_ids = batch.token_ids.index_put((rows, columns), shown)
        return Question("token", replace(batch, token_ids=token_ids), rows, columns, right)

    def answer(self, model: nn.Module, states: Tensor, question: Question) -> Answers:
        """Scores for the vocabulary at the selected tokens."""
        return answer_tokens(model, states[question.rows, question.columns], question)

    def select(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """(B, L) booleans. Words are taken in random order until they hold the wanted number of tokens; the word that would
        pass it is taken with the probability that makes the expected number right, and the first one always.
        """
        device, (rows, length) = batch.token_ids.device, batch.token_ids.shape
        candidates = ordinary_tokens(batch, self.special_ids)
        starts = candidates
        if self.whole_words:
            if batch.word_starts is None:
                raise ValueError("the batch does not say where words start; whole_words needs word_starts")
            after_other = torch.nn.functional.pad(~candidates, (1, 0), value=True)[:, :-1]
            starts = candidates & (batch.word_starts | after_other)
        word = (starts.cumsum(dim=1) - 1).clamp(min=0)  # (B, L) to which word of its row a token belongs
        sizes = torch.zeros_like(word).scatter_add(1, word, candidates.long())  # (B, L) tokens of each word; 0: there is none
        drawn = torch.rand(2, rows, length, generator=generator).to(device)
        order = drawn[0].masked_fill(sizes == 0, 2).argsort(dim=1)
        ordered = sizes.gather(1, order)
        before = ordered.cumsum(dim=1) - ordered
        wanted = self.rate * candidates.sum(dim=1, keepdim=True)
        taken = (ordered > 0) & ((before == 0) | (before + drawn[1] * ordered < wanted))
        words = torch.zeros_like(taken).scatter(1, order, taken)
        return candidates & words.gather(1, word)
