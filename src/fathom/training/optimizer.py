"""Which optimizer moves which parameter: decay on matrices only, and lower rates for lower layers if asked.

adamw    AdamW (Loshchilov & Hutter 2019, 1711.05101) moves all of them
muon     Muon moves the matrices inside the blocks, AdamW the embeddings, heads, norms and biases
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from fathom.training.muon import Muon
from fathom.training.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer of `settings` over every parameter that learns, in groups that differ in decay and rate.

    Each group carries its own highest rate as "peak"; the loop sets "lr" from it before every update.
    """
    if settings.freeze_embeddings:
        for name, parameter in model.named_parameters():
            if _layer(name, depth=0) == 0:
                parameter.requires_grad_(False)
    depth = 1 + max((_block(name) for name, _ in model.named_parameters()), default=-1)
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.dim() >= 2 else 0.0
            orthogonal = settings.optimizer == "muon" and _is_block_matrix(name, parameter)
            peak = settings.matrix_learning_rate if orthogonal and settings.matrix_learning_rate else settings.learning_rate
            rate = peak * settings.layer_decay ** (depth + 1 - _layer(name, depth))
            groups.setdefault((orthogonal, decay, rate), []).append(parameter)
    described: list[dict[str, Any]] = [
        {
            "params": parameters,
            "weight_decay": decay,
            "lr": rate,
            "peak": rate,
            "betas": (0.9, settings.beta2),
            "orthogonal": orthogonal,
        }
        for (orthogonal, decay, rate), parameters in groups.items()
    ]
    return Muon(described) if settings.optimizer == "muon" else torch.optim.AdamW(described, fused=True)


def _is_block_matrix(name: str, parameter: nn.Parameter) -> bool:
    """A linear map inside a block; biases of relative positions have two dimensions, too, but are none."""
    return _block(name) >= 0 and name.endswith(".weight") and parameter.dim() == 2


def _layer(name: str, depth: int) -> int:
    """0 for the embeddings, 1 to `depth` for the blocks, `depth` + 1 for what stands above them."""
    if ".embeddings." in name:
        return 0
    block = _block(name)
    return depth + 1 if block < 0 else block + 1


def _block(name: str) -> int:
    found = re.search(r"\.blocks\.(\d+)\.", name)
    return int(found.group(1)) if found else -1
