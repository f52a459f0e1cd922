"""One frozen, flat description of a Transformer: every number and choice that its modules need, and nothing else.

A published model is a set of values for these fields (`fathom.families`), never a subclass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

Activation = Literal["gelu", "gelu_tanh", "relu", "silu", "tanh"]
Norm = Literal["layer", "rms"]
NormPosition = Literal["before", "after"]
PositionKind = Literal["learned", "sinusoidal", "rotary", "relative", "none"]
RotaryScaling = Literal["none", "linear", "llama3"]
Pooling = Literal["first", "mean", "last"]


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
    heads: int  # of queries
    key_heads: int | None = None  # of keys and values, each serving as many of queries (Ainslie et al. 2023); None: `heads`
    head_width: int | None = None  # entries of one head's query, key or value; None: width / heads
    feed_forward_width: int  # entries between the two maps of the feed-forward part
    groups: int | None = None  # of blocks that share their weights, over equal parts of `depth`; None: nothing is shared
    blocks_in_group: int = 1  # blocks that each step of a group runs, one after the other (ALBERT's inner groups)
    decoder_depth: int = 0  # steps of a decoder that reads what the stack made of another text; 0: there is none
    max_length: int  # tokens in the longest input
    segments: int = 0  # how many texts an input can tell apart (BERT's "token types"); 0: one
    embedding_width: int | None = None  # of token, position and segment vectors, mapped to `width` after; None: the same
    pad_id: int = 0  # the token that fills up short rows
    start_id: int | None = None  # the token that a decoder starts from

    # who sees whom
    causal: bool = False  # nothing to the right is seen
    pattern: str = "g"  # of the blocks, repeated up the stack: g sees all that is visible, l only what is near
    window: int | None = None  # how many tokens an l sees to either side of its own
    global_tokens: int = 0  # the first so many of a text see all of it and are seen by all of it, in an l, too (Longformer)
    random_blocks: int = 0  # of 64 tokens that each 64 tokens of a text see in an l, beside the window (BigBird)

    # where things stand
    positions: PositionKind = "learned"
    padding_position: int | None = None  # RoBERTa: positions count real tokens only, from the row of the table after this
    # one, which padding gets; None: positions count from 0, padding included
    sinusoidal_halves: bool = False  # sines in the first half of a vector and cosines in the second, instead of in turn
    rotary_base: float = 10_000.0  # the slowest angle turns once in 2π times this many tokens
    rotary_local_base: float | None = None  # the same in blocks that see only what is near; None: the same
    rotary_scaling: RotaryScaling = "none"  # how angles are slowed down for texts longer than those of pre-training
    rotary_factor: float = 1.0  # by how much
    rotary_low: float = 1.0  # llama3: angles that turn less often than this in `rotary_length` tokens are slowed in full,
    rotary_high: float = 4.0  # those that turn more often than this not at all
    rotary_length: int | None = None  # llama3: tokens of the longest text of pre-training

    # arithmetic
    activation: Activation = "gelu"
    gated: bool = False  # the feed-forward part multiplies two maps of its input, one of them activated (Shazeer 2020)
    norm: Norm = "layer"
    norm_position: NormPosition = "after"  # of each residual sum: "after" (Vaswani 2017, BERT) or "before" (GPT-2)
    norm_eps: float = 1e-12
    norm_bias: bool = True  # of layer norms
    embedding_norm: bool | None = None  # a norm over the sum of embeddings; None: where norms come after
    first_norm: bool = True  # norms before: whether the first block's attention has one
    final_norm: bool = True  # norms before: whether what leaves the last block gets one; without it, a rare word that has
    # hardly learned a vector hardly counts among the others of a text
    attention_bias: bool = True  # of the maps to queries, keys and values
    attention_output_bias: bool = True
    feed_forward_bias: bool = True
    attention_scale: float | None = None  # scores are multiplied by it; None: 1 / √head width
    scale_embeddings: bool = False  # token vectors are multiplied by √width (Vaswani 2017, section 3.4)

    # from hidden states to one vector a text, or to one score a token of the vocabulary
    pooling: Pooling = "first"  # the first token's state (BERT's [CLS]), the mean over real tokens, or the last real token's
    pooler: bool = True  # a dense map and an activation after pooling
    pooler_activation: Activation = "tanh"
    pooler_norm: bool = False  # and a norm after those
    pool_tokens: bool = False  # heads for tokens and spans send every token through that map as well
    classifier_bias: bool = True  # of a classifier of whole texts
    tied: bool = True  # a language model's output map is its token embedding
    output_transform: bool = True  # a dense map, an activation and a norm before the output map
    output_activation: Activation | None = None  # of that transform; None: `activation`
    output_bias: bool = True  # a number for each token of the vocabulary, added to its score
    head_bias: bool = True  # of the dense maps of pooler and output transform

    # training only; probabilities
    dropout: float = 0.1  # of embeddings and of what each half of a block adds
    embedding_dropout: float | None = None  # of embeddings; None: the same as `dropout`
    attention_dropout: float = 0.1  # of attention weights; anything above 0 takes a slower kernel on CPUs
    activation_dropout: float = 0.0  # of what is between the two maps of the feed-forward part
    classifier_dropout: float | None = None  # before the classifier; None: the same as `dropout`
    token_dropout: float = 0.0  # of whole tokens of a text that is classified (word dropout; Iyyer et al. 2015, section 2.2)
    initializer_range: float = 0.02  # standard deviation of fresh weights

    def __post_init__(self) -> None:
        for name, hint in _HINTS.items():
            self._require(_fits(getattr(self, name), hint), name, _in_words(hint))
        for name, lowest in _LOWEST.items():
            self._require((value := getattr(self, name)) is None or value >= lowest, name, f"{lowest} or more")
        for name in _ABOVE_ZERO:
            self._require((value := getattr(self, name)) is None or value > 0, name, "above 0")
        for name in TRAINING_ONLY - {"initializer_range"}:
            self._require((value := getattr(self, name)) is None or 0 <= value < 1, name, "a probability below 1")
        for name in ("pad_id", "start_id"):
            token = getattr(self, name)
            self._require(token is None or token < self.vocab_size, name, f"a token id below {self.vocab_size}")
        if self.groups is None:
            self._require(self.blocks_in_group == 1, "blocks_in_group", "1, where groups is None")
        else:
            self._require(self.groups <= self.depth, "groups", f"1 to depth {self.depth}")
        if self.head_width is None:
            self._require(self.width % self.heads == 0, "heads", f"a divisor of width {self.width}")
        if self.key_heads is not None:
            self._require(self.heads % self.key_heads == 0, "key_heads", f"a divisor of heads {self.heads}")
        if self.padding_position is not None:
            self._require(self.positions == "learned", "positions", "learned, where padding has a position of its own")
        if self.positions == "rotary":
            self._require(self.size_of_head % 2 == 0, "head_width", "an even number, for rotary positions", self.size_of_head)
        self._require(bool(self.pattern) and set(self.pattern) <= {"g", "l"}, "pattern", "letters g and l")
        if "l" in self.pattern:
            self._require(self.window is not None, "window", "0 or more, where pattern has an l")
        else:
            self._require(self.global_tokens == 0, "global_tokens", "0, where pattern has no l: a g sees everything")
            self._require(self.random_blocks == 0, "random_blocks", "0, where pattern has no l: a g sees everything")
        if self.causal or self.decoder_depth:  # a text that grows would see other blocks with each token
            self._require(self.random_blocks == 0, "random_blocks", "0, in a model that writes")
        if self.positions == "relative":  # the query stream and the memory are written for these
            self._require("l" not in self.pattern, "pattern", "g alone, for relative positions")
            self._require(self.blocks_in_group == 1, "blocks_in_group", "1, for relative positions")
        if self.rotary_scaling == "llama3":
            self._require(self.rotary_length is not None, "rotary_length", "a number of tokens, for llama3")
            self._require(self.rotary_high > self.rotary_low, "rotary_high", f"above rotary_low {self.rotary_low}")

    def _require(self, condition: bool, name: str, expected: str, value: object = None) -> None:
        if not condition:
            raise ValueError(f"{name} is {(getattr(self, name) if value is None else value)!r}, expected {expected}")

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
    def size_of_head(self) -> int:
        """Entries of one head's query, key or value."""
        return self.width // self.heads if self.head_width is None else self.head_width

    @property
    def has_embedding_norm(self) -> bool:
        """Whether the sum of embeddings is normalised."""
        return self.norm_position == "after" if self.embedding_norm is None else self.embedding_norm

    def is_local(self, step: int) -> bool:
        """Whether the blocks of a step up the stack see only what is near."""
        return self.pattern[step % len(self.pattern)] == "l"


