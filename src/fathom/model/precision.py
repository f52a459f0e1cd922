"""bfloat16 where it is faster, float32 everywhere else.

On processors without AVX512-BF16 or AMX a bfloat16 matrix product is emulated and several times slower than float32, so
the choice follows the processor's flags, not a wish.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are native on this device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


def uses_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Whether matrix products of a forward pass are in bfloat16."""
    return precision == "bfloat16" or (precision == "auto" and fast_bfloat16(device))


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a forward pass runs."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if uses_bfloat16(precision, device) else nullcontext()
