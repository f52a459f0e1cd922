"""Where a token stands. Attention alone cannot tell: it gives the same answer for any order of its keys.

Learned positions (BERT, GPT-2) are a table that training fills. Sinusoidal ones (Vaswani et al. 2017, section 3.5) are
computed, need no training and no parameters:

    PE(p, 2i) = sin(p / 10000^(2i/D))        PE(p, 2i+1) = cos(p / 10000^(2i/D))
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fathom.model.config import TransformerConfig


class LearnedPositions(nn.Embedding):
    """A vector for each position, learned. `forward(position_ids)`: (…, L) integers -> (…, L, D)."""


class SinusoidalPositions(nn.Module):
    """A fixed vector for each position, sines in even entries and cosines in odd ones."""

    table: Tensor

    def __init__(self, max_length: int, width: int) -> None:
        super().__init__()
        angles = torch.arange(max_length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)  # (length, ceil(D/2))
        table = torch.empty(max_length, width)
        table[:, 0::2] = angles.sin()
        table[:, 1::2] = angles.cos()[:, : width // 2]
        self.register_buffer("table", table, persistent=False)

    def forward(self, position_ids: Tensor) -> Tensor:
        """(…, L) integers -> (…, L, D)."""
        return self.table[position_ids]


def make_positions(config: TransformerConfig) -> nn.Module | None:
    """The module that `config.positions` names; None where a model has no absolute positions."""
    width = config.embedding_width or config.width
    if config.positions == "learned":
        before = 0 if config.padding_position is None else config.padding_position + 1  # rows that no token uses
        return LearnedPositions(config.max_length + before, width)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.max_length, width)
    return None
