"""Multi-head attention (Vaswani et al. 2017, section 3.2).

    Attention(Q, K, V) = softmax(Q Kᵀ / √d_k + bias) V        one softmax for each query, over the keys it may see

    hidden (B, L, D) ──query──► (B, H, L, d_k) ─┐
    context (B, S, D) ──key───► (B, H, S, d_k) ─┼─► scores (B, H, L, S) ─► weighted values (B, L, H·d_k) ──output──► (B, L, D)
                      ──value─► (B, H, S, d_k) ─┘

B batch, L queries, S keys, D width, H heads, d_k head width. Without a context, a sequence attends to itself.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from fathom.model.config import TransformerConfig


class Attention(nn.Module):
    """Four linear maps around one scaled dot-product attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.attention_dropout
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, hidden: Tensor, bias: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Mixes each position of `hidden` with what it may see.

        Args:
            hidden: (B, L, D), asks the queries.
            bias: added to the scores, broadcast to (B, H, L, S); see `Visibility.score_bias`. None: everything is visible.
            context: (B, S, D), gives keys and values; None: `hidden` itself.

        Returns:
            (B, L, D).
        """
        context = hidden if context is None else context
        mixed = scaled_dot_product_attention(  # (B, H, L, d_k)
            self._split_heads(self.query(hidden)),
            self._split_heads(self.key(context)),
            self._split_heads(self.value(context)),
            attn_mask=bias,
            dropout_p=self.dropout if self.training else 0.0,
        )
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # (B, H, L, d_k) -> (B, L, H·d_k)
        return output

    def _split_heads(self, projected: Tensor) -> Tensor:
        batch, length, _ = projected.shape
        return projected.view(batch, length, self.heads, -1).transpose(1, 2)  # (B, S, H·d_k) -> (B, H, S, d_k)
