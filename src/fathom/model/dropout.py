"""Dropout (Srivastava et al. 2014), with a mask that costs less to draw than torch's on a CPU: 16 bits for a number, not 32.

A probability is then a multiple of 1/65,536, and what is kept is scaled by exactly that: the mean stays as it was.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEPS = 2**16


class Dropout(nn.Module):
    """In training, sets each number to 0 with probability `p` and divides the others by 1 - p; otherwise does nothing."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, states: Tensor) -> Tensor:
        """Any shape; the result has it, too."""
        if not self.training or self.p == 0:
            return states
        if states.device.type != "cpu" or self.p == 1 or torch.compiler.is_compiling():
            return functional.dropout(states, self.p, training=True)
        dropped = round(self.p * _STEPS)
        count = states.numel()
        bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)  # all 64 bits of it
        kept = bits.view(torch.int16)[:count].view(states.shape) >= dropped - _STEPS // 2
        scale = states.new_tensor(_STEPS / (_STEPS - dropped))
        return states * torch.where(kept, scale, states.new_zeros(()))

    def extra_repr(self) -> str:
        """Shown when the model is printed."""
        return f"p={self.p}"
