"""How much of the processor a training run uses: model FLOPs utilisation (Chowdhery et al. 2022, 2204.02311, appendix B).

    MFU = FLOPs that a real token needs · real tokens per second of updates / FLOP/s of a large matrix product, measured here

What padding and computing again cost counts as time, not as work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from fathom.data import Batch
from fathom.model.precision import Precision, uses_bfloat16
from fathom.objectives import Objective, memory_aside

_LONG_ENOUGH = 0.02  # seconds of one matrix product, so that starting it does not count
_LARGEST = 8192


@dataclass(frozen=True)
class Work:
    """What training a model costs, and what the machine could do."""

    flops_per_token: float  # forward and backward
    peak: float  # FLOP/s

    def utilisation(self, tokens: int, seconds: float, processes: int = 1) -> float:
        """MFU of so many real tokens in so many seconds of updates; each of several processes has this peak."""
        return self.flops_per_token * tokens / max(seconds, 1e-9) / (self.peak * processes)


def measure_work(model: nn.Module, objective: Objective, batch: Batch, precision: Precision) -> Work:
    """Counts what a batch costs and measures the peak of the device where the model is; changes neither model nor random state.

    Args:
        batch: one such as a run has, of a few rows. It is computed once.
    """
    device = next(model.parameters()).device
    return Work(training_flops(model, objective, batch) / batch.tokens, peak_flops(device, precision))


def training_flops(model: nn.Module, objective: Objective, batch: Batch) -> int:
    """FLOPs of loss and gradient of a batch: two for each multiplication in a matrix product or in attention."""
    device, was_training = next(model.parameters()).device, model.training
    model.train()
    random = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with random, memory_aside(objective), flop_counter() as counter:
        torch.autograd.backward(objective.losses(model, batch.to(device)).sum())
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    return int(counter.get_total_flops())


def flop_counter() -> FlopCounterMode:
    """Counts two FLOPs for each multiplication in a matrix product or in attention, on CPUs too, while it is entered."""
    return FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)


def peak_flops(device: torch.device, precision: Precision) -> float:
    """FLOP/s of a square matrix product, large enough to take a while; the best of three."""
    dtype = torch.bfloat16 if uses_bfloat16(precision, device) else torch.float32
    size, seconds = 512, 0.0
    while seconds < _LONG_ENOUGH and size < _LARGEST:
        size *= 2
        matrix = torch.ones(size, size, device=device, dtype=dtype)
        seconds = min(_seconds(matrix) for _ in range(3))
    return 2 * size**3 / seconds


def _seconds(matrix: torch.Tensor) -> float:
    _wait(matrix.device)
    started = time.perf_counter()
    torch.mm(matrix, matrix)
    _wait(matrix.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return 2 * _forward(query, key, value)  # what the kernel computes again is no work of the model


# torch counts attention on a GPU, and does not know its own kernel for CPUs
_CPU_ATTENTION: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _backward,
}
