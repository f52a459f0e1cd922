"""Which key each query may see, as booleans; patterns combine with `&` and `|`, and all of them cost one addition to scores.

    padding        real tokens only                     (batch, 1, 1, keys)
    causal         nothing to the right                 (1, 1, queries, keys)
    near           nothing beyond a window              (1, 1, queries, keys)
    itself         the query's own token                (1, 1, queries, keys)
    within         the same text, of several in a row   (batch, 1, queries, keys)
    padding & causal                                    (batch, 1, queries, keys)

True means "may be seen". ("Mask" is a word this project keeps for masked language modelling.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Visibility:
    """Booleans that broadcast to (batch, heads, queries, keys): True where a query may see a key.

    Raises:
        ValueError: the tensor is not boolean or does not have four dimensions.
    """

    visible: Tensor

    def __post_init__(self) -> None:
        if self.visible.dtype != torch.bool or self.visible.dim() != 4:
            raise ValueError(
                f"visibility has type {self.visible.dtype} and shape {tuple(self.visible.shape)}, "
                "expected booleans of shape (batch, heads, queries, keys), 1 where a dimension does not matter"
            )

    @classmethod
    def padding(cls, padding_mask: Tensor) -> Visibility:
        """Every query sees the real tokens. `padding_mask`: (batch, keys) booleans, True where padding."""
        return cls(~padding_mask[:, None, None, :])

    @classmethod
    def causal(cls, queries: int, keys: int, device: torch.device | str = "cpu") -> Visibility:
        """Each query sees itself and what stands before it; the last query is aligned with the last key."""
        return cls(torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)[None, None])

    @classmethod
    def near(cls, queries: int, keys: int, window: int, device: torch.device | str = "cpu") -> Visibility:
        """Each query sees itself and `window` tokens to either side; the last query is aligned with the last key."""
        ones = torch.ones(queries, keys, dtype=torch.bool, device=device)
        return cls(ones.tril(keys - queries + window).triu(keys - queries - window)[None, None])

    @classmethod
    def itself(cls, queries: int, keys: int, device: torch.device | str = "cpu") -> Visibility:
        """Each query sees itself only; the last query is aligned with the last key."""
        return cls.near(queries, keys, 0, device)

    @classmethod
    def within(cls, documents: Tensor) -> Visibility:
        """Each query sees the keys of its own text. `documents`: (batch, keys) integers, the same for tokens of one text."""
        return cls((documents[:, :, None] == documents[:, None, :])[:, None])

    def __and__(self, other: Visibility) -> Visibility:
        return Visibility(self.visible & other.visible)

    def __or__(self, other: Visibility) -> Visibility:
        return Visibility(self.visible | other.visible)

    def after(self, memory: int) -> Visibility:
        """The same with so many keys before all others, visible to everyone."""
        return self if memory == 0 else Visibility(functional.pad(self.visible, (memory, 0), value=True))

    def score_bias(self, dtype: torch.dtype) -> Tensor:
        """What is added to attention scores: 0 where visible, a large negative number elsewhere.

        The number is finite, so that a query that sees nothing averages over everything instead of giving NaN, and half
        of the type's range, so that adding a score to it does not overflow.
        """
        bias = torch.zeros(self.visible.shape, dtype=dtype, device=self.visible.device)
        return bias.masked_fill_(~self.visible, torch.finfo(dtype).min / 2)
