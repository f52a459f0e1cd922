"""An encoder's blocks as one compiled program (`encoder.cpp`), in bfloat16: twice as fast as one operation after the other.

Between two operations of torch, what a block makes goes to memory and comes back, and the texts of a batch are padded to one
length. The program takes some 500 tokens through all blocks before it turns to the next, so that they stay in a core's cache,
without padding; each core takes groups of texts of its own, or all share one (docs/speed.md).
"""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from ctypes import POINTER, Structure, byref, c_float, c_int32, c_void_p

import numpy as np
import torch
from torch import Tensor, nn

from fathom.inference.compiler import load_library
from fathom.model.config import TransformerConfig
from fathom.model.positions import token_positions
from fathom.model.transformer import Transformer

_LARGE_PAGE = 2**21  # bytes
# of a block, as they stand in memory: the program reads the first three as one
_MAPS = ("attention.query", "attention.key", "attention.value", "attention.output", "feed_forward.up", "feed_forward.down")


def can_run(config: TransformerConfig) -> bool:
    """Whether the program is written for a model: an encoder of BERT's kind, of widths that fill its tiles."""
    return (
        config.positions == "learned"
        and config.embedding_width is None
        and config.has_embedding_norm
        and not config.scale_embeddings
        and config.norm == "layer"
        and config.norm_bias
        and config.norm_position == "after"
        and config.attention_bias
        and config.attention_output_bias
        and config.feed_forward_bias
        and config.activation == "gelu"
        and not config.gated
        and not config.causal
        and config.decoder_depth == 0
        and set(config.pattern) == {"g"}
        and config.key_heads in (None, config.heads)
        and config.heads * config.size_of_head == config.width
        and all(size % 32 == 0 for size in (config.width, config.size_of_head, config.feed_forward_width))
    )


class _Map(Structure):
    _fields_ = (("packed", c_void_p), ("bias", c_void_p))


class _Norm(Structure):
    _fields_ = (("weight", c_void_p), ("bias", c_void_p))


class _Block(Structure):
    _fields_ = (
        *((name, _Map) for name in ("mix", "output", "up", "down")),
        *((name, _Norm) for name in ("after_attention", "after_feed_forward")),
    )


class _Encoder(Structure):
    _fields_ = (
        *((name, c_int32) for name in ("width", "heads", "inner", "depth")),
        *((name, c_float) for name in ("eps", "scale")),
        *((name, c_void_p) for name in ("token", "position", "segment")),
        ("norm", _Norm),
        ("blocks", POINTER(_Block)),
    )


class _Texts(Structure):
    _fields_ = (*((name, c_void_p) for name in ("tokens", "positions", "segments", "starts")), ("count", c_int32))


