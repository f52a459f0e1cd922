"""The stack: embeddings, then blocks, then (usually, where norms come before) one last norm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fathom.model.attention import View
from fathom.model.block import Block
from fathom.model.cache import Cache
from fathom.model.config import TransformerConfig
from fathom.model.embeddings import Embeddings
from fathom.model.local_attention import Way, make_blocks, pays_off
from fathom.model.norms import make_norm
from fathom.model.positions import Rotary, relate, token_positions
from fathom.model.visibility import LocalVisibility, Visibility, first_tokens, random_blocks


class Transformer(nn.Module):
    """Token ids to one hidden state a token.

    Fresh weights are normal with `config.initializer_range`, biases zero, norms one.

    Args:
        reads_context: every block also attends to another text; the decoder of a pair of stacks.
        with_tokens: False where token vectors are handed in.
    """

    def __init__(self, config: TransformerConfig, *, reads_context: bool = False, with_tokens: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config, with_tokens=with_tokens)
        self.blocks = nn.ModuleList(
            Block(config, first=number == 0, reads_context=reads_context) for number in range(config.blocks)
        )
        has_final_norm = config.norm_position == "before" and config.final_norm
        self.final_norm = make_norm(config) if has_final_norm else nn.Identity()
        self.rotary = self.rotary_local = None
        if config.positions == "rotary":
            self.rotary = Rotary(config, config.rotary_base)
            self.rotary_local = Rotary(config, config.rotary_local_base) if config.rotary_local_base else self.rotary
        # the query stream of a permutation model starts from this vector, whatever the token (Yang et al. 2019, section 2.3)
        self.query_start = nn.Parameter(torch.empty(config.width)) if config.positions == "relative" else None
        if self.query_start is not None:
            nn.init.normal_(self.query_start, std=config.initializer_range)
        initialise(self, config.initializer_range)
        self.way_of_local_steps: Way = "faster"  # for those who measure, or want to see the weights between all tokens
        self.checkpoint_activations = False  # keep what goes into a block instead of all it makes, and run it again backwards

    @property
    def token_table(self) -> Tensor:
        """(V, E) vectors of the vocabulary, which may also be the output map."""
        assert self.embeddings.token is not None, "this stack has no token table"
        return self.embeddings.token.weight

    def forward(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        documents: Tensor | None = None,
        token_vectors: Tensor | None = None,
        cache: Cache | None = None,
        memory: Sequence[Tensor] | None = None,
        context: Tensor | None = None,
        context_padding_mask: Tensor | None = None,
        only_first: bool = False,
    ) -> Tensor:
        """(B, L) token ids -> (B, L, D) hidden states; arguments as for `hidden_states`."""
        return self.hidden_states(
            token_ids,
            padding_mask,
            segment_ids,
            position_ids=position_ids,
            documents=documents,
            token_vectors=token_vectors,
            cache=cache,
            memory=memory,
            context=context,
            context_padding_mask=context_padding_mask,
            only_first=only_first,
        )[-1]

    def hidden_states(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        documents: Tensor | None = None,
        token_vectors: Tensor | None = None,
        cache: Cache | None = None,
        memory: Sequence[Tensor] | None = None,
        context: Tensor | None = None,
        context_padding_mask: Tensor | None = None,
        only_first: bool = False,
    ) -> list[Tensor]:
        """All of them, each (B, L, D): after the embeddings, after each step (the last one after the final norm).

        Args:
            token_ids: (B, L) integers below `vocab_size`, L at most `max_length`.
            padding_mask: (B, L) booleans, with a cache (B, cached + L), True where padding; None where no row is padded.
                What stands at padded positions never changes the others; the states there mean nothing.
            segment_ids: (B, L) integers below `segments`; None: all 0.
            position_ids: (B or 1, L) integers. None: 0, 1, 2, …; in causal models, padding does not count.
            documents: (B, L) integers, which of several texts in a row a token belongs to: it sees that one only. Hand in
                positions that start anew in each, where positions are not distances.
            token_vectors: (B, L, D) in place of those of the table.
            cache: of a causal model, takes in what the pass adds.
            memory: of a relative model, the states below each block for the tokens before these, (B, M, D) each; see
                `remember`.
            context: (B, C, D) final states of another text, for stacks that read one.
            context_padding_mask: (B, C) booleans.
            only_first: the last state is the first position's alone, (B, 1, D), which saves most of the last block's work.

        Raises:
            ValueError: a cache and a memory.
        """
        config = self.config
        if cache is not None and memory:
            raise ValueError("there is a cache and a memory, expected one of them: both stand for the tokens before these")
        past = cache.length if cache is not None else 0
        position_ids = token_positions(config, token_ids, padding_mask, past) if position_ids is None else position_ids
        hidden = self.embeddings(token_ids, position_ids, segment_ids, token_vectors)
        remembered = memory[0].shape[1] if memory else 0
        views = self._views(hidden, padding_mask, segment_ids, position_ids, documents, past, remembered)
        context_view = View()
        if context_padding_mask is not None:
            context_view = View(Visibility.padding(context_padding_mask).score_bias(hidden.dtype))
        states, number, last = [hidden], 0, config.depth * config.blocks_in_group - 1
        for order, view in zip(config.block_order, views, strict=True):
            for block in order:
                sequence = None
                if memory:
                    sequence = torch.cat([memory[number], hidden], dim=1)
                if only_first and number == last:
                    sequence = hidden if sequence is None else sequence
                    view = view.rows(token_ids.new_zeros(len(token_ids), 1))
                    hidden = hidden[:, :1]
                hidden = self._run(
                    block,
                    hidden,
                    sequence,
                    view=view,
                    cache=None if cache is None else cache.blocks[number],
                    context=context,
                    context_view=context_view,
                    context_cache=None if cache is None else cache.contexts[number],
                )
                number += 1
            states.append(hidden)
        states[-1] = self.final_norm(hidden)
        return states

    def query_states(
        self,
        token_ids: Tensor,
        targets: Tensor,
        visible: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        memory: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """What a permutation model knows about some positions without having seen their tokens (Yang et al. 2019, section 2.3).

        Two streams go up the same blocks. The content stream sees tokens, each its own included; the query stream starts
        from one vector for all and sees, through the content stream, what `visible` lets it.

        Args:
            token_ids: (B, L).
            targets: (B, T) positions to know about. One that sees nothing, memory neither, gets an average over all
                tokens, its own included, as in the paper's code: guess none that comes first in its order.
            visible: (B, L, L) booleans, True where a query may see a key: those before it in the order of factorisation. Of
                shape (B, L, M + L), they also say which of M remembered tokens each query sees; otherwise it sees them all.
            memory: as for `hidden_states`.

        Returns:
            (B, T, D) final states of the query stream, and all states of the content stream.

        Raises:
            ValueError: a model without relative positions.
        """
        if self.query_start is None:
            raise ValueError(f"positions are {self.config.positions!r}; a query stream needs relative ones")
        rows, length = token_ids.shape
        remembered = memory[0].shape[1] if memory else 0
        position_ids = token_positions(self.config, token_ids, padding_mask)
        content = self.embeddings(token_ids, position_ids, segment_ids)
        query = self.embeddings.dropout(self.query_start.expand(rows, targets.shape[1], -1))
        shown = Visibility(visible[:, None])
        shown = shown if visible.shape[2] > length else shown.after(remembered)
        if padding_mask is not None:
            shown = shown & Visibility.padding(padding_mask).after(remembered)
        relation = relate(self.config.width, length, remembered, segment_ids, token_ids.device)
        itself = Visibility.itself(length, remembered + length, token_ids.device)
        content_view = View((shown | itself).score_bias(content.dtype), relation=relation)
        query_view = View(shown.score_bias(content.dtype), relation=relation).rows(targets)
        states = [content]
        for number, block in enumerate(block for step in self.config.block_order for block in step):
            sequence = torch.cat([memory[number], content], dim=1) if memory else content
            query = self._run(block, query, sequence, view=query_view)
            content = self._run(block, content, sequence, view=content_view)
            states.append(content)
        return self.final_norm(query), states

    def _run(self, block: int, hidden: Tensor, sequence: Tensor | None, **others: Any) -> Tensor:
        """One block; its dropout falls the same way when it is run again (Chen et al. 2016, 1604.06174)."""
        if self.checkpoint_activations and torch.is_grad_enabled() and others.get("cache") is None:
            again: Tensor = checkpoint(self.blocks[block], hidden, sequence, use_reentrant=False, **others)
            return again
        output: Tensor = self.blocks[block](hidden, sequence, **others)
        return output

    def _views(
        self,
        hidden: Tensor,
        padding_mask: Tensor | None,
        segment_ids: Tensor | None,
        position_ids: Tensor,
        documents: Tensor | None,
        past: int,
        remembered: int,
    ) -> Iterator[View]:
        """For each step up the stack; steps of a kind share theirs, unless each sees random blocks of its own."""
        length, device, config = hidden.shape[1], hidden.device, self.config
        keys = past + length
        made: dict[bool, View] = {}
        for step in range(config.depth):
            local = config.is_local(step)
            if local not in made or (local and config.random_blocks):
                bias = blocks = relation = turn = None
                if local and config.window is not None and keys > config.window + 1:
                    rule = self._local_visibility(step, keys, padding_mask, documents, device)
                    if self._in_blocks(rule, past, device):
                        blocks = make_blocks(rule, len(hidden), hidden.dtype, device)
                    else:
                        bias = rule.seen_from(torch.arange(past, keys, device=device)[None]).score_bias(hidden.dtype)
                elif (seen := self._visible(length, keys, padding_mask, documents, device)) is not None:
                    bias = seen.after(remembered).score_bias(hidden.dtype)
                if config.positions == "relative":
                    relation = relate(config.width, length, past + remembered, segment_ids, device)
                if self.rotary is not None and self.rotary_local is not None:
                    turn = (self.rotary_local if local else self.rotary)(position_ids)
                made[local] = View(bias, query_rotation=turn, key_rotation=turn, relation=relation, blocks=blocks)
            yield made[local]

    def _visible(
        self, length: int, keys: int, padding_mask: Tensor | None, documents: Tensor | None, device: torch.device
    ) -> Visibility | None:
        """What a block may see that sees everything that is visible."""
        parts = []
        if padding_mask is not None:
            parts.append(Visibility.padding(padding_mask))
        if documents is not None:
            parts.append(Visibility.within(documents))
        if self.config.causal and length > 1:
            parts.append(Visibility.causal(length, keys, device))
        return reduce(Visibility.__and__, parts) if parts else None

    def _local_visibility(
        self, step: int, keys: int, padding_mask: Tensor | None, documents: Tensor | None, device: torch.device
    ) -> LocalVisibility:
        """What a block may see that sees what is near."""
        config, is_global, chosen = self.config, None, None
        assert config.window is not None
        if config.global_tokens:
            is_global = first_tokens(config.global_tokens, keys, padding_mask, documents, device)
        if config.random_blocks:
            chosen = random_blocks(config.random_blocks, step, keys, padding_mask, device)
        return LocalVisibility(keys, config.window, config.causal, padding_mask, documents, is_global, chosen)

    def _in_blocks(self, rule: LocalVisibility, past: int, device: torch.device) -> bool:
        """Whether a local step is computed in blocks: where that is faster, and not for what follows tokens in a cache."""
        if past or self.way_of_local_steps == "dense":
            return False
        return self.way_of_local_steps == "blocks" or pays_off(rule, device)


def remember(states: Sequence[Tensor], length: int, memory: Sequence[Tensor] | None = None) -> list[Tensor]:
    """The memory for the next segment of a text: the last `length` states below each block, without gradients.

    Args:
        states: of `Transformer.hidden_states`.
        memory: what this segment itself remembered.

    Returns:
        For each block (B, M, D), M at most `length` (Dai et al. 2019, 1901.02860, section 3.2).
    """
    below = states[:-1]
    joined = below if memory is None else [torch.cat(pair, dim=1) for pair in zip(memory, below, strict=True)]
    return [state[:, max(0, state.shape[1] - length) :].detach() for state in joined]


def initialise(module: nn.Module, deviation: float) -> None:
    """Fresh weights for a module and all inside it: normal with `deviation`, biases zero, norms one."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=deviation)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
