"""AdamW (Loshchilov & Hutter 2019, 1711.05101): decay on matrices only, and lower rates for lower layers if asked."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from fathom.training.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW over every parameter that learns, in groups that differ in decay and rate.

    Each group carries its own highest rate as "peak"; the loop sets "lr" from it before every update.
    """
    if settings.freeze_embeddings:
        for name, parameter in model.named_parameters():
            if _layer(name, depth=0) == 0:
                parameter.requires_grad_(False)
    depth = 1 + max((_block(name) for name, _ in model.named_parameters()), default=-1)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.dim() >= 2 else 0.0
            rate = settings.learning_rate * settings.layer_decay ** (depth + 1 - _layer(name, depth))
            groups.setdefault((decay, rate), []).append(parameter)
    described: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "lr": rate, "peak": rate} for (decay, rate), parameters in groups.items()
    ]
    return torch.optim.AdamW(described, fused=True)


def _layer(name: str, depth: int) -> int:
    """0 for the embeddings, 1 to `depth` for the blocks, `depth` + 1 for what stands above them."""
    if ".embeddings." in name:
        return 0
    block = _block(name)
    return depth + 1 if block < 0 else block + 1


def _block(name: str) -> int:
    found = re.search(r"\.blocks\.(\d+)\.", name)
    return int(found.group(1)) if found else -1
