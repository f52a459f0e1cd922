"""Token ids to the first hidden state: the sum of what a token is, where it stands and which segment it belongs to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fathom.model.config import TransformerConfig
from fathom.model.positions import make_positions


class Embeddings(nn.Module):
    """Token, position and segment vectors, summed, normalised (where norms come after) and dropped out."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.width)
        self.position = make_positions(config)
        self.segment = nn.Embedding(config.segments, config.width) if config.segments else None
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps) if config.norm_position == "after" else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.token_dropout = config.token_dropout

    def forward(self, token_ids: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) integers -> (B, L, D). Without `segment_ids`, every token belongs to segment 0."""
        hidden: Tensor = self.token(token_ids)
        if self.training and self.token_dropout > 0:
            kept = torch.rand(token_ids.shape, device=token_ids.device) >= self.token_dropout
            hidden = hidden * kept[..., None]
        if self.segment is not None:
            hidden = hidden + (self.segment.weight[0] if segment_ids is None else self.segment(segment_ids))
        if self.position is not None:
            hidden = hidden + self.position(torch.arange(token_ids.shape[1], device=token_ids.device))
        hidden = self.dropout(self.norm(hidden))
        return hidden
