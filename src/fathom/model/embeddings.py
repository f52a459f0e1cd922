"""Token ids to the first hidden state: the sum of what a token is, where it stands and which segment it belongs to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fathom.model.config import TransformerConfig
from fathom.model.positions import make_positions


class Embeddings(nn.Module):
    """Token, position and segment vectors, summed, normalised (where norms come after), dropped out and, where they have a
    width of their own, mapped to the model's (Lan et al. 2020, 1909.11942, section 3.1).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.embedding_width or config.width
        self.token = nn.Embedding(config.vocab_size, width)
        self.position = make_positions(config)
        self.segment = nn.Embedding(config.segments, width) if config.segments else None
        self.norm = nn.LayerNorm(width, eps=config.norm_eps) if config.norm_position == "after" else nn.Identity()
        self.widen = nn.Identity() if config.embedding_width is None else nn.Linear(width, config.width)
        self.pad_id, self.padding_position = config.pad_id, config.padding_position
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
            hidden = hidden + self.position(self._position_ids(token_ids))
        hidden = self.widen(self.dropout(self.norm(hidden)))
        return hidden

    def _position_ids(self, token_ids: Tensor) -> Tensor:
        """(L,), or (B, L) where they depend on what is padding."""
        if self.padding_position is None:
            return torch.arange(token_ids.shape[1], device=token_ids.device)
        real = token_ids != self.pad_id
        return real.cumsum(dim=1) * real + self.padding_position
