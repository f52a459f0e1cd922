"""How the layout of a tensor of theirs becomes ours, and back: each step is invertible, so that no bit is lost either way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fathom.model.config import TransformerConfig


class Step(Protocol):
    """One tensor of theirs, one or several of ours."""

    def to_ours(self, tensor: Tensor, config: TransformerConfig) -> Sequence[Tensor]:
        """Theirs to ours, in the order of the table's names."""
        ...

    def to_theirs(self, tensors: Sequence[Tensor], config: TransformerConfig) -> Tensor:
        """The inverse."""
        ...


@dataclass(frozen=True)
class Same:
    """As it is."""

    def to_ours(self, tensor: Tensor, config: TransformerConfig) -> Sequence[Tensor]:
        """(…) -> [(…)]."""
        return [tensor]

    def to_theirs(self, tensors: Sequence[Tensor], config: TransformerConfig) -> Tensor:
        """[(…)] -> (…)."""
        return tensors[0]


@dataclass(frozen=True)
class Stacked:
    """Several maps on top of each other in one tensor, each with as many rows; `transposed`: their rows are its columns."""

    maps: int = 1
    transposed: bool = False

    def to_ours(self, tensor: Tensor, config: TransformerConfig) -> Sequence[Tensor]:
        """(maps · rows, …) -> maps times (rows, …); a tensor that cannot be cut evenly stays whole, for the shape check."""
        tensor = tensor.mT if self.transposed and tensor.dim() == 2 else tensor
        return [tensor] * self.maps if tensor.shape[0] % self.maps else tensor.chunk(self.maps)

    def to_theirs(self, tensors: Sequence[Tensor], config: TransformerConfig) -> Tensor:
        """The inverse."""
        joined = torch.cat(list(tensors))
        return joined.mT if self.transposed and joined.dim() == 2 else joined


@dataclass(frozen=True)
class Heads:
    """A map kept as (width, heads, head width); `out`: from heads to the width, otherwise from the width to heads."""

    out: bool = False

    def to_ours(self, tensor: Tensor, config: TransformerConfig) -> Sequence[Tensor]:
        """(D, H, d) -> [(H·d, D)], or [(D, H·d)] where it leads out of the heads."""
        flat = tensor.flatten(1) if tensor.dim() == 3 else tensor
        return [flat if self.out else flat.mT]

    def to_theirs(self, tensors: Sequence[Tensor], config: TransformerConfig) -> Tensor:
        """The inverse."""
        flat = tensors[0] if self.out else tensors[0].mT
        return flat.reshape(-1, config.heads, config.size_of_head)


@dataclass(frozen=True)
class Unsqueezed:
    """Theirs has dimensions of one before ours."""

    dimensions: int

    def to_ours(self, tensor: Tensor, config: TransformerConfig) -> Sequence[Tensor]:
        """(1, …, n) -> [(n,)]."""
        return [tensor.flatten()]

    def to_theirs(self, tensors: Sequence[Tensor], config: TransformerConfig) -> Tensor:
        """The inverse."""
        return tensors[0].reshape(*[1] * self.dimensions, -1)
