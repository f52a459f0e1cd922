"""The position-wise half of a block: widen, bend, narrow (Vaswani et al. 2017, section 3.3).

plain   down(activation(up(x)))
gated   down(activation(gate(x)) · up(x))          (Shazeer 2020, 2002.05202)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from fathom.model.config import Activation, TransformerConfig
from fathom.model.dropout import Dropout

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,  # x·Φ(x), exact (Hendrycks & Gimpel 2016)
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),  # differs from the exact one by up to 5e-4
    "relu": functional.relu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}


class FeedForward(nn.Module):
    """Two linear maps, or three, the same at every position. (B, L, D) -> (B, L, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        narrow, wide, bias = config.width, config.feed_forward_width, config.feed_forward_bias
        self.gate = nn.Linear(narrow, wide, bias) if config.gated else None
        self.up = nn.Linear(narrow, wide, bias)
        self.down = nn.Linear(wide, narrow, bias)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        wide = self.up(hidden)
        wide = self.activation(wide) if self.gate is None else self.activation(self.gate(hidden)) * wide
        output: Tensor = self.down(self.dropout(wide))
        return output
