import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fathom.model import Block, Transformer
from fathom.model.norms import make_norm
from tests.tiny import config


@given(st.integers(1, 9), st.integers(0, 2**16), st.sampled_from([1e-12, 1e-5, 0.1]))
def test_norms_equal_their_formulas(width: int, seed: int, eps: float) -> None:
    torch.manual_seed(seed)
    hidden, weight, bias = torch.randn(4, width) * 3 + 1, torch.randn(width), torch.randn(width)
    centred = hidden - hidden.mean(1, keepdim=True)
    by_layer = centred / (centred.square().mean(1, keepdim=True) + eps).sqrt() * weight
    by_rms = hidden / (hidden.square().mean(1, keepdim=True) + eps).sqrt() * weight
    for norm, with_bias, expected in (("layer", True, by_layer + bias), ("layer", False, by_layer), ("rms", True, by_rms)):
        module = make_norm(config(norm=norm, norm_bias=with_bias, norm_eps=eps), width)
        names = ["weight", "bias"] if norm == "layer" and with_bias else ["weight"]
        assert [name for name, parameter in module.named_parameters() if parameter is not None] == names
        module.weight.data.copy_(weight)
        if "bias" in names:
            module.bias.data.copy_(bias)
        torch.testing.assert_close(module(hidden), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_norms_of_a_constant_are_finite(norm: str) -> None:
    module = make_norm(config(norm=norm))
    hidden = torch.zeros(2, 16, requires_grad=True)
    module(hidden).sum().backward()
    assert torch.isfinite(module(hidden)).all()
    assert torch.isfinite(hidden.grad).all()


def test_norms_stand_where_the_configuration_says() -> None:
    slots = ("norm_before_attention", "norm_after_attention", "norm_before_feed_forward", "norm_after_feed_forward")
    for position in ("before", "after"):
        block = Block(config(norm_position=position))
        filled = {name for name in slots if not isinstance(getattr(block, name), nn.Identity)}
        assert filled == {name for name in slots if position in name}
        stack = Transformer(config(norm_position=position))
        assert isinstance(stack.final_norm, nn.Identity) == (position == "after")
        assert isinstance(stack.embeddings.norm, nn.Identity) == (position == "before")
    stack = Transformer(config(norm_position="before", first_norm=False, embedding_norm=True))
    assert [isinstance(block.norm_before_attention, nn.Identity) for block in stack.blocks] == [True, False]
    assert not isinstance(stack.embeddings.norm, nn.Identity)
    assert isinstance(Transformer(config(norm_position="before", final_norm=False)).final_norm, nn.Identity)
