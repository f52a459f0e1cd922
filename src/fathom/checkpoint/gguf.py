"""A GGUF file: configuration, tokenizer and quantised tensors of a decoder in one file, as llama.cpp reads it.

    "GGUF"  version  number of tensors, of keys
    keys             name, type, value                 general.architecture = llama, llama.block_count = 30, …
    tensors          name, sizes, type, offset         blk.0.attn_q.weight, [576, 576], Q4_1, 28311552
    data             from the next multiple of the alignment on

Every length in the file is checked against the bytes that are there before anything is made of it. The `gguf` library
turns the quantised blocks into numbers; names, rows and keys become Hugging Face's. Layout:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType
from gguf.quants import dequantize
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers, processors
from torch import Tensor

from fathom.errors import ModelFolderError
from fathom.text import Tokenizer

_NAMES = (  # llama.cpp's, Hugging Face's; {} is the number of the block
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight"),
    ("blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight"),
    ("blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight"),
    ("blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight"),
    ("blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight"),
    ("blk.{}.ffn_norm.weight", "model.layers.{}.post_attention_layernorm.weight"),
    ("blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight"),
    ("blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"),
    ("blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),  # absent where the embeddings are the head too
)
_HEAD = "output.weight"

_ROLES = {
    "bos_token_id": "bos_token",
    "eos_token_id": "eos_token",
    "unknown_token_id": "unk_token",
    "padding_token_id": "pad_token",
}
_GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
_SPLITTERS = {  # how text is cut before its bytes are merged
    "gpt-2": _GPT2,
    "default": _GPT2,  # the converter did not know; Hugging Face's library reads it so, llama.cpp cuts a little more
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _GPT2]),
}
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4  # tokenizer.ggml.token_type


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file holds, in Hugging Face's terms."""

    config: dict[str, Any]  # the keys of a config.json
    tensors: Mapping[str, Tensor]  # float32, by their names in a model.safetensors; dequantised at each access
    tokenizer: Tokenizer
    chat_template: str | None
    name: str | None
    licence: str | None
    parameters: int
    types: dict[str, int]  # how many tensors are stored in which type: {"Q4_1": 210, "F32": 61}


def read_gguf(path: Path) -> GgufFile:
    """Reads a Llama decoder from a GGUF file (version 2 or 3).

    Tensors are dequantised when they are asked for, one at a time, so that no more than the file is ever held beside what
    the caller keeps. Rows of queries and keys come in Hugging Face's order: llama.cpp puts the two numbers that a rotary
    embedding turns together side by side, Hugging Face half a head apart.

    Raises:
        ModelFolderError: not a GGUF file, cut off or damaged; an architecture, key, tensor, type of tensor or kind of
            tokenizer that is not implemented, each by its name.
    """
    try:
        metadata, stored, data = _read(path)
        if (architecture := metadata.get("general.architecture")) != "llama":
            raise ValueError(f"general.architecture is {_short(architecture)}, but only 'llama' is implemented")
        config = _config(metadata, has_head=_HEAD in stored)
        tensors = _Tensors(data, _placed(stored, config), config)
        tokenizer = _tokenizer(metadata)
    except (ValueError, struct.error) as error:
        raise ModelFolderError(
            f"{path} cannot be read: {error}",
            expected="a whole GGUF file with a Llama decoder and its tokenizer",
            do="download the file again if it is damaged, or choose another model",
        ) from error
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be opened: {error.strerror}", expected="a GGUF file") from error
    return GgufFile(
        config=config,
        tensors=tensors,
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
        name=_text(metadata, "general.name"),
        licence=_text(metadata, "general.license"),
        parameters=sum(math.prod(part.shape) for part in stored.values()),
        types=dict(Counter(part.kind.name for part in stored.values())),
    )


