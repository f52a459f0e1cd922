"""Token ids to the first hidden state: the sum of what a token is, where it stands and which segment it belongs to."""

from __future__ import annotations

from torch import Tensor, nn

from fathom.model.config import TransformerConfig
from fathom.model.dropout import Dropout
from fathom.model.norms import make_norm
from fathom.model.positions import make_positions


class Embeddings(nn.Module):
    """Token, position and segment vectors, summed, normalised, dropped out and, where they have a width of their own, mapped
    to the model's (Lan et al. 2020, 1909.11942, section 3.1). Parts that a model does not use are left out.

    Args:
        with_tokens: False where token vectors are handed in, because another stack holds their table.
    """

    def __init__(self, config: TransformerConfig, *, with_tokens: bool = True) -> None:
        super().__init__()
        width = config.embedding_width or config.width
        self.token = nn.Embedding(config.vocab_size, width) if with_tokens else None
        self.position = make_positions(config)
        by_relation = config.positions == "relative"  # segments then enter the scores of attention
        self.segment = nn.Embedding(config.segments, width) if config.segments and not by_relation else None
        self.norm = make_norm(config, width) if config.has_embedding_norm else nn.Identity()
        self.widen = nn.Identity() if config.embedding_width is None else nn.Linear(width, config.width)
        self.pad_id, self.padding_position = config.pad_id, config.padding_position
        self.scale = width**0.5 if config.scale_embeddings else 1.0
        self.dropout = Dropout(config.dropout if config.embedding_dropout is None else config.embedding_dropout)

    def forward(
        self,
        token_ids: Tensor,
        position_ids: Tensor,
        segment_ids: Tensor | None = None,
        token_vectors: Tensor | None = None,
    ) -> Tensor:
        """(B, L) integers -> (B, L, D).

        Args:
            position_ids: (B or 1, L) integers.
            segment_ids: (B, L) integers; None: every token belongs to segment 0.
            token_vectors: (B, L, D) in place of the table's.
        """
        if token_vectors is None:
            assert self.token is not None, "this stack has no token table; hand in token_vectors"
            token_vectors = self.token(token_ids)
        hidden: Tensor = token_vectors if self.scale == 1 else token_vectors * self.scale
        if self.segment is not None:
            hidden = hidden + (self.segment.weight[0] if segment_ids is None else self.segment(segment_ids))
        if self.position is not None:
            hidden = hidden + self.position(position_ids)
        hidden = self.widen(self.dropout(self.norm(hidden)))
        return hidden
