import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from fathom.model import Attention, View, Visibility
from tests.tiny import config


def by_the_formula(attention: Attention, hidden: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """softmax(QKᵀ/√d_k + bias)V, one head after the other, concatenated and mapped: the guide's section 4.1."""
    queries, keys, values = attention.query(hidden), attention.key(hidden), attention.value(hidden)
    size, heads = attention.size_of_head, []
    for head in range(queries.shape[-1] // size):
        part = slice(head * size, (head + 1) * size)
        scores = queries[..., part] @ keys[..., part].transpose(1, 2) / math.sqrt(size)
        if bias is not None:
            scores = scores + bias[:, 0]
        heads.append(scores.softmax(-1) @ values[..., part])
    return attention.output(torch.cat(heads, -1))


@given(st.integers(1, 3), st.integers(1, 9), st.sampled_from([1, 2, 4]), st.integers(0, 2**16))
def test_attention_equals_the_formula(batch: int, length: int, heads: int, seed: int) -> None:
    torch.manual_seed(seed)
    attention = Attention(config(heads=heads)).eval()
    hidden = torch.randn(batch, length, 16)
    torch.testing.assert_close(attention(hidden), by_the_formula(attention, hidden), atol=1e-5, rtol=0)


def test_attention_with_visibility_equals_the_formula_and_torch() -> None:
    torch.manual_seed(0)
    attention, hidden = Attention(config()).eval(), torch.randn(3, 7, 16)
    padding = torch.zeros(3, 7, dtype=torch.bool)
    padding[0, 4:] = True
    visibility = Visibility.padding(padding) & Visibility.causal(7, 7)
    bias = visibility.score_bias(torch.float32)
    found = attention(hidden, view=View(bias))
    torch.testing.assert_close(found, by_the_formula(attention, hidden, bias), atol=1e-5, rtol=0)
    q, k, v = (map_(hidden).view(3, 7, 2, 8).transpose(1, 2) for map_ in (attention.query, attention.key, attention.value))
    theirs = scaled_dot_product_attention(q, k, v, attn_mask=visibility.visible)
    torch.testing.assert_close(found, attention.output(theirs.transpose(1, 2).flatten(2)), atol=1e-5, rtol=0)


def test_attention_of_a_row_that_sees_nothing_is_finite_and_so_is_its_gradient() -> None:
    attention = Attention(config())
    hidden = torch.randn(2, 5, 16, requires_grad=True)
    padding = torch.tensor([[True] * 5, [False] * 5])
    found = attention(hidden, view=View(Visibility.padding(padding).score_bias(torch.float32)))
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()


def test_attention_without_positions_does_not_know_the_order() -> None:
    torch.manual_seed(0)
    attention, hidden, order = Attention(config()).eval(), torch.randn(2, 6, 16), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(attention(hidden)[:, order], attention(hidden[:, order]), atol=1e-6, rtol=0)


def test_attention_to_another_sequence_takes_keys_and_values_from_it() -> None:
    torch.manual_seed(0)
    attention, hidden, context = Attention(config()).eval(), torch.randn(2, 3, 16), torch.randn(2, 6, 16)
    assert attention(hidden, context).shape == (2, 3, 16)
    torch.testing.assert_close(attention(context[:, :1], context), attention(context)[:, :1], atol=1e-6, rtol=0)


def test_attention_gradient_is_that_of_finite_differences() -> None:
    attention = Attention(config()).double().eval()
    hidden = torch.randn(1, 3, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attention, (hidden,))


def test_attention_drops_weights_in_training_only() -> None:
    torch.manual_seed(0)
    attention, hidden = Attention(config(attention_dropout=0.5)), torch.randn(1, 8, 16)
    attention.train()
    assert not torch.equal(attention(hidden), attention(hidden))
    attention.eval()
    assert torch.equal(attention(hidden), attention(hidden))


@pytest.mark.parametrize("key_heads", [1, 2, 4])
@pytest.mark.parametrize("hidden_keys", [False, True])
def test_attention_with_grouped_queries_equals_repeated_heads(key_heads: int, hidden_keys: bool) -> None:
    torch.manual_seed(0)
    grouped = Attention(config(heads=4, key_heads=key_heads)).train(hidden_keys)
    whole = Attention(config(heads=4)).train(hidden_keys)
    states = grouped.state_dict()
    for name in ("key", "value"):  # (K·d, D) -> (H·d, D), each head of keys as often as queries share it
        for part in ("weight", "bias"):
            heads = states[f"{name}.{part}"].unflatten(0, (key_heads, 4))
            states[f"{name}.{part}"] = heads.repeat_interleave(4 // key_heads, 0).flatten(0, 1)
    whole.load_state_dict(states)
    hidden = torch.randn(2, 6, 16)
    padding = torch.arange(6) >= torch.tensor([6, 3])[:, None]
    view = View(Visibility.padding(padding).score_bias(torch.float32)) if hidden_keys else View()
    torch.testing.assert_close(grouped(hidden, view=view), whole(hidden, view=view), atol=1e-6, rtol=0)
    for module in (grouped, whole):
        module(hidden, view=view).square().sum().backward()
    for name in ("query", "output"):
        found, expected = (getattr(module, name).weight.grad for module in (grouped, whole))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    repeated = whole.key.weight.grad.unflatten(0, (key_heads, 4 // key_heads, 4)).sum(1).flatten(0, 1)
    torch.testing.assert_close(grouped.key.weight.grad, repeated, atol=1e-5, rtol=1e-4)


def test_attention_scale_and_head_width_are_the_configurations() -> None:
    attention = Attention(config(head_width=6, attention_scale=0.7, attention_bias=False, attention_output_bias=False)).eval()
    hidden = torch.randn(2, 5, 16)
    assert attention.query.weight.shape == (12, 16)
    assert attention.output.weight.shape == (16, 12)
    assert not [name for name, _ in attention.named_parameters() if "bias" in name]
    q, k, v = (map_(hidden).view(2, 5, 2, 6).transpose(1, 2) for map_ in (attention.query, attention.key, attention.value))
    mixed = (q @ k.mT * 0.7).softmax(-1) @ v
    torch.testing.assert_close(attention(hidden), attention.output(mixed.transpose(1, 2).flatten(2)), atol=1e-6, rtol=0)


def test_visibility_refuses_what_is_not_four_dimensional_booleans() -> None:
    with pytest.raises(ValueError, match="booleans of shape"):
        Visibility(torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="float32"):
        Visibility(torch.ones(1, 1, 2, 2))


def test_visibility_causal_aligns_the_last_query_with_the_last_key() -> None:
    assert Visibility.causal(2, 4).visible[0, 0].int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