# --- the file ---


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a tensor is, and how."""

    shape: tuple[int, ...]  # as in torch: the last size is that of a row
    kind: GGMLQuantizationType
    start: int  # bytes from the file's start
    bytes_in_row: int

    @property
    def rows(self) -> int:
        return math.prod(self.shape[:-1])


@dataclass
class _Cursor:
    """Reads one thing after the other; never more than there is."""

    data: mmap.mmap
    at: int = 0

    def take(self, size: int) -> bytes:
        self.need(size)
        self.at += size
        return self.data[self.at - size : self.at]

    def need(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise ValueError(f"at byte {self.at:,} it should go on for {size:,} bytes, and it ends at byte {len(self.data):,}")

    def number(self, kind: GGUFValueType) -> Any:
        code = _CODES[kind]
        return struct.unpack(f"<{code}", self.take(struct.calcsize(code)))[0]

    def text(self) -> str:
        return self.take(self.number(GGUFValueType.UINT64)).decode("utf-8")

    def value(self, kind: GGUFValueType) -> Any:
        """A number, a text, a list of texts or an array of numbers."""
        if kind is GGUFValueType.STRING:
            return self.text()
        if kind is not GGUFValueType.ARRAY:
            return self.number(kind)
        inner = GGUFValueType(self.number(GGUFValueType.UINT32))
        count = self.number(GGUFValueType.UINT64)
        if inner is GGUFValueType.ARRAY:
            raise ValueError(f"at byte {self.at:,} there is an array of arrays")
        if inner is GGUFValueType.STRING:
            self.need(8 * count)  # each says how long it is
            return [self.text() for _ in range(count)]
        dtype = np.dtype(_CODES[inner]).newbyteorder("<")
        return np.frombuffer(self.take(dtype.itemsize * count), dtype)


_CODES = {  # of the modules struct and numpy
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, _Stored], mmap.mmap]:
    """The keys, and where the tensors are."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError("it is not a GGUF file, whose first four bytes are GGUF")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    cursor = _Cursor(data, at=4)
    if (version := cursor.number(GGUFValueType.UINT32)) not in (2, 3):
        raise ValueError(f"it is of GGUF version {version}; versions 2 and 3, little-endian, are implemented")
    tensors, keys = (cursor.number(GGUFValueType.UINT64) for _ in range(2))
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key = cursor.text()
        if key in metadata:
            raise ValueError(f"the key {key} is there twice")
        metadata[key] = cursor.value(GGUFValueType(cursor.number(GGUFValueType.UINT32)))
    stored = dict(_entry(cursor) for _ in range(tensors))
    if len(stored) != tensors:
        raise ValueError("a tensor is there twice")
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= len(data):
        raise ValueError(f"general.alignment is {alignment!r}")
    begin = math.ceil(cursor.at / alignment) * alignment
    end = begin
    # in the order of the file: beside each other, never over each other, and inside the file
    for name, part in sorted(stored.items(), key=lambda entry: entry[1].start):
        if begin + part.start < end:
            raise ValueError(f"the tensor {name} lies over another one")
        end = begin + part.start + part.rows * part.bytes_in_row
        if end > len(data):
            raise ValueError(f"the tensor {name} ends at byte {end:,}, the file at byte {len(data):,}")
    placed = {name: _Stored(part.shape, part.kind, begin + part.start, part.bytes_in_row) for name, part in stored.items()}
    return metadata, placed, data


