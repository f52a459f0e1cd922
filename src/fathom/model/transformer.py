"""The stack: embeddings, then blocks, then (where norms come before) one last norm."""

from __future__ import annotations

from torch import Tensor, nn

from fathom.model.block import Block
from fathom.model.config import TransformerConfig
from fathom.model.embeddings import Embeddings
from fathom.model.visibility import Visibility


class Transformer(nn.Module):
    """Token ids to one hidden state a token.

    Fresh weights are normal with `config.initializer_range`, biases zero, norms one.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.final_norm = nn.LayerNorm(config.width, config.norm_eps) if config.norm_position == "before" else nn.Identity()
        initialise(self, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        only_first: bool = False,
    ) -> Tensor:
        """(B, L) token ids -> (B, L, D) hidden states.

        Args:
            token_ids: (B, L) integers below `vocab_size`, L at most `max_length`.
            padding_mask: (B, L) booleans, True where padding; None where no row is padded. What stands at padded
                positions never changes the others; the states there mean nothing.
            segment_ids: (B, L) integers below `segments`; None: all 0.
            only_first: give the first position's state alone, (B, 1, D), and save most of the last block's work.
        """
        return self.hidden_states(token_ids, padding_mask, segment_ids, only_first=only_first)[-1]

    def hidden_states(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        only_first: bool = False,
    ) -> list[Tensor]:
        """All of them, each (B, L, D): after the embeddings, after each step (the last one after the final norm)."""
        hidden = self.embeddings(token_ids, segment_ids)
        bias = None if padding_mask is None else Visibility.padding(padding_mask).score_bias(hidden.dtype)
        states = [hidden]
        left = self.config.depth * self.config.blocks_in_group
        for step in self.config.block_order:
            for number in step:
                left -= 1
                hidden = self.blocks[number](hidden, bias, only_first=only_first and left == 0)
            states.append(hidden)
        states[-1] = self.final_norm(hidden)
        return states


def initialise(module: nn.Module, deviation: float) -> None:
    """Fresh weights for a module and all inside it: normal with `deviation`, biases zero, norms one."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=deviation)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
