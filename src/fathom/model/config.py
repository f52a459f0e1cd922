"""One frozen, flat description of a Transformer: every number and choice that its modules need, and nothing else.

A published model is a set of values for these fields (`fathom.families`), never a subclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Activation = Literal["gelu", "gelu_tanh", "relu", "silu"]
NormPosition = Literal["before", "after"]
PositionKind = Literal["learned", "sinusoidal", "none"]
Pooling = Literal["first", "mean"]
PoolerActivation = Literal["tanh", "gelu", "relu"]


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """The shape and the arithmetic of one model.

    Raises:
        ValueError: a field is out of range or contradicts another; the message names the field and its value.
    """

    # sizes
    vocab_size: int  # rows of the token embedding
    width: int  # entries of a hidden state
    depth: int  # steps up the stack; without sharing, one block each
    heads: int  # attention heads; each is width / heads wide
    feed_forward_width: int  # entries between the two maps of the feed-forward part
    groups: int | None = None  # of blocks that share their weights, over equal parts of `depth`; None: nothing is shared
    blocks_in_group: int = 1  # blocks that each step of a group runs, one after the other (ALBERT's inner groups)
    max_length: int  # tokens in the longest input
    segments: int = 0  # rows of the segment embedding (BERT's "token types"); 0 for none
    embedding_width: int | None = None  # of token, position and segment vectors, mapped to `width` after; None: the same
    pad_id: int = 0  # the token that fills up short rows

    # arithmetic
    activation: Activation = "gelu"
    norm_position: NormPosition = "after"  # of each residual sum: "after" (Vaswani 2017, BERT) or "before" (GPT-2)
    norm_eps: float = 1e-12
    positions: PositionKind = "learned"
    padding_position: int | None = None  # RoBERTa: positions count real tokens only, from the row of the table after this
    # one, which padding gets; None: positions count from 0, padding included

    # from hidden states to one vector a text
    pooling: Pooling = "first"  # the first token's state (BERT's [CLS]) or the mean over real tokens
    pooler: bool = True  # a dense map and an activation after pooling
    pooler_activation: PoolerActivation = "tanh"

    # training only; probabilities
    dropout: float = 0.1  # of embeddings and of what each half of a block adds
    attention_dropout: float = 0.1  # of attention weights; anything above 0 takes a slower kernel on CPUs
    classifier_dropout: float | None = None  # before the classifier; None: the same as `dropout`
    token_dropout: float = 0.0  # of whole tokens' embeddings (word dropout; Iyyer et al. 2015, section 2.2)
    initializer_range: float = 0.02  # standard deviation of fresh weights

    def __post_init__(self) -> None:
        positive = ("vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length")
        for name in positive:
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.blocks_in_group >= 1, "blocks_in_group", self.blocks_in_group, "at least 1")
        if self.groups is None:
            _require(self.blocks_in_group == 1, "blocks_in_group", self.blocks_in_group, "1, where groups is None")
        else:
            _require(1 <= self.groups <= self.depth, "groups", self.groups, f"1 to depth {self.depth}")
        if self.embedding_width is not None:
            _require(self.embedding_width >= 1, "embedding_width", self.embedding_width, "at least 1")
        if self.padding_position is not None:
            _require(self.padding_position >= 0, "padding_position", self.padding_position, "0 or more")
            _require(
                self.positions == "learned", "positions", self.positions, "learned, where padding has a position of its own"
            )
        _require(self.segments >= 0, "segments", self.segments, "0 or more")
        _require(0 <= self.pad_id < self.vocab_size, "pad_id", self.pad_id, f"a token id below {self.vocab_size}")
        _require(self.width % self.heads == 0, "heads", self.heads, f"a divisor of width {self.width}")
        _require(self.norm_eps > 0, "norm_eps", self.norm_eps, "above 0")
        for name in ("dropout", "attention_dropout", "token_dropout", "classifier_dropout"):
            value = getattr(self, name)
            _require(value is None or 0 <= value < 1, name, value, "a probability below 1")
        for name, choices in _CHOICES.items():
            _require(getattr(self, name) in choices, name, getattr(self, name), f"one of {', '.join(choices)}")

    @property
    def block_order(self) -> list[list[int]]:
        """For each step up the stack, the blocks that it runs: [[0], [1], …], or the same again where weights are shared."""
        if self.groups is None:
            return [[step] for step in range(self.depth)]
        size = self.blocks_in_group
        of_step = [int(step / (self.depth / self.groups)) for step in range(self.depth)]  # as the paper's code rounds
        return [[group * size + inner for inner in range(size)] for group in of_step]

    @property
    def blocks(self) -> int:
        """Blocks with weights of their own."""
        return self.depth if self.groups is None else self.groups * self.blocks_in_group

    @property
    def head_width(self) -> int:
        """Entries of one head's query, key or value."""
        return self.width // self.heads


_CHOICES: dict[str, tuple[str, ...]] = {
    "activation": get_args(Activation),
    "norm_position": get_args(NormPosition),
    "positions": get_args(PositionKind),
    "pooling": get_args(Pooling),
    "pooler_activation": get_args(PoolerActivation),
}


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise ValueError(f"{name} is {value!r}, expected {expected}")
