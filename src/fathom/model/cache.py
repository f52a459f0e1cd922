"""Keys and values of the tokens that a decoder has already read, so that each new token costs one step and not the whole text.

One store a step up the stack, since blocks that share their weights see different states. Room grows by doubling; a store
that is filled once (a decoder's view of the other text) is complete after that.
"""

from __future__ import annotations

from torch import Tensor

from fathom.model.config import TransformerConfig


class KeyValues:
    """Keys and values of one attention, each (B, K, S, d_k)."""

    def __init__(self, *, filled_once: bool = False) -> None:
        self.filled_once = filled_once
        self.length = 0
        self._keys: Tensor | None = None  # (B, K, room, d_k)
        self._values: Tensor | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing more will come."""
        return self.filled_once and self.length > 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Takes in those of new tokens, (B, K, L, d_k), and gives all."""
        start, self.length = self.length, self.length + keys.shape[2]
        self._keys = _with_room(self._keys, keys, start, self.length, exact=self.filled_once)
        self._values = _with_room(self._values, values, start, self.length, exact=self.filled_once)
        return self.all()

    def all(self) -> tuple[Tensor, Tensor]:
        """Keys and values so far."""
        assert self._keys is not None
        assert self._values is not None
        return self._keys[:, :, : self.length], self._values[:, :, : self.length]

    def forget(self, length: int) -> None:
        """Keeps the first `length` tokens only."""
        self.length = min(self.length, length)

    def select(self, rows: Tensor) -> None:
        """Keeps these rows of the batch, in this order, with repeats."""
        if self._keys is not None and self._values is not None:
            self._keys, self._values = self._keys[rows], self._values[rows]


def _with_room(held: Tensor | None, new: Tensor, start: int, end: int, *, exact: bool) -> Tensor:
    if held is None or held.shape[2] < end:
        batch, heads, _, size = new.shape
        grown = new.new_empty(batch, heads, end if exact else max(64, 2 * end), size)
        if held is not None:
            grown[:, :, :start] = held[:, :, :start]
        held = grown
    held[:, :, start:end] = new
    return held


class Cache:
    """What all blocks of a decoder remember of the tokens read so far. For inference: gradients do not flow through it."""

    def __init__(self, config: TransformerConfig) -> None:
        steps = config.depth * config.blocks_in_group
        self.blocks = [KeyValues() for _ in range(steps)]
        self.contexts = [KeyValues(filled_once=True) for _ in range(steps)]  # of the other text, for decoders that read one

    @property
    def length(self) -> int:
        """Tokens read so far, padding included."""
        return self.blocks[0].length

    def forget(self, length: int) -> None:
        """Keeps the first `length` tokens only, so that another continuation can be read after them."""
        for store in self.blocks:
            store.forget(length)

    def select(self, rows: Tensor) -> None:
        """Keeps these rows of the batch, in this order, with repeats; what beam search does."""
        for store in (*self.blocks, *self.contexts):
            store.select(rows)
