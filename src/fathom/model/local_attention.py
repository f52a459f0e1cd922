"""Attention of blocks that see what is near, in time and memory that grow with the length of a text and not with its square.

The text is cut into blocks of 64 queries. All that one of them can see stands in a short row of keys:

    queries                    keys of one block
    ┌────┐        ┌────────┬────┬────────┬────────┬──────────────┐
    │ 64 │  ───►  │ window │ 64 │ window │ global │ random blocks│        one softmax over all of them
    └────┘        └────────┴────┴────────┴────────┴──────────────┘
                  (no window to the right in causal models)

Blocks then stand side by side like the rows of a batch, and `weighted_values` computes them. The windows of neighbours share
their memory. Global tokens, of which there are few, look at the whole text in a second call (Beltagy et al. 2020, 2004.05150;
Zaheer et al. 2020, 2007.14062). The result is that of `weighted_values` with the visibility of the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from fathom.model.positions import pick_rows
from fathom.model.products import weighted_values
from fathom.model.visibility import BLOCK, LocalVisibility, Visibility, at

Way = Literal["faster", "dense", "blocks"]  # how local layers are computed; the result is the same

# Measured on a CPU (benchmarks/long.py): a text is computed in blocks if it has so many tokens, and so many times the keys of a
# block. Global tokens and random blocks raise that, since their keys are copied to each block. Elsewhere the margin is wide: on
# an H200 blocks are slower up to 2,048 tokens, where both ways are the time of starting operations; longer was not measured.
_LEAST_TOKENS, _LEAST_TOKENS_ELSEWHERE = 512, 8192
_TIMES_THE_KEYS, _TIMES_THE_COPIED_KEYS, _TIMES_THE_KEYS_ELSEWHERE = 2, 3, 16


def pays_off(rule: LocalVisibility, device: torch.device) -> bool:
    """Whether blocks are faster than scores between all tokens."""
    keys, copied = BLOCK + sum(_sides(rule)), False
    if rule.keys < (_LEAST_TOKENS if device.type == "cpu" else _LEAST_TOKENS_ELSEWHERE):
        return False
    if rule.chosen is not None:
        keys, copied = keys + BLOCK * rule.chosen.shape[2], True
    if rule.is_global is not None:  # each token sees them, and they see each token
        keys, copied = keys + 2 * int(rule.is_global.sum(dim=1).max()), True
    if device.type != "cpu":
        return rule.keys >= _TIMES_THE_KEYS_ELSEWHERE * keys
    return rule.keys >= (_TIMES_THE_COPIED_KEYS if copied else _TIMES_THE_KEYS) * keys


@dataclass(frozen=True)
class GlobalTokens:
    """Those that see the whole text; G is the largest number in a row."""

    places: Tensor  # (B, G), filled up where a row has fewer
    bias: Tensor  # (B, 1, G, S)
    number: Tensor  # (B, S) which of them a token is; 0 where it is none
    is_global: Tensor  # (B, S) booleans


@dataclass(frozen=True)
class Blocks:
    """What the local layers of a pass share. N blocks a row."""

    rule: LocalVisibility
    bias: Tensor  # (B·N, 1, 64, keys of one block)
    global_tokens: GlobalTokens | None
    chosen: Tensor | None  # (B·N, R) the random blocks of each block, counted through the batch


def make_blocks(rule: LocalVisibility, rows: int, dtype: torch.dtype, device: torch.device) -> Blocks:
    """Prepares a pass over `rows` texts; `dtype` is that of the scores."""
    before, after = _sides(rule)
    count = -(-rule.keys // BLOCK)
    starts = BLOCK * torch.arange(count, device=device)[None, :, None, None]  # (1, N, 1, 1)
    queries = (starts + torch.arange(BLOCK, device=device)[:, None]).clamp(max=rule.keys - 1)  # (1, N, 64, 1)
    keys = starts + torch.arange(-before, BLOCK + after, device=device)  # (1, N, 1, window + 64 + window)
    inside = (keys >= 0) & (keys < rule.keys)
    keys = keys.clamp(0, rule.keys - 1)
    seen = [inside & rule.near(queries, keys) & rule.allowed(queries, keys)]
    global_tokens = chosen = None
    if rule.is_global is not None:
        global_tokens, exists = _global_tokens(rule, rule.is_global.expand(rows, -1), dtype)
        keys = global_tokens.places[:, None, None]  # (B, 1, 1, G)
        seen.append(exists[:, None, None] & ~rule.near(queries, keys) & rule.allowed(queries, keys))
    if rule.chosen is not None:
        again = (rule.chosen[..., :, None] == rule.chosen[..., None, :]).tril(-1).any(dim=-1)  # drawn twice: (B or 1, N, R)
        keys = BLOCK * rule.chosen[..., None] + torch.arange(BLOCK, device=device)  # (B or 1, N, R, 64)
        keys = keys.flatten(2)[:, :, None]  # (B or 1, N, 1, R·64)
        fresh = (keys < rule.keys) & ~again.repeat_interleave(BLOCK, dim=2)[:, :, None]
        keys = keys.clamp(max=rule.keys - 1)
        if rule.is_global is not None:
            fresh = fresh & ~at(rule.is_global, keys)
        seen.append(fresh & ~rule.near(queries, keys) & rule.allowed(queries, keys))
        chosen = (rule.chosen + count * torch.arange(rows, device=device)[:, None, None]).flatten(0, 1)
    every = torch.cat([part.expand(rows, count, BLOCK, -1) for part in seen], dim=3)
    return Blocks(rule, Visibility(every.flatten(0, 1)[:, None]).score_bias(dtype), global_tokens, chosen)


def local_attention(
    query: Tensor, key: Tensor, value: Tensor, blocks: Blocks, *, dropout: float, scale: float, shared_keys: bool
) -> Tensor:
    """As `weighted_values` with the visibility of `blocks.rule`.

    Args:
        query: (B, H, S, d).
        key: (B, K, S, d); H / K heads of queries share one, where `shared_keys` is true.
        value: (B, K, S, d).
        dropout: of attention weights.
        scale: of scores.

    Returns:
        (B, H, S, d). Where a query sees nothing, some average; otherwise nothing that it does not see matters.
    """
    how: dict[str, Any] = {"dropout": dropout, "scale": scale, "shared_keys": shared_keys}
    mixed = weighted_values(
        _cut(query).transpose(1, 2),  # (B·N, H, 64, d)
        _keys_of_blocks(key, blocks),
        _keys_of_blocks(value, blocks),
        blocks.bias,
        **how,
    )
    rows, heads, length, size = query.shape
    mixed = mixed.transpose(1, 2).reshape(rows, -1, heads, size)[:, :length].transpose(1, 2)  # (B, H, S, d)
    if (few := blocks.global_tokens) is not None:
        asked = pick_rows(query, few.places)
        answers = weighted_values(asked, key, value, few.bias, **how)  # (B, H, G, d)
        mixed = torch.where(few.is_global[:, None, :, None], pick_rows(answers, few.number), mixed)
    return mixed


def _sides(rule: LocalVisibility) -> tuple[int, int]:
    """How far a block sees before its first and after its last token."""
    return rule.window, 0 if rule.causal else rule.window


def _global_tokens(rule: LocalVisibility, is_global: Tensor, dtype: torch.dtype) -> tuple[GlobalTokens, Tensor]:
    """And (B, G) booleans: which of the places are those of a global token."""
    most = max(1, int(is_global.sum(dim=1).max()))
    places = is_global.long().argsort(dim=1, descending=True, stable=True)[:, :most]
    number = (is_global.cumsum(dim=1) - 1).clamp(0, most - 1)
    return GlobalTokens(places, rule.seen_from(places).score_bias(dtype), number, is_global), is_global.gather(1, places)


def _cut(heads: Tensor) -> Tensor:
    """(B, H, S, d) -> (B·N, 64, H, d), the last block of a text filled up."""
    missing = -heads.shape[2] % BLOCK
    tokens = heads.transpose(1, 2)  # (B, S, H, d)
    tokens = pad(tokens, (0, 0, 0, 0, 0, missing)) if missing else tokens
    return tokens.reshape(-1, BLOCK, *tokens.shape[2:])


def _keys_of_blocks(heads: Tensor, blocks: Blocks) -> Tensor:
    """(B, K, S, d) keys or values -> (B·N, K, keys of one block, d)."""
    before, after = _sides(blocks.rule)
    cut = _cut(heads)
    # all texts in one row: what reaches over into a neighbour's text is not seen
    row = pad(cut.flatten(0, 1), (0, 0, 0, 0, before, after))
    parts = [row.unfold(0, before + BLOCK + after, BLOCK).permute(0, 3, 1, 2)]  # (B·N, window + 64 + window, K, d), no copy
    if (few := blocks.global_tokens) is not None:
        found = pick_rows(heads, few.places).transpose(1, 2)  # (B, G, K, d)
        parts.append(found.repeat_interleave(len(cut) // len(heads), dim=0))
    if blocks.chosen is not None:
        parts.append(cut[blocks.chosen].flatten(1, 2))  # (B·N, R, 64, K, d) -> (B·N, R·64, K, d)
    return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)).transpose(1, 2)
