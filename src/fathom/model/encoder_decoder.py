"""The original Transformer (Vaswani et al. 2017): one stack reads a text, the other writes one and looks at it.

    source ids ─► encoder ─► states ─┐
    target ids ─► decoder, each block also attending to ◄─┘ ─► scores for the next token

Both stacks are the same class; token vectors and output map are one table.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fathom.model.cache import Cache
from fathom.model.config import TransformerConfig
from fathom.model.transformer import Transformer


class EncoderDecoder(nn.Module):
    """A text from another text.

    Raises:
        ValueError: the configuration has no decoder.
    """

    bias: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        if config.decoder_depth == 0:
            raise ValueError("decoder_depth is 0, expected at least 1 for a model that writes a text from another")
        self.config = config
        self.encoder = Transformer(replace(config, decoder_depth=0))
        decoder = replace(config, depth=config.decoder_depth, decoder_depth=0, causal=True)
        self.decoder = Transformer(decoder, reads_context=True, with_tokens=False)
        self.register_buffer("bias", torch.zeros(config.vocab_size))  # added to the scores; not trained

    def forward(
        self,
        source_ids: Tensor,
        target_ids: Tensor,
        source_padding_mask: Tensor | None = None,
        target_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """(B, S) source and (B, L) target ids -> (B, L, V) logits of the next target token."""
        states = self.encode(source_ids, source_padding_mask)
        return self.decode(target_ids, states, source_padding_mask, padding_mask=target_padding_mask)

    def encode(self, source_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """(B, S) token ids -> (B, S, D) final states of the encoder. `padding_mask`: True where padding."""
        states: Tensor = self.encoder(source_ids, padding_mask)
        return states

    def decode(
        self,
        token_ids: Tensor,
        states: Tensor,
        source_padding_mask: Tensor | None = None,
        *,
        padding_mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """(B, L) target ids and (B, S, D) encoder states -> (B, L, V) logits of the next token.

        Args:
            source_padding_mask: (B, S), True where padding.
            padding_mask: (B, L), with a cache (B, cached + L).
            cache: of `new_cache`; takes in what the pass adds.
        """
        table = self.encoder.token_table
        hidden = self.decoder(
            token_ids,
            padding_mask,
            token_vectors=nn.functional.embedding(token_ids, table),
            cache=cache,
            context=states,
            context_padding_mask=source_padding_mask,
        )
        return linear(hidden, table, self.bias)

    def new_cache(self) -> Cache:
        """An empty cache for `decode`."""
        return Cache(self.decoder.config)
