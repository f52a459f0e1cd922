"""A configuration that makes no model is refused, and the field named with its value."""

import math
from dataclasses import MISSING, fields
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.model import Transformer, TransformerConfig
from tests.tiny import config

OUT_OF_RANGE: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length"), (0, -1)),
    **dict.fromkeys(("key_heads", "head_width", "embedding_width", "rotary_length", "blocks_in_group"), (0, -3)),
    **dict.fromkeys(("decoder_depth", "segments", "window", "padding_position"), (-1,)),
    **dict.fromkeys(("global_tokens", "random_blocks"), (-1, 1)),  # where no layer is local
    "groups": (0, 3),
    "pad_id": (-1, 200),
    "start_id": (-1, 200),
    "pattern": ("", "x", "gL"),
    **dict.fromkeys(("norm_eps", "rotary_base", "rotary_local_base", "rotary_factor", "attention_scale"), (0.0, -1.0)),
    **dict.fromkeys(("rotary_low", "initializer_range"), (-0.1,)),
    **dict.fromkeys(
        ("dropout", "embedding_dropout", "attention_dropout", "activation_dropout", "classifier_dropout", "token_dropout"),
        (1.0, -0.1, 7),
    ),
}
ANY = {"rotary_high"}  # only what it must exceed limits it


@pytest.mark.parametrize("field", fields(TransformerConfig), ids=lambda field: field.name)
def test_every_field_refuses_what_is_out_of_range_or_of_another_type(field: Any) -> None:
    kind = field.type
    wrong = list(OUT_OF_RANGE.get(field.name, ()))
    if "float" in kind:
        wrong += [math.nan, math.inf, -math.inf]
    wrong += ["tape", [], {}, 2 + 1j]
    if "bool" in kind:
        wrong += [0, 1, 0.0]
    elif "int" in kind:
        wrong += [2.0, 1.5, True]
    elif "float" in kind:
        wrong += [True]
    else:
        wrong += [0, True]
    if "None" not in kind:
        wrong.append(None)
    for value in wrong:
        with pytest.raises(ValueError, match=f"{field.name} is .*, expected"):
            config(**{field.name: value})
    assert field.name in OUT_OF_RANGE or ("int" not in kind and ("float" not in kind or field.name in ANY))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "heads is 3, expected a divisor of width 16"),
        ({"heads": 4, "key_heads": 3}, "key_heads is 3, expected a divisor of heads 4"),
        ({"pattern": "gl"}, "window is None"),
        ({"positions": "rotary", "head_width": 3}, "head_width is 3, expected an even number"),
        ({"positions": "rotary", "width": 6}, "head_width is 3, expected an even number"),
        ({"positions": "rotary", "rotary_scaling": "llama3"}, "rotary_length is None"),
        ({"rotary_scaling": "llama3", "rotary_length": 9, "rotary_low": 4.0}, "rotary_high is 4.0, expected above rotary_low"),
        ({"padding_position": 1, "positions": "sinusoidal"}, "positions is 'sinusoidal', expected learned"),
        ({"blocks_in_group": 2}, "blocks_in_group is 2, expected 1, where groups is None"),
        ({"groups": 3}, "groups is 3, expected 1 to depth 2"),
        ({"positions": "relative", "pattern": "gl", "window": 2}, "pattern is 'gl', expected g alone"),
        ({"global_tokens": 1}, "global_tokens is 1, expected 0, where pattern has no l"),
        ({"random_blocks": 1}, "random_blocks is 1, expected 0, where pattern has no l"),
        ({"random_blocks": 1, "pattern": "l", "window": 2, "causal": True}, "random_blocks is 1, expected 0, in a model that"),
        ({"random_blocks": 1, "pattern": "l", "window": 2, "decoder_depth": 1}, "random_blocks is 1, expected 0, in a model"),
        ({"positions": "relative", "groups": 1, "blocks_in_group": 2}, "blocks_in_group is 2, expected 1, for relative"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_whole_numbers_are_numbers() -> None:
    assert config(dropout=0, rotary_base=10_000).dropout == 0


@given(st.integers(1, 24), st.data())
def test_groups_cover_the_steps_in_order(depth: int, data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, depth))
    inner = data.draw(st.integers(1, 3))
    shape = config(depth=depth, groups=groups, blocks_in_group=inner)
    order = shape.block_order
    assert len(order) == depth
    assert [len(step) for step in order] == [inner] * depth
    flat = [block for step in order for block in step]
    assert sorted(set(flat)) == list(range(shape.blocks)) == list(range(groups * inner)), "every block runs"
    assert [step[0] for step in order] == sorted(step[0] for step in order)


@given(st.text("gl", min_size=1, max_size=5), st.integers(1, 12))
def test_patterns_repeat_up_the_stack(pattern: str, depth: int) -> None:
    shape = config(pattern=pattern, window=3, depth=depth)
    assert [shape.is_local(step) for step in range(depth)] == [pattern[step % len(pattern)] == "l" for step in range(depth)]


def test_required_fields_are_the_sizes() -> None:
    required = [field.name for field in fields(TransformerConfig) if field.default is MISSING]
    assert required == ["vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length"]
    with torch.device("meta"):
        Transformer(TransformerConfig(**dict.fromkeys(required, 1)))