# fields that say how a model is trained and not what it computes
TRAINING_ONLY = frozenset(
    {
        *("dropout", "embedding_dropout", "attention_dropout", "activation_dropout", "classifier_dropout", "token_dropout"),
        "initializer_range",
    }
)
_LOWEST = {
    **dict.fromkeys(("vocab_size", "width", "depth", "heads", "key_heads", "head_width", "feed_forward_width"), 1),
    **dict.fromkeys(("groups", "blocks_in_group", "max_length", "embedding_width", "rotary_length"), 1),
    **dict.fromkeys(("decoder_depth", "segments", "pad_id", "start_id", "window", "padding_position"), 0),
    **dict.fromkeys(("global_tokens", "random_blocks"), 0),
    **dict.fromkeys(("rotary_low", "initializer_range"), 0),
}
_ABOVE_ZERO = ("norm_eps", "rotary_base", "rotary_local_base", "rotary_factor", "attention_scale")
_HINTS: dict[str, Any] = get_type_hints(TransformerConfig)
_WORDS = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text", NoneType: "None"}


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a field's type; True and False are no numbers, whole numbers are numbers."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if parts := get_args(hint):
        return any(_fits(value, part) for part in parts)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, hint)


def _in_words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    return " or ".join(map(_in_words, parts)) if (parts := get_args(hint)) else _WORDS[hint]
