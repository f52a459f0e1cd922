"""Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): the momentum of a matrix, made orthogonal.

    M ← 0.95 M + 0.05 G            momentum of the gradient G, an A × B matrix
    U ← 0.05 G + 0.95 M            one step ahead (Nesterov)
    O ← nearest orthogonal to U    by five Newton–Schulz steps: matrix products alone, no decomposition
    W ← (1 − rate · decay) W − rate · 0.2 √max(A, B) · O

Every direction of a matrix then moves as far as every other. The factor 0.2 √max(A, B) makes the entries of an update as large
as AdamW's usually are, so that both share one rate and one decay (Liu et al. 2025, 2502.16982, section 2.2). Embeddings,
heads, norms and biases stay with AdamW: groups say by "orthogonal" which of the two they are for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from fathom.training.distributed import shard_like, whole

MOMENTUM = 0.95
STEPS = ((3.4445, -4.7750, 2.0315),) * 5  # of a X + b (X Xᵀ) X + c (X Xᵀ)² X, chosen by Jordan for speed: it ends near 1


class Muon(torch.optim.Optimizer):
    """Muon for groups with "orthogonal": True, which hold matrices, and AdamW for the others.

    Raises:
        ValueError: an orthogonal group holds what is no matrix.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        # "fused" tells torch to keep the number of steps in float32 when it restores a state
        super().__init__(groups, {"orthogonal": False, "betas": (0.9, 0.999), "eps": 1e-8, "fused": True})
        for group in self.param_groups:
            for parameter in group["params"]:
                if group["orthogonal"] and parameter.dim() != 2:
                    raise ValueError(
                        f"a parameter of shape {tuple(parameter.shape)} is in an orthogonal group; expected a matrix"
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update; parameters without a gradient stay as they are."""
        assert closure is None, "no closure is evaluated"
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["orthogonal"]:
                for parameter in parameters:
                    self._orthogonal(parameter, group["lr"], group["weight_decay"])
            elif parameters:
                self._adamw(parameters, group)

    def _orthogonal(self, parameter: Tensor, rate: float, decay: float) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM)
        update = shard_like(orthogonal(whole(ahead)), ahead)  # a part of a matrix does not tell what is orthogonal to it
        parameter.mul_(1 - rate * decay).add_(update, alpha=-rate * 0.2 * math.sqrt(max(parameter.shape)))

    def _adamw(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonal(matrix: Tensor) -> Tensor:
    """(A, B) -> (A, B) with the same singular vectors and singular values between about 0.7 and 1.2; zeros stay zeros.

    On CUDA devices the products are in bfloat16, for which the paper's coefficients were chosen, elsewhere in float32.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    wide = wide.mT if tall else wide  # the products are then of the shorter side
    wide = wide / (wide.norm() + 1e-7)
    for a, b, c in STEPS:
        product = wide @ wide.mT
        wide = a * wide + (b * product + c * product @ product) @ wide
    found: Tensor = (wide.mT if tall else wide).to(matrix.dtype)
    return found
