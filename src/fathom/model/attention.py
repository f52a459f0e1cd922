"""Multi-head attention (Vaswani et al. 2017, section 3.2).

    Attention(Q, K, V) = softmax(Q Kᵀ / √d_k + bias) V        one softmax for each query, over the keys it may see

    hidden   (B, L, D) ──query──► (B, H, L, d_k) ─┐
    sequence (B, S, D) ──key────► (B, K, S, d_k) ─┼─► scores (B, H, L, S) ─► weighted values (B, L, H·d_k) ──output──► (B, L, D)
                       ──value──► (B, K, S, d_k) ─┘

B batch, L queries, S keys, D width, H heads, d_k head width, K heads of keys and values: as many as of queries, or fewer, of
which each serves H / K. Without a sequence of its own, hidden attends to itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from fathom.model.cache import KeyValues
from fathom.model.config import TransformerConfig
from fathom.model.local_attention import Blocks, local_attention
from fathom.model.positions import Relation, RelativePositions, Rotation, pick_rows
from fathom.model.products import lower_precision, weighted_values


@dataclass(frozen=True)
class View:
    """What the blocks of one pass share: who sees whom, and where everything stands."""

    bias: Tensor | None = None  # added to the scores, broadcast to (B, H, L, S); None: everything is visible
    query_rotation: Rotation | None = None  # rotary positions, of the queries and of the new keys
    key_rotation: Rotation | None = None
    relation: Relation | None = None  # relative positions
    blocks: Blocks | None = None  # in place of a bias, for long texts of which a query sees what is near

    def rows(self, targets: Tensor) -> View:
        """The view of the queries at some places of each row. `targets`: (B, T) integers."""
        bias, turn, relation = self.bias, self.query_rotation, self.relation
        if self.blocks is not None:
            bias = self.blocks.rule.seen_from(targets).score_bias(self.blocks.bias.dtype)
        elif bias is not None and bias.shape[2] > 1:
            bias = pick_rows(bias, targets)
        if turn is not None:
            turn = Rotation(pick_rows(turn.cosines, targets), pick_rows(turn.sines, targets))
        relation = None if relation is None else relation.rows(targets)
        return replace(self, bias=bias, blocks=None, query_rotation=turn, relation=relation)


class Attention(nn.Module):
    """Four linear maps around one scaled dot-product attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.size_of_head = config.size_of_head
        self.dropout = config.attention_dropout
        self.scale = config.size_of_head**-0.5 if config.attention_scale is None else config.attention_scale
        self.shared_keys = config.key_heads is not None and config.key_heads != config.heads
        queries = config.heads * config.size_of_head
        keys = (config.key_heads or config.heads) * config.size_of_head
        self.query = nn.Linear(config.width, queries, config.attention_bias)
        self.key = nn.Linear(config.width, keys, config.attention_bias)
        self.value = nn.Linear(config.width, keys, config.attention_bias)
        self.output = nn.Linear(queries, config.width, config.attention_output_bias)
        self.relative = RelativePositions(config) if config.positions == "relative" else None

    def forward(
        self, hidden: Tensor, sequence: Tensor | None = None, *, view: View = View(), cache: KeyValues | None = None
    ) -> Tensor:
        """Mixes each position of `hidden` with what it may see.

        Args:
            hidden: (B, L, D), asks the queries.
            sequence: (B, S, D), gives keys and values; None: `hidden` itself.
            view: who sees whom, and where everything stands.
            cache: keys and values of earlier passes, before those of this one; takes these in.

        Returns:
            (B, L, D).
        """
        hidden = hidden.to(lower_precision(hidden))  # once for the three maps
        query = self._split_heads(self.query(hidden))
        if view.query_rotation is not None:
            query = view.query_rotation(query)
        key, value = self._keys_and_values(hidden if sequence is None else sequence, view, cache)
        bias = view.bias
        if self.relative is not None:
            assert view.relation is not None, "relative positions need a relation"
            query, added = self.relative(query, view.relation)
            added = added * self.scale
            bias = added if bias is None else added + bias
        dropout = self.dropout if self.training else 0.0
        if view.blocks is not None:
            mixed = local_attention(
                query, key, value, view.blocks, dropout=dropout, scale=self.scale, shared_keys=self.shared_keys
            )
        else:
            mixed = weighted_values(
                query, key, value, bias, dropout=dropout, scale=self.scale, shared_keys=self.shared_keys
            )  # (B, H, L, d_k)
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # (B, H, L, d_k) -> (B, L, H·d_k)
        return output

    def _keys_and_values(self, sequence: Tensor, view: View, cache: KeyValues | None) -> tuple[Tensor, Tensor]:
        """Each (B, K, S, d_k)."""
        if cache is not None and cache.complete:
            return cache.all()
        key, value = self._split_heads(self.key(sequence)), self._split_heads(self.value(sequence))
        if view.key_rotation is not None:
            key = view.key_rotation(key)
        return (key, value) if cache is None else cache.append(key, value)

    def _split_heads(self, projected: Tensor) -> Tensor:
        batch, length, _ = projected.shape
        return projected.view(batch, length, -1, self.size_of_head).transpose(1, 2)  # (B, S, K·d_k) -> (B, K, S, d_k)