def _entry(cursor: _Cursor) -> tuple[str, _Stored]:
    """A line of the table of tensors; offsets still count from where the data begin."""
    name = cursor.text()
    if not 1 <= (dimensions := cursor.number(GGUFValueType.UINT32)) <= 4:
        raise ValueError(f"the tensor {name} has {dimensions} dimensions")
    shape = tuple(cursor.number(GGUFValueType.UINT64) for _ in range(dimensions))[::-1]
    kind = GGMLQuantizationType(cursor.number(GGUFValueType.UINT32))
    block, size = GGML_QUANT_SIZES[kind]
    try:
        dequantize(np.zeros((1, size), np.uint8), kind)
    except NotImplementedError as error:
        raise ValueError(f"the tensor {name} is stored as {kind.name}, which is not implemented") from error
    if min(shape) < 1 or shape[-1] % block:
        raise ValueError(f"the tensor {name} of sizes {list(shape)} cannot be stored as {kind.name}, in blocks of {block}")
    return name, _Stored(shape, kind, cursor.number(GGUFValueType.UINT64), shape[-1] // block * size)


# --- tensors ---


def _placed(stored: Mapping[str, _Stored], config: Mapping[str, Any]) -> dict[str, _Stored]:
    """The tensors by Hugging Face's names: exactly those that a model of this configuration has."""
    blocks = config["num_hidden_layers"]
    if blocks > len(stored):
        raise ValueError(f"llama.block_count is {blocks:,}, but there are {len(stored):,} tensors")
    table = {
        theirs.format(block): ours.format(block)
        for theirs, ours in _NAMES
        for block in range(blocks if "{}" in theirs else 1)
        if not (theirs == _HEAD and config["tie_word_embeddings"])
    }
    complaints = [f"missing: {name}" for name in table if name not in stored]
    complaints += [f"unexpected: {name}" for name in stored if name not in table]
    for kind, heads in (("attn_q", config["num_attention_heads"]), ("attn_k", config["num_key_value_heads"])):
        wanted = (heads * config["head_dim"], config["hidden_size"])
        for name in (f"blk.{block}.{kind}.weight" for block in range(blocks)):
            if name in stored and stored[name].shape != wanted:
                complaints.append(f"wrong shape: {name} is {list(stored[name].shape)}, expected {list(wanted)}")
    if complaints:
        raise ValueError("its tensors do not fit its keys:\n    " + "\n    ".join(complaints))
    return {ours: stored[theirs] for theirs, ours in table.items()}


@dataclass(frozen=True)
class _Tensors(Mapping[str, Tensor]):
    """Tensors that are dequantised when they are asked for."""

    data: mmap.mmap
    stored: Mapping[str, _Stored]
    config: Mapping[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Tensor:
        part = self.stored[name]
        blocks = np.frombuffer(self.data, np.uint8, part.rows * part.bytes_in_row, part.start)
        with np.errstate(all="ignore"):  # a scale may be infinite
            numbers = dequantize(blocks.reshape(part.rows, part.bytes_in_row), part.kind).astype(np.float32)
        for projection, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if f".{projection}." in name:
                numbers = _halves(numbers, self.config[heads])
        return torch.from_numpy(numbers.reshape(part.shape))

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


def _halves(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of each head from pairs (0 h, 1 h+1, …) to halves (0 1 … h h+1 …), h being half the size of a head."""
    return np.ascontiguousarray(rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2)).reshape(rows.shape)


# --- keys ---


@dataclass
class _Keys:
    """The keys of one group: each is taken out when it is read, and what is wrong is collected."""

    group: str
    left: dict[str, Any]
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, metadata: Mapping[str, Any], group: str) -> _Keys:
        return cls(group, {key.removeprefix(group): value for key, value in metadata.items() if key.startswith(group)})

    def whole(self, key: str, otherwise: int | None = None) -> int:
        """A whole number above 0."""
        value = self.left.pop(key, otherwise)
        if type(value) is int and 0 < value < 2**31:
            return value
        self.refuse(key, value, "expected a whole number above 0")
        return 1

    def real(self, key: str, otherwise: float | None = None) -> float:
        """A number above 0."""
        value = self.left.pop(key, otherwise)
        if isinstance(value, float) and 0 < value < math.inf:
            return value
        self.refuse(key, value, "expected a number above 0")
        return 1.0

    def only(self, key: str, *implemented: Any) -> Any:
        """One of the values that are implemented; an absent key means the first of them."""
        value = self.left.pop(key, implemented[0])
        if any(type(value) is type(known) and value == known for known in implemented):
            return value
        self.refuse(key, value, f"implemented: {', '.join(map(repr, implemented))}")
        return implemented[0]

    def refuse(self, key: str, value: object, reason: str) -> None:
        self.complaints.append(f"{self.group}{key} is {'missing' if value is None else _short(value)} ({reason})")


def _config(metadata: Mapping[str, Any], *, has_head: bool) -> dict[str, Any]:
    """The keys of a `llama` config.json.

    Raises:
        ValueError: keys of the group llama that are missing, not understood, or whose value is not implemented; all at once.
    """
    keys = _Keys.of(metadata, "llama.")
    hidden, heads = keys.whole("embedding_length"), keys.whole("attention.head_count")
    head_size = keys.whole("attention.key_length", hidden // heads)
    if head_size % 2:
        keys.refuse("attention.key_length", head_size, "rotary embeddings need an even number")
    keys.only("attention.value_length", head_size)
    keys.only("rope.dimension_count", head_size)
    keys.only("expert_count", 0)
    keys.only("expert_used_count", 0)
    keys.only("attention.causal", True)
    config: dict[str, Any] = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": keys.whole("vocab_size", len(_texts(metadata, "tokenizer.ggml.tokens"))),
        "hidden_size": hidden,
        "intermediate_size": keys.whole("feed_forward_length"),
        "num_hidden_layers": keys.whole("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.whole("attention.head_count_kv", heads),
        "head_dim": head_size,
        "hidden_act": "silu",
        "max_position_embeddings": keys.whole("context_length"),
        "rms_norm_eps": keys.real("attention.layer_norm_rms_epsilon"),
        "rope_theta": keys.real("rope.freq_base", 10_000.0),
        "tie_word_embeddings": not has_head,
        "bos_token_id": metadata.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": metadata.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": metadata.get("tokenizer.ggml.padding_token_id"),
    }
    scaled = keys.only("rope.scaling.type", "linear", "none") == "linear"
    factor = keys.real("rope.scaling.factor", keys.left.pop("rope.scale_linear", 1.0))
    keys.left.pop("rope.scaling.finetuned", None)  # says where the factor comes from
    if scaled and factor != 1:
        config["rope_scaling"] = {"rope_type": "linear", "factor": factor}
    keys.complaints += [f"llama.{key} is a key that nothing reads" for key in keys.left]
    keys.group, keys.left = "", dict(metadata)
    keys.only("general.quantization_version", 2)
    keys.only("split.count", 1, 0)
    if keys.complaints:
        raise ValueError("; ".join(keys.complaints))
    return config


def _texts(metadata: Mapping[str, Any], key: str) -> list[str]:
    value = metadata.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{key} is {'missing' if value is None else _short(value)} (expected a list of texts)")
    return value


def _text(metadata: Mapping[str, Any], key: str) -> str | None:
    value = metadata.get(key)
    return value if isinstance(value, str) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


# --- tokenizer ---


def _tokenizer(metadata: Mapping[str, Any]) -> Tokenizer:
    """A byte-level BPE tokenizer, as a tokenizer.json would hold it."""
    keys = _Keys.of(metadata, "tokenizer.ggml.")
    keys.only("model", "gpt2")
    keys.only("add_space_prefix", False)
    keys.only("add_sep_token", False)
    keys.only("remove_extra_whitespaces", False)
    if "pre" not in keys.left:
        keys.refuse("pre", None, f"it says how text is cut: {', '.join(map(repr, _SPLITTERS))}")
    splitter = _SPLITTERS[keys.only("pre", *_SPLITTERS)]
    framed = {role: keys.only(f"add_{role}", False, True) for role in ("bos_token", "eos_token")}
    tokens, merges = _texts(metadata, "tokenizer.ggml.tokens"), _texts(metadata, "tokenizer.ggml.merges")
    config: dict[str, Any] = {"chat_template": _text(metadata, "tokenizer.chat_template")}
    for key, role in _ROLES.items():
        number = keys.left.get(key)
        if number is not None and not (type(number) is int and 0 <= number < len(tokens)):
            keys.refuse(key, number, f"there are {len(tokens):,} tokens")
        else:
            config[role] = None if number is None else tokens[number]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    kinds = keys.left.get("token_type", np.full(len(tokens), _NORMAL))
    if len(vocabulary) != len(tokens):
        keys.refuse("tokens", len(tokens), f"only {len(vocabulary):,} of them are different")
    if np.shape(kinds) != (len(tokens),):
        keys.refuse("token_type", np.size(kinds), f"there are {len(tokens):,} tokens")
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    if wrong := next((merge for merge in merges if merge.count(" ") != 1), None):
        keys.refuse("merges", wrong, "expected two tokens with a blank between them")
    if keys.complaints:
        raise ValueError("; ".join(keys.complaints))
    try:
        backend = tokenizers.Tokenizer(models.BPE(vocabulary, pairs))
        backend.pre_tokenizer = splitter
        backend.decoder = decoders.ByteLevel()
        for known, special in (({_UNKNOWN, _CONTROL}, True), ({_USER_DEFINED}, False)):
            whole = [token for token, kind in zip(tokens, kinds, strict=True) if int(kind) in known]
            backend.add_tokens([tokenizers.AddedToken(token, normalized=False, special=special) for token in whole])
        first, last = (config[role] if framed[role] else None for role in framed)
        if first or last:
            backend.post_processor = processors.TemplateProcessing(
                single=[token for token in (first, "$A", last) if token],
                pair=[token for token in (first, "$A", last, first, "$B", last) if token],
                special_tokens=[(token, vocabulary[token]) for token in {first, last} if token],
            )
    except Exception as error:  # the library raises plain Exception
        raise ValueError(f"its tokenizer is damaged: {error}") from error
    return Tokenizer(backend, config)
