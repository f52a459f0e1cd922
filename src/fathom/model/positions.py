"""Where a token stands. Attention alone cannot tell: it gives the same answer for any order of its keys.

Absolute positions are vectors that are added to the token's. Learned ones (BERT, GPT-2) are a table that training fills;
sinusoidal ones (Vaswani et al. 2017, section 3.5) are computed, need no training and no parameters:

    PE(p, 2i) = sin(p / 10000^(2i/D))        PE(p, 2i+1) = cos(p / 10000^(2i/D))

Rotary positions (Su et al. 2021, 2104.09864) turn each pair (i, i + d/2) of a query and of a key by the angle p / base^(2i/d);
the score of a turned query with a turned key then depends on the distance alone.

Relative positions (Dai et al. 2019, 1901.02860; Yang et al. 2019, 1906.08237) add to the score what the query makes of the
distance to the key, and of whether both belong to the same text:

    score = (q + u)·k + (q + v)·W r(distance) + (q + s)·e(same or other)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from fathom.model.config import TransformerConfig


def token_positions(config: TransformerConfig, token_ids: Tensor, padding_mask: Tensor | None, past: int = 0) -> Tensor:
    """Where the tokens stand, after `past` cached ones: (1, L) integers, or (B, L) where they depend on what is padding."""
    length = token_ids.shape[1]
    if config.padding_position is not None:
        real = token_ids != config.pad_id
        if padding_mask is not None:  # what stands in the padding does not count
            real = real & ~padding_mask
        return real.cumsum(dim=1) * real + config.padding_position
    if config.causal and padding_mask is not None:
        return ((~padding_mask).cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
    return torch.arange(past, past + length, device=token_ids.device)[None]


class LearnedPositions(nn.Embedding):
    """A vector for each position, learned. `forward(position_ids)`: (…, L) integers -> (…, L, D)."""


class SinusoidalPositions(nn.Module):
    """A fixed vector for each position: sines in even entries and cosines in odd ones, or each in a half of its own."""

    table: Tensor

    def __init__(self, max_length: int, width: int, *, halves: bool = False) -> None:
        super().__init__()
        table = sinusoids(torch.arange(max_length), width)  # sines, then cosines
        if not halves:
            half = (width + 1) // 2
            turns = torch.empty(max_length, width)
            turns[:, 0::2] = table[:, :half]
            turns[:, 1::2] = table[:, half:]
            table = turns
        self.register_buffer("table", table, persistent=False)

    def forward(self, position_ids: Tensor) -> Tensor:
        """(…, L) integers -> (…, L, D)."""
        return self.table[position_ids]


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """(P,) positions -> (P, width): the sines of all angles, then their cosines."""
    angles = positions[:, None] / 10000 ** (torch.arange(0, width, 2, device=positions.device) / width)  # (P, ceil(D/2))
    return torch.cat([angles.sin(), angles.cos()[:, : width // 2]], dim=1)


@dataclass(frozen=True)
class Rotation:
    """By how much a pass turns its queries and its new keys: cosines and sines, each (B or 1, 1, length, head width)."""

    cosines: Tensor
    sines: Tensor

    def __call__(self, heads: Tensor) -> Tensor:
        """(B, H, length, head width) -> the same, turned. Halves of a head belong together, as in published checkpoints."""
        first, second = heads.chunk(2, dim=-1)
        return heads * self.cosines.to(heads.dtype) + torch.cat((-second, first), dim=-1) * self.sines.to(heads.dtype)


class Rotary(nn.Module):
    """The angles of a model. `forward(position_ids)`: (B or 1, L) integers -> `Rotation`."""

    frequencies: Tensor

    def __init__(self, config: TransformerConfig, base: float) -> None:
        super().__init__()
        frequencies = base ** -(torch.arange(0, config.size_of_head, 2).float() / config.size_of_head)  # radians a token
        self.register_buffer("frequencies", _slowed_down(frequencies, config), persistent=False)

    def forward(self, position_ids: Tensor) -> Rotation:
        """(B or 1, L) integers -> the turns of those positions."""
        angles = position_ids[:, None, :, None].float() * self.frequencies.float()  # (B or 1, 1, L, head width / 2)
        angles = torch.cat((angles, angles), dim=-1)
        return Rotation(angles.cos(), angles.sin())


def _slowed_down(frequencies: Tensor, config: TransformerConfig) -> Tensor:
    """For longer texts: all angles alike ("linear"; Chen et al. 2023, 2306.15595), or slow ones only ("llama3")."""
    if config.rotary_scaling == "linear":
        return frequencies / config.rotary_factor
    if config.rotary_scaling == "llama3":  # Llama 3.1: between two numbers of turns, the factor sets in gradually
        assert config.rotary_length is not None
        turns = config.rotary_length * frequencies / (2 * math.pi)
        kept = ((turns - config.rotary_low) / (config.rotary_high - config.rotary_low)).clamp(0, 1)
        return kept * frequencies + (1 - kept) * frequencies / config.rotary_factor
    return frequencies


@dataclass(frozen=True)
class Relation:
    """How far the keys of a pass are from its queries, and which belong to the same text."""

    encodings: Tensor  # (P, D) a vector for each distance, the largest first
    index: Tensor  # (B or 1, L, S) which of them is between query and key
    same_segment: Tensor | None  # (B, L, S) booleans; None: there is one text

    def rows(self, targets: Tensor) -> Relation:
        """Of the queries at some places of each row. `targets`: (B, T) integers."""
        same = None if self.same_segment is None else pick_rows(self.same_segment, targets)
        return replace(self, index=pick_rows(self.index, targets), same_segment=same)


def pick_rows(matrices: Tensor, rows: Tensor) -> Tensor:
    """(B or 1, …, L, S), (B, T) integers -> (B, …, T, S)."""
    between = matrices.shape[1:-2]
    index = rows.view(len(rows), *[1] * len(between), -1, 1).expand(-1, *between, -1, matrices.shape[-1])
    return matrices.expand(len(rows), *matrices.shape[1:]).gather(-2, index)


def relate(width: int, length: int, remembered: int, segment_ids: Tensor | None, device: torch.device) -> Relation:
    """The relation of a text to itself and to so many tokens remembered from before it, which belong to segment 0.

    Args:
        width: of a distance's vector.
        segment_ids: (B, length) integers, or None where there is one text.
    """
    keys = torch.arange(remembered + length, device=device)
    farthest = remembered + length - 1
    distances = torch.arange(farthest, -length, -1, device=device)
    same = None
    if segment_ids is not None:
        known = functional.pad(segment_ids, (remembered, 0), value=0)
        same = segment_ids[:, :, None] == known[:, None, :]
    return Relation(sinusoids(distances, width), (farthest - (keys[remembered:, None] - keys))[None], same)


class RelativePositions(nn.Module):
    """What one block makes of a `Relation`."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        heads, size = config.heads, config.size_of_head
        self.distance = nn.Linear(config.width, heads * size, bias=False)  # W
        self.content_bias = nn.Parameter(torch.empty(heads, size))  # u
        self.distance_bias = nn.Parameter(torch.empty(heads, size))  # v
        self.segment_bias = nn.Parameter(torch.empty(heads, size))  # s
        self.segment = nn.Parameter(torch.empty(2, heads, size))  # e, for the same text and for another
        for parameter in (self.content_bias, self.distance_bias, self.segment_bias, self.segment):
            nn.init.normal_(parameter, std=config.initializer_range)

    def forward(self, query: Tensor, relation: Relation) -> tuple[Tensor, Tensor]:
        """(B, H, L, d) queries -> the queries that meet the keys, and what is added to their products, (B, H, L, S)."""
        encodings = self.distance(relation.encodings.to(query.dtype))
        by_distance = encodings.view(-1, *self.content_bias.shape).transpose(0, 1)  # (P, H·d) -> (H, P, d)
        added = (query + self.distance_bias[:, None]) @ by_distance.mT  # (B, H, L, P)
        index = relation.index[:, None].expand(*added.shape[:3], -1)
        added = added.gather(3, index)  # (B, H, L, S)
        if relation.same_segment is not None:
            asked = query + self.segment_bias[:, None]
            same, other = ((asked * vector[:, None]).sum(dim=-1, keepdim=True) for vector in self.segment)  # (B, H, L, 1)
            added = added + torch.where(relation.same_segment[:, None], same, other)
        return query + self.content_bias[:, None], added


def make_positions(config: TransformerConfig) -> nn.Module | None:
    """The module of absolute positions that `config.positions` names; None where a model has none."""
    width = config.embedding_width or config.width
    if config.positions == "learned":
        before = 0 if config.padding_position is None else config.padding_position + 1  # rows that no token uses
        return LearnedPositions(config.max_length + before, width)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.max_length, width, halves=config.sinusoidal_halves)
    return None