class NativeEncoder(nn.Module):
    """A Transformer that only answers. It keeps the maps of its blocks in bfloat16, in the order that the program reads them.

    Args:
        transformer: on the CPU, one that the program `can_run`.

    Raises:
        RuntimeError: the program is not to be had here; ask `load_library`.
    """

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        library = load_library()
        if library is None:
            raise RuntimeError("this machine cannot run the compiled encoder")
        self._library = library
        self.config, self.embeddings = transformer.config, transformer.embeddings
        self._states = {name: value.detach().float().contiguous() for name, value in transformer.blocks.state_dict().items()}
        self._maps = [f"{number}.{name}.weight" for number in range(len(transformer.blocks)) for name in _MAPS]
        room, at = _large_pages(sum(self._states[name].numel() for name in self._maps)), 0
        for name in self._maps:
            packed = _packed(self._states[name])
            self._states[name] = room[at : at + packed.numel()].view(packed.shape).copy_(packed)
            at += packed.numel()
        biases = [[self._states[f"{number}.{name}.bias"] for name in _MAPS[:3]] for number in range(len(transformer.blocks))]
        self._mix_biases = [torch.cat(some) for some in biases]
        found = (self.embeddings.token, self.embeddings.position, self.embeddings.segment)
        self._tables = [table.weight.detach() for table in found if isinstance(table, nn.Embedding)]
        self._encoder = self._described()

    def forward(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        only_first: bool = False,
    ) -> Tensor:
        """As `Transformer.forward`, without a gradient: (B, L) -> (B, L, D), or (B, 1, D) where `only_first`; float32.

        States at padded positions are 0, and the first position is the first one that is not padded.

        Raises:
            IndexError: an id without a row in its table.
            MemoryError: there is none for a group of texts.
        """
        if position_ids is None:
            position_ids = token_positions(self.config, token_ids, padding_mask)
        given = [token_ids, position_ids.expand_as(token_ids), segment_ids]
        texts, length = token_ids.shape
        seen: np.ndarray | None = None
        if padding_mask is None:
            starts = np.arange(0, (texts + 1) * length, length, dtype=np.int32)
        else:
            seen = ~padding_mask.numpy()
            seen[:, 0] |= ~seen.any(axis=1)  # a row of padding alone: its states mean nothing, and are there
            starts = np.zeros(texts + 1, dtype=np.int32)
            np.cumsum(seen.sum(axis=1), out=starts[1:])
        ids = [_ids(table, part, seen) for table, part in zip(self._tables, given, strict=False) if part is not None]
        states = torch.empty(texts if only_first else int(starts[-1]), self.config.width)
        self._encode(ids, starts, only_first, states)
        if only_first:
            return states[:, None]
        if seen is None:
            return states.view(texts, length, self.config.width)
        hidden = torch.zeros(texts, length, self.config.width)
        hidden[torch.from_numpy(seen)] = states
        return hidden

    def unpacked(self) -> Transformer:
        """The ordinary stack. Its maps are what bfloat16 has left of them."""
        with torch.device("meta"):  # no weights are drawn
            transformer = Transformer(self.config)
        states = {f"embeddings.{name}": value for name, value in self.embeddings.state_dict().items()}
        for name, value in self._states.items():
            states[f"blocks.{name}"] = _unpacked(value) if name in self._maps else value
        transformer.load_state_dict(states, assign=True)
        return transformer.train(self.training)

    def __reduce__(self) -> tuple[type[NativeEncoder], tuple[Transformer]]:
        return NativeEncoder, (self.unpacked(),)  # addresses can be neither copied nor sent

    def _block(self, number: int) -> _Block:
        def of(kind: type[_Map | _Norm], name: str) -> _Map | _Norm:
            return kind(*(self._states[f"{number}.{name}.{part}"].data_ptr() for part in ("weight", "bias")))

        mix = _Map(self._states[f"{number}.{_MAPS[0]}.weight"].data_ptr(), self._mix_biases[number].data_ptr())
        norms = (of(_Norm, f"norm_after_{part}") for part in ("attention", "feed_forward"))
        return _Block(mix, *(of(_Map, name) for name in _MAPS[3:]), *norms)

    def _described(self) -> _Encoder:
        """What the program is told of the model: sizes, and where everything stands."""
        config, norm = self.config, self.embeddings.norm
        assert isinstance(norm, nn.LayerNorm)
        order = [number for step in config.block_order for number in step]
        return _Encoder(
            *(config.width, config.heads, config.feed_forward_width, len(order)),
            *(config.norm_eps, (config.attention_scale or config.size_of_head**-0.5) / math.log(2)),
            *(*(table.data_ptr() for table in self._tables), None)[:3],
            _Norm(norm.weight.data_ptr(), norm.bias.data_ptr()),
            (_Block * len(order))(*map(self._block, order)),
        )

    def _encode(self, ids: list[np.ndarray], starts: np.ndarray, only_first: bool, states: Tensor) -> None:
        texts = _Texts(*(*(part.ctypes.data for part in ids), None)[:3], starts.ctypes.data, len(starts) - 1)
        how = (torch.get_num_threads(), int(only_first), c_void_p(states.data_ptr()))
        if not self._library.encode(byref(self._encoder), byref(texts), *how):
            raise MemoryError("there is no memory for a group of texts")


def _large_pages(entries: int) -> Tensor:
    """(entries,) bfloat16 in pages of 2 MB, where the system has them: with small ones, products wait for addresses."""
    memory = mmap.mmap(-1, 2 * entries + 2 * _LARGE_PAGE)
    with suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    whole = torch.frombuffer(memory, dtype=torch.bfloat16)
    start = -whole.data_ptr() % _LARGE_PAGE // 2
    return whole[start : start + entries]


def _packed(weight: Tensor) -> Tensor:
    """(E, D) -> (E/32, D/32, 2, 16, 16, 2): 32 outputs and 32 inputs, as two tiles of pairs of inputs by outputs."""
    outputs, inputs = weight.shape
    return weight.to(torch.bfloat16).view(outputs // 32, 2, 16, inputs // 32, 16, 2).permute(0, 3, 1, 4, 2, 5)


def _unpacked(packed: Tensor) -> Tensor:
    outputs, inputs = 32 * packed.shape[0], 32 * packed.shape[1]
    return packed.permute(0, 2, 4, 1, 3, 5).reshape(outputs, inputs).float()


def _ids(table: Tensor, ids: Tensor, seen: np.ndarray | None) -> np.ndarray:
    """Those that are seen, as the program reads them. It does not look whether they are in the table."""
    found = ids.numpy().ravel() if seen is None else ids.numpy()[seen]
    if len(found) and not (found.min() >= 0 and found.max() < len(table)):
        raise IndexError(f"an id is out of range: {found.min()} to {found.max()}, expected 0 to {len(table) - 1}")
    return found.astype(np.int32)
