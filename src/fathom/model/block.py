"""One Transformer block: attention, then a feed-forward part, each added to what came in.

A norm may sit at four places; those that a model does not use are `Identity`:

    x = norm_after_attention(x + attention(norm_before_attention(x)))
    x = norm_after_feed_forward(x + feed_forward(norm_before_feed_forward(x)))

The original Transformer and BERT fill the two "after", GPT-2 and Llama the two "before".
"""

from __future__ import annotations

from torch import Tensor, nn

from fathom.model.attention import Attention
from fathom.model.config import NormPosition, TransformerConfig
from fathom.model.feed_forward import FeedForward


class Block(nn.Module):
    """Attention and feed-forward part with residual sums and four norm slots. (B, L, D) -> (B, L, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()

        def norm(position: NormPosition) -> nn.Module:
            return nn.LayerNorm(config.width, eps=config.norm_eps) if config.norm_position == position else nn.Identity()

        self.norm_before_attention = norm("before")
        self.attention = Attention(config)
        self.norm_after_attention = norm("after")
        self.norm_before_feed_forward = norm("before")
        self.feed_forward = FeedForward(config)
        self.norm_after_feed_forward = norm("after")
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, bias: Tensor | None = None, *, only_first: bool = False) -> Tensor:
        """One step up the stack.

        Args:
            hidden: (B, L, D).
            bias: added to attention scores, broadcast to (B, H, L, L).
            only_first: compute the first position alone, from all of `hidden`; for a last block of which nothing else
                is used.

        Returns:
            (B, L, D), or (B, 1, D) with `only_first`.
        """
        context = self.norm_before_attention(hidden)
        asking = context
        if only_first:
            hidden, asking = hidden[:, :1], context[:, :1]
        added = self.dropout(self.attention(asking, bias, context))
        hidden = self.norm_after_attention(hidden + added)
        added = self.dropout(self.feed_forward(self.norm_before_feed_forward(hidden)))
        hidden = self.norm_after_feed_forward(hidden + added)
        return hidden
