"""From hidden states to answers: pooling to one vector a text, and a linear map to one number a class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fathom.model.config import PoolerActivation, TransformerConfig
from fathom.model.transformer import Transformer, initialise

POOLER_ACTIVATIONS: dict[PoolerActivation, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,  # BERT, RoBERTa
    "gelu": functional.gelu,  # ELECTRA
    "relu": functional.relu,  # DistilBERT
}


class Pooler(nn.Module):
    """One vector a text: the first token's state or the mean over real tokens, then a dense map and an activation if asked."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.dense = nn.Linear(config.width, config.width) if config.pooler else None
        self.activation = POOLER_ACTIVATIONS[config.pooler_activation]

    def forward(self, hidden: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, D); where the first token is pooled, L may be 1."""
        if self.pooling == "first":
            pooled = hidden[:, 0]
        elif padding_mask is None:
            pooled = hidden.mean(dim=1)
        else:
            real = (~padding_mask)[..., None].to(hidden.dtype)  # (B, L, 1)
            pooled = (hidden * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)  # a row of padding alone gives 0, not NaN
        return pooled if self.dense is None else self.activation(self.dense(pooled))


class SequenceClassifier(nn.Module):
    """A Transformer with a class for each text. Forward: (B, L) token ids -> (B, classes) logits."""

    def __init__(self, config: TransformerConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.transformer = Transformer(config)
        self.pooler = Pooler(config)
        self.dropout = nn.Dropout(config.dropout if config.classifier_dropout is None else config.classifier_dropout)
        self.classifier = nn.Linear(config.width, classes)
        for part in (self.pooler, self.classifier):
            initialise(part, config.initializer_range)

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, classes) logits; arguments as for `Transformer.forward`."""
        only_first = self.config.pooling == "first"
        hidden = self.transformer(token_ids, padding_mask, segment_ids, only_first=only_first)
        logits: Tensor = self.classifier(self.dropout(self.pooler(hidden, padding_mask)))
        return logits
