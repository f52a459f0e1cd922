"""Rotary and relative positions by their definitions, with loops where the code has matrices."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fathom.model import Attention, View, Visibility
from fathom.model.positions import RelativePositions, Rotary, Rotation, pick_rows, relate
from tests.tiny import config


@given(
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(0, 3000),
    st.sampled_from([2, 4, 10]),
    st.sampled_from([10.0, 1e4, 5e5]),
    st.sampled_from([{}, {"rotary_scaling": "linear", "rotary_factor": 4.0}]),
    st.integers(0, 2**16),
)
def test_rotary_scores_depend_on_the_distance_alone(
    query_at: int, key_at: int, shift: int, size: int, base: float, scaling: dict, seed: int
) -> None:
    torch.manual_seed(seed)
    rotary = Rotary(config(head_width=size, positions="rotary", **scaling), base)
    query, key = torch.randn(2, 1, 1, 1, size, dtype=torch.float64)

    def score(one: int, other: int) -> Tensor:
        return rotary(torch.tensor([[one]]))(query) @ rotary(torch.tensor([[other]]))(key).mT

    torch.testing.assert_close(score(query_at + shift, key_at + shift), score(query_at, key_at), atol=5e-3, rtol=0)
    if query_at == key_at:
        torch.testing.assert_close(score(query_at, key_at), query @ key.mT, atol=1e-3, rtol=0)


def test_rotary_turns_pairs_of_entries_by_the_papers_angles() -> None:
    rotary = Rotary(config(head_width=6, positions="rotary"), 100.0)
    heads = torch.randn(1, 2, 5, 6)
    turned = rotary(torch.tensor([[0, 1, 2, 7, 40]]))(heads)
    for place, position in enumerate((0, 1, 2, 7, 40)):
        for pair in range(3):
            angle = position / 100.0 ** (2 * pair / 6)
            first, second = heads[0, :, place, pair], heads[0, :, place, pair + 3]
            expected = torch.stack(
                [first * math.cos(angle) - second * math.sin(angle), second * math.cos(angle) + first * math.sin(angle)], -1
            )
            torch.testing.assert_close(turned[0, :, place, [pair, pair + 3]], expected, atol=1e-5, rtol=0)


def test_rotary_scaling_for_llama3_slows_only_what_turns_slowly() -> None:
    plain = Rotary(config(head_width=64, positions="rotary"), 1e4).frequencies
    scaled = Rotary(
        config(head_width=64, positions="rotary", rotary_scaling="llama3", rotary_factor=8.0, rotary_length=256), 1e4
    ).frequencies
    turns = 256 * plain / (2 * math.pi)
    assert torch.equal(scaled[turns > 4], plain[turns > 4])
    torch.testing.assert_close(scaled[turns < 1], plain[turns < 1] / 8)
    between = (turns >= 1) & (turns <= 4)
    assert between.any()
    assert (scaled[between] <= plain[between]).all()
    assert (scaled[between] >= plain[between] / 8).all()


def relative_by_the_formula(
    attention: Attention, hidden: Tensor, sequence: Tensor, segments: Tensor | None, remembered: int
) -> Tensor:
    """((q + u)·k + (q + v)·W r(distance) + (q + s)·e(same or other)) / √d, softmax, values: one score after the other."""
    relative = attention.relative
    assert relative is not None
    batch, length, width = hidden.shape
    size = attention.size_of_head
    heads = relative.content_bias.shape[0]
    query = attention.query(hidden).view(batch, length, heads, size)
    key, value = (map_(sequence).view(batch, -1, heads, size) for map_ in (attention.key, attention.value))
    mixed = torch.zeros(batch, length, heads, size)
    for row in range(batch):
        for head in range(heads):
            for place in range(length):
                scores = []
                asked = query[row, place, head]
                for other in range(key.shape[1]):
                    distance = place + remembered - other
                    angles = [distance / 10000 ** (2 * i / width) for i in range(width // 2)]
                    wave = torch.tensor([math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles])
                    encoded = relative.distance(wave).view(heads, size)[head]
                    score = (asked + relative.content_bias[head]) @ key[row, other, head]
                    score = score + (asked + relative.distance_bias[head]) @ encoded
                    if segments is not None:
                        there = 0 if other < remembered else segments[row, other - remembered]
                        kind = 0 if segments[row, place] == there else 1
                        score = score + (asked + relative.segment_bias[head]) @ relative.segment[kind, head]
                    scores.append(score / math.sqrt(size))
                mixed[row, place, head] = torch.stack(scores).softmax(0) @ value[row, :, head]
    return attention.output(mixed.flatten(2))


@pytest.mark.parametrize("remembered", [0, 3])
@pytest.mark.parametrize("with_segments", [False, True])
def test_relative_attention_equals_the_formula(remembered: int, with_segments: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(config(positions="relative", initializer_range=0.5)).eval()
    hidden, memory = torch.randn(2, 5, 16), torch.randn(2, remembered, 16)
    sequence = torch.cat([memory, hidden], 1)
    segments = torch.tensor([[0, 0, 1, 1, 2], [1, 0, 0, 2, 1]]) if with_segments else None
    relation = relate(16, 5, remembered, segments, torch.device("cpu"))
    with torch.no_grad():
        found = attention(hidden, sequence, view=View(relation=relation))
        expected = relative_by_the_formula(attention, hidden, sequence, segments, remembered)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_relative_segments_that_are_all_the_same_change_nothing() -> None:
    attention = Attention(config(positions="relative", initializer_range=0.5)).eval()
    hidden = torch.randn(2, 6, 16)
    views = [View(relation=relate(16, 6, 0, kinds, torch.device("cpu"))) for kinds in (None, torch.ones(2, 6).long())]
    torch.testing.assert_close(attention(hidden, view=views[0]), attention(hidden, view=views[1]), atol=1e-6, rtol=0)


def test_relative_scores_are_a_function_of_the_distance() -> None:
    module = RelativePositions(config(positions="relative", initializer_range=0.5))
    query = torch.randn(1, 2, 1, 8).expand(-1, -1, 7, -1)  # the same at every place
    _, added = module(query, relate(16, 7, 0, None, torch.device("cpu")))
    for distance in range(-6, 7):
        diagonal = added[0].diagonal(-distance, 1, 2)  # (H, places)
        torch.testing.assert_close(diagonal, diagonal[:, :1].expand_as(diagonal), atol=1e-6, rtol=0)


@given(st.integers(1, 7), st.integers(0, 5))
def test_relation_names_the_distance_of_every_pair(length: int, remembered: int) -> None:
    relation = relate(8, length, remembered, None, torch.device("cpu"))
    for place in range(length):
        for other in range(remembered + length):
            distance = place + remembered - other
            angles = torch.tensor([distance / 10000 ** (2 * i / 8) for i in range(4)])
            expected = torch.cat([angles.sin(), angles.cos()])
            torch.testing.assert_close(relation.encodings[relation.index[0, place, other]], expected, atol=1e-5, rtol=0)


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.booleans(), st.integers(0, 3), st.data())
def test_rows_are_picked_one_by_one(
    batch: int, length: int, keys: int, targets: int, shared: bool, heads: int, data: st.DataObject
) -> None:
    between = (heads,) if heads else ()
    matrices = torch.randn(1 if shared else batch, *between, length, keys)
    rows = torch.tensor(data.draw(st.lists(st.integers(0, length - 1), min_size=batch * targets, max_size=batch * targets)))
    found = pick_rows(matrices, rows.view(batch, targets))
    assert found.shape == (batch, *between, targets, keys)
    for row in range(batch):
        for number in range(targets):
            expected = matrices[0 if shared else row, ..., rows.view(batch, targets)[row, number], :]
            assert torch.equal(found[row, ..., number, :], expected)


def test_view_of_some_queries_gives_what_the_view_of_all_gives_them() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([[4, 0, 4], [2, 1, 5]])
    hidden = torch.randn(2, 6, 16)
    chosen = hidden.gather(1, targets[..., None].expand(-1, -1, 16))
    padding = torch.arange(6) >= torch.tensor([6, 4])[:, None]
    per_head = torch.randn(2, 2, 6, 6)
    turn = Rotary(config(positions="rotary"), 10.0)(torch.tensor([[0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 3, 4]]))
    shared_turn = Rotary(config(positions="rotary"), 10.0)(torch.arange(6)[None])
    relation = relate(16, 6, 0, torch.randint(0, 2, (2, 6)), torch.device("cpu"))
    causal, seen = Visibility.causal(6, 6), Visibility.padding(padding)
    for kind, view in {
        "none": View(),
        "bias of keys": View(seen.score_bias(torch.float32)),
        "bias of queries": View(causal.score_bias(torch.float32)),
        "bias of rows": View((seen & causal).score_bias(torch.float32)),
        "bias of heads": View(per_head),
        "turns": View(query_rotation=turn, key_rotation=turn),
        "turns of all rows": View((seen & causal).score_bias(torch.float32), shared_turn, shared_turn),
        "relation": View((seen & causal).score_bias(torch.float32), relation=relation),
    }.items():
        shape = {"relation": "relative", "turns": "rotary", "turns of all rows": "rotary"}.get(kind, "none")
        attention = Attention(config(positions=shape, initializer_range=0.5)).eval()
        whole = attention(hidden, view=view).gather(1, targets[..., None].expand(-1, -1, 16))
        torch.testing.assert_close(attention(chosen, hidden, view=view.rows(targets)), whole, atol=1e-5, rtol=0, msg=kind)


def test_rotation_keeps_the_length_of_a_vector() -> None:
    angles = torch.rand(1, 1, 5, 8) * 6
    half = angles[..., :4]
    angles = torch.cat([half, half], -1)
    heads = torch.randn(2, 3, 5, 8)
    turned = Rotation(angles.cos(), angles.sin())(heads)
    torch.testing.assert_close(turned.norm(dim=-1), heads.norm(dim=-1))
