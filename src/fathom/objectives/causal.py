"""Causal language modelling (Radford et al. 2018; Brown et al. 2020, 2005.14165): which token comes next?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fathom.data import Batch
from fathom.model import LanguageModel
from fathom.objectives.answers import Answers, OnePass, Question, answer_tokens, real_tokens


@dataclass(frozen=True)
class CausalLanguage(OnePass):
    """−log p(token | those before it), over all tokens but the first of each text.

    Of several texts in a row, the last token of one says nothing of the next one's first.
    """

    def ask(self, batch: Batch, generator: torch.Generator | None = None) -> Question:
        """Nothing is drawn."""
        real = real_tokens(batch)
        asked = real[:, :-1] & real[:, 1:]
        if batch.documents is not None:
            asked = asked & (batch.documents[:, :-1] == batch.documents[:, 1:])
        rows, columns = asked.nonzero(as_tuple=True)
        return Question("token", batch, rows, columns + 1, batch.token_ids[rows, columns + 1])

    def answer(self, model: nn.Module, states: Tensor, question: Question) -> Answers:
        """Scores for the vocabulary where a token follows.

        Raises:
            ValueError: the model sees what it should predict.
        """
        if not (isinstance(model, LanguageModel) and model.config.causal):
            raise ValueError(f"{type(model).__name__} sees the next token; expected a causal LanguageModel")
        return answer_tokens(model, states[question.rows, question.columns - 1], question)
