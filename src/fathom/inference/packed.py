"""A model's blocks in the form that this machine answers with: as one program (`native.py`), or with packed linear maps.

Maps are packed once into the order that the processor's matrix instructions read.

torch brings a weight into that order anew for every product. With AVX-512, packed ones take less: in float32 half the time
where torch's own library does not use these instructions (on AMD's processors), in bfloat16 two thirds for the 15 tokens of
a sentence and eleven twelfths for 512 (docs/speed.md). GELU is computed before a result leaves the registers. Packed weights
stand in place of the ordinary ones; they have no gradient, and can be brought back exactly.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from fathom.inference.compiler import load_library
from fathom.inference.native import NativeEncoder, can_run
from fathom.model import SequenceClassifier
from fathom.model.attention import Attention
from fathom.model.feed_forward import ACTIVATIONS, FeedForward
from fathom.model.precision import Precision, uses_bfloat16

_ROWS = 16  # tokens that the order is chosen for: it matters most where they are few
_Module = TypeVar("_Module", bound=nn.Module)


class PackedLinear(nn.Module):
    """A linear map, and GELU behind it if asked. (…, D) of any type -> (…, E) in the type of the weight."""

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, gelu: bool = False) -> None:
        super().__init__()
        self.inputs, self.dtype, self.gelu = linear.in_features, dtype, gelu
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().to(dtype), _ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    def forward(self, states: Tensor) -> Tensor:
        """Without a gradient."""
        return self._product(states.to(self.dtype), self.bias, self.gelu)

    def unpacked(self) -> nn.Linear:
        """The ordinary map, in float32: what this one makes of a unit matrix is its weight, without any rounding."""
        weight = self._product(torch.eye(self.inputs, dtype=self.dtype), None, gelu=False).T.float()
        with torch.device("meta"):  # no weights are drawn
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=self.bias is not None)
        linear.weight = nn.Parameter(weight.contiguous())
        if self.bias is not None:
            linear.bias = nn.Parameter(self.bias.float())
        return linear

    def __reduce__(self) -> tuple[type[PackedLinear], tuple[nn.Linear, torch.dtype, bool]]:
        return PackedLinear, (self.unpacked(), self.dtype, self.gelu)  # the processor's format can be neither copied nor sent

    def _product(self, states: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
        after, how = ("gelu", "none") if gelu else ("none", "")
        result: Tensor = torch.ops.mkldnn._linear_pointwise(states, self.packed, bias, after, [], how)
        return result


def pack(model: nn.Module, precision: Precision, device: torch.device) -> None:
    """Replaces the blocks of `model`, or the linear maps inside them, where that is faster on this machine."""
    if device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return
    dtype = torch.bfloat16 if uses_bfloat16(precision, device) else torch.float32
    if dtype is torch.bfloat16 and isinstance(model, SequenceClassifier) and can_run(model.config) and load_library():
        model.transformer = NativeEncoder(model.transformer)  # type: ignore[assignment]
        return
    if dtype is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return
    for part in model.modules():
        if isinstance(part, Attention):
            for name in ("query", "key", "value", "output"):
                setattr(part, name, PackedLinear(getattr(part, name), dtype))
        elif isinstance(part, FeedForward):
            gelu = part.gate is None and part.activation is ACTIVATIONS["gelu"]
            for name, child in list(part.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(part, name, PackedLinear(child, dtype, gelu and name == "up"))
            if gelu:
                part.activation = _as_it_is


def _as_it_is(states: Tensor) -> Tensor:
    return states


def unpacked(model: _Module) -> _Module:
    """A copy with ordinary linear maps, for gradients and for counting; of a model that is not packed, the model itself."""
    packed = [part for part in model.modules() if isinstance(part, PackedLinear | NativeEncoder)]
    if not packed:
        return model
    # copied with the ordinary modules in their places; those share tensors with the packed ones until they are copied, too
    found = copy.deepcopy(model, {id(part): copy.deepcopy(part.unpacked()) for part in packed})
    for name, part in model.named_modules():
        copied = found.get_submodule(name)
        if isinstance(copied, FeedForward) and isinstance(part.up, PackedLinear) and part.up.gelu:
            copied.activation = ACTIVATIONS["gelu"]
    return found
