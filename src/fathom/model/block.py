"""One Transformer block: attention, then a feed-forward part, each added to what came in.

A norm may sit at four places; those that a model does not use are `Identity`:

    x = norm_after_attention(x + attention(norm_before_attention(x)))
    x = norm_after_feed_forward(x + feed_forward(norm_before_feed_forward(x)))

The original Transformer and BERT fill the two "after", GPT-2 and Llama the two "before". A decoder that reads another text has
a second attention between the two, to what an encoder made of that text, with norms of its own.
"""

from __future__ import annotations

from torch import Tensor, nn

from fathom.model.attention import Attention, View
from fathom.model.cache import KeyValues
from fathom.model.config import NormPosition, TransformerConfig
from fathom.model.dropout import Dropout
from fathom.model.feed_forward import FeedForward
from fathom.model.norms import make_norm


class Block(nn.Module):
    """Attention and feed-forward part with residual sums and norm slots. (B, L, D) -> (B, L, D).

    Args:
        first: the lowest block, which in some models has no norm before its attention.
        reads_context: attends to another text, too.
    """

    def __init__(self, config: TransformerConfig, *, first: bool = False, reads_context: bool = False) -> None:
        super().__init__()

        def norm(position: NormPosition, wanted: bool = True) -> nn.Module:
            return make_norm(config) if wanted and config.norm_position == position else nn.Identity()

        self.norm_before_attention = norm("before", config.first_norm or not first)
        self.attention = Attention(config)
        self.norm_after_attention = norm("after")
        if reads_context:
            self.norm_before_context = norm("before")
            self.context_attention = Attention(config)
            self.norm_after_context = norm("after")
        self.reads_context = reads_context
        self.norm_before_feed_forward = norm("before")
        self.feed_forward = FeedForward(config)
        self.norm_after_feed_forward = norm("after")
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        hidden: Tensor,
        sequence: Tensor | None = None,
        *,
        view: View = View(),
        cache: KeyValues | None = None,
        context: Tensor | None = None,
        context_view: View = View(),
        context_cache: KeyValues | None = None,
    ) -> Tensor:
        """One step up the stack.

        Args:
            hidden: (B, L, D), the states that move up.
            sequence: (B, S, D), the states that they see; None: `hidden` itself. Another one where only some positions are
                wanted, where memories stand before the text, or where a query stream looks at a content stream.
            view: who sees whom in `sequence`, and where everything stands.
            cache: keys and values of earlier passes.
            context: (B, C, D), final states of another text.
            context_view: who sees whom in `context`.
            context_cache: keys and values of `context`.

        Returns:
            (B, L, D).
        """
        seen = None if sequence is None else self.norm_before_attention(sequence)
        mixed = self.attention(self.norm_before_attention(hidden), seen, view=view, cache=cache)
        hidden = self.norm_after_attention(hidden + self.dropout(mixed))
        if self.reads_context:
            asking = self.norm_before_context(hidden)
            mixed = self.context_attention(asking, context, view=context_view, cache=context_cache)
            hidden = self.norm_after_context(hidden + self.dropout(mixed))
        added = self.dropout(self.feed_forward(self.norm_before_feed_forward(hidden)))
        hidden = self.norm_after_feed_forward(hidden + added)
        return hidden
