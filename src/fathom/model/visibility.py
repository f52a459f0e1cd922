"""Which key each query may see, as booleans; patterns combine with `&` and `|`, and all of them cost one addition to scores.

    padding        real tokens only                     (batch, 1, 1, keys)
    causal         nothing to the right                 (1, 1, queries, keys)
    itself         the query's own token                (1, 1, queries, keys)
    within         the same text, of several in a row   (batch, 1, queries, keys)
    padding & causal                                    (batch, 1, queries, keys)

True means "may be seen". ("Mask" is a word this project keeps for masked language modelling.)

`LocalVisibility` is the same for blocks that see little of a long text: a rule about two places, which becomes booleans only
for the pairs that somebody asks about.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# Beside any score that is seen, e to this power is 0 in every type. It is finite, so that a query that sees nothing averages
# over everything instead of giving NaN; and small, because fused kernels keep the logarithm of the sum of weights and compute
# them anew from it for the gradient: beside half of float32's range, what was summed up would be lost in rounding.
HIDDEN = -(2.0**14)
BLOCK = 64  # tokens of a block, as in BigBird; on CPUs also about the fastest size to compute a window in


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
    def itself(cls, queries: int, keys: int, device: torch.device | str = "cpu") -> Visibility:
        """Each query sees itself only; the last query is aligned with the last key."""
        ones = torch.ones(queries, keys, dtype=torch.bool, device=device)
        return cls(ones.tril(keys - queries).triu(keys - queries)[None, None])

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
        """What is added to attention scores: 0 where visible, `HIDDEN` elsewhere."""
        bias = torch.zeros(self.visible.shape, dtype=dtype, device=self.visible.device)
        return bias.masked_fill_(~self.visible, HIDDEN)


@dataclass(frozen=True)
class LocalVisibility:
    """Who sees whom in a block that sees what is near. All of it only between real tokens of one text, and in causal models
    not to the right:

    window           tokens at most so many places away      (Child et al. 2019, 1904.10509)
    global tokens    from them and to them, from everywhere  (Longformer; Beltagy et al. 2020, 2004.05150)
    random blocks    of a text, other ones for each block    (BigBird; Zaheer et al. 2020, 2007.14062)
    """

    keys: int  # S
    window: int
    causal: bool
    padding: Tensor | None = None  # (B, S) booleans
    documents: Tensor | None = None  # (B, S) integers, the same for tokens of one text
    is_global: Tensor | None = None  # (B or 1, S) booleans
    chosen: Tensor | None = None  # (B or 1, blocks, R) for each block of `BLOCK` queries, the numbers of blocks of keys

    def near(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Whether keys are in the window of queries. Both are places, integers that broadcast."""
        return (keys >= queries - self.window) & (keys <= queries + self.window)

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Whether anything but distance forbids the sight. Both (B or 1, …) places that broadcast."""
        allowed = keys <= queries if self.causal else torch.ones_like(keys, dtype=torch.bool)
        if self.padding is not None:
            allowed = allowed & ~at(self.padding, keys)
        if self.documents is not None:
            allowed = allowed & (at(self.documents, queries) == at(self.documents, keys))
        return allowed

    def between(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Whether queries see keys. Both (B or 1, …) places that broadcast."""
        seen = self.near(queries, keys)
        if self.is_global is not None:
            seen = seen | at(self.is_global, queries) | at(self.is_global, keys)
        if self.chosen is not None:
            for block in self.chosen.unbind(2):
                seen = seen | (at(block, queries // BLOCK) == keys // BLOCK)
        return seen & self.allowed(queries, keys)

    def seen_from(self, queries: Tensor) -> Visibility:
        """What some queries see of all keys. `queries`: (B or 1, T) places."""
        everything = torch.arange(self.keys, device=queries.device)[None, None]
        return Visibility(self.between(queries[:, :, None], everything)[:, None])


def at(values: Tensor, places: Tensor) -> Tensor:
    """(B or 1, S) values, (B or 1, …) places in them -> (B or 1, …)."""
    rows = max(len(values), len(places))
    found = values.expand(rows, -1).gather(1, places.flatten(1).expand(rows, -1))
    return found.view(rows, *places.shape[1:])


def first_tokens(count: int, keys: int, padding: Tensor | None, documents: Tensor | None, device: torch.device) -> Tensor:
    """(B or 1, keys) booleans: the first `count` real tokens of each text."""
    if padding is None and documents is None:
        return torch.arange(keys, device=device)[None] < count
    real = torch.ones_like(documents, dtype=torch.bool) if padding is None else ~padding  # type: ignore[arg-type]
    counted = real.cumsum(dim=1)
    if documents is not None:  # each counts anew
        begins = torch.ones_like(real)
        begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
        counted = counted - (counted - real.long()).masked_fill(~begins, 0).cummax(dim=1).values
    return real & (counted <= count)


def random_blocks(count: int, layer: int, keys: int, padding: Tensor | None, device: torch.device) -> Tensor:
    """(B or 1, blocks, count): for each block of a text, the numbers of some others of it, drawn by chance, perhaps twice.

    A layer draws the same every time, on every machine, and padding after the text changes nothing.
    """
    blocks = -(-keys // BLOCK)
    number = torch.arange(blocks * count, device=device).view(1, blocks, count) + (layer + 1 << 24)
    for _ in range(2):  # a hash of 32 bits (Mueller's), since what a generator draws is no promise between versions
        number = ((number ^ (number >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    number = number ^ (number >> 16)
    if padding is None:
        return number % blocks
    last = (~padding * torch.arange(1, keys + 1, device=device)).amax(dim=1)  # where each row ends
    return number % (-(-last // BLOCK)).clamp(min=1)[:, None, None]
