"""What keeps hidden states at one scale: layer norm (Ba et al. 2016), or its half without a mean (Zhang & Sennrich 2019).

layer   (x − mean) / √(variance + ε) · weight + bias
rms     x / √(mean of squares + ε) · weight
"""

from __future__ import annotations

from torch import nn

from fathom.model.config import TransformerConfig


def make_norm(config: TransformerConfig, width: int | None = None) -> nn.Module:
    """The norm that `config.norm` names, over `width` entries (None: the model's width)."""
    width = config.width if width is None else width
    if config.norm == "rms":
        return nn.RMSNorm(width, eps=config.norm_eps)
    return nn.LayerNorm(width, eps=config.norm_eps, bias=config.norm_bias)
