"""Attention by products is torch's attention; what is not for it goes to torch's kernel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from fathom.model import Attention, View, Visibility, products
from fathom.model.products import _Products, weighted_values
from fathom.model.visibility import HIDDEN
from tests.tiny import config

HOW = {"dropout": 0.0, "scale": 0.5, "shared_keys": False}


def parts(rows: int, heads: int, queries: int, keys: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    shapes = ((rows, queries, heads, 4), (rows, keys, heads, 4), (rows, keys, heads, 4))
    return [torch.randn(shape, dtype=dtype).transpose(1, 2).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("at_once", [1, 100, 2**21])
@given(
    rows=st.integers(1, 4), queries=st.integers(1, 7), keys=st.integers(1, 7), by=st.integers(0, 3), seed=st.integers(0, 2**16)
)
def test_products_and_their_gradients_equal_torchs_kernel(
    at_once: int, rows: int, queries: int, keys: int, by: int, seed: int
) -> None:
    torch.manual_seed(seed)
    tensors, gradient = parts(rows, 3, queries, keys), torch.randn(rows, 3, queries, 4, dtype=torch.float64)
    shape = [None, (1, 1, 1, keys), (rows, 1, 1, keys), (rows, 3, queries, keys)][by]
    bias = None if shape is None else torch.randn(shape, dtype=torch.float64)
    expected = scaled_dot_product_attention(*tensors, attn_mask=bias, scale=0.5)
    wanted = torch.autograd.grad(expected, tensors, gradient)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_SCORES_AT_ONCE", at_once)
        found = _Products.apply(*tensors, bias, 0.5)
        got = torch.autograd.grad(found, tensors, gradient)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("case", ["small", "beyond the type", "far below 0", "nothing is seen"])
def test_products_of_scores_of_any_size_are_a_softmax(case: str, learning: bool, dtype: torch.dtype) -> None:
    query, key, value = (part.detach() for part in parts(2, 3, 8, 8, dtype))
    bias = torch.zeros(2, 1, 8, 8, dtype=dtype)
    if case == "beyond the type":
        query = 500 * query
    elif case == "far below 0":
        bias = bias - 500
    elif case == "nothing is seen":
        bias[0, :, 3] = HIDDEN
        bias[1, :, :, 5:] = HIDDEN
    exact = [part.double() for part in (query, key, value, bias)]
    expected = torch.softmax(exact[0] @ exact[1].mT * 0.5 + exact[3], dim=-1) @ exact[2]
    found = _Products.apply(query.requires_grad_(learning), key, value, bias, 0.5)
    seen = torch.ones(2, 1, 8, 1, dtype=torch.bool)
    seen[0, :, 3] = case != "nothing is seen"  # of what averages over everything, only that it is finite
    assert torch.isfinite(found).all()
    difference = ((found.double() - expected) * seen).norm() / (expected * seen).norm()
    large = case in ("beyond the type", "far below 0")  # where bfloat16 keeps little of a score
    assert difference < (1e-12 if dtype is torch.float64 else 0.5 if large else 0.02)


@pytest.fixture(autouse=True)
def few_scores_are_enough_on_a_processor_without_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_FEWEST_SCORES", 1)
    monkeypatch.setattr(products, "_KERNEL_USES_AMX", False)


def uses_products(monkeypatch: pytest.MonkeyPatch, *arguments: torch.Tensor | None, **how: object) -> bool:
    called = []
    with monkeypatch.context() as patch:
        patch.setattr(_Products, "apply", lambda *tensors: called.append(1) or tensors[0])
        weighted_values(*arguments, **{**HOW, **how})  # type: ignore[arg-type]
    return bool(called)


def test_products_are_for_bfloat16_and_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = parts(2, 3, 5, 6, torch.float32), parts(2, 3, 5, 6, torch.bfloat16)
    assert not uses_products(monkeypatch, *whole, None)
    assert uses_products(monkeypatch, *half, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert uses_products(monkeypatch, *whole, None)
    assert not uses_products(monkeypatch, *half, None, dropout=0.1)
    assert not uses_products(monkeypatch, *parts(2, 3, 1, 6, torch.bfloat16), None)
    learned = torch.zeros(1, 3, 5, 6, dtype=torch.bfloat16, requires_grad=True)
    assert not uses_products(monkeypatch, *half, learned)  # its gradient comes from torch's kernel
    assert uses_products(monkeypatch, *half, learned.detach())
    with monkeypatch.context() as patch:
        patch.setattr(products, "_MOST_SCORES", 3 * 5 * 6 - 1)
        assert not uses_products(monkeypatch, *half, None)
    with monkeypatch.context() as patch:
        patch.setattr(products, "_FEWEST_SCORES", 2 * 3 * 5 * 6 + 1)
        assert not uses_products(monkeypatch, *half, None)


def test_with_amx_products_are_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_KERNEL_USES_AMX", True)
    learning = parts(2, 3, 5, 6, torch.bfloat16)
    assert uses_products(monkeypatch, *learning, None)
    assert not uses_products(monkeypatch, *(part.detach() for part in learning), None)
    with torch.no_grad():
        assert not uses_products(monkeypatch, *learning, None)


def test_attention_in_bfloat16_is_near_to_float32_and_ignores_padding() -> None:
    torch.manual_seed(0)
    attention, hidden = Attention(config()), torch.randn(3, 7, 16)
    padding = torch.zeros(3, 7, dtype=torch.bool)
    padding[0, 4:] = True
    view = View(Visibility.padding(padding).score_bias(torch.float32))
    exact = attention(hidden, view=view)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention(hidden, view=view)
        changed = torch.where(padding[..., None], 9.0, hidden)
        again = attention(changed, view=view)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), exact, atol=0.02, rtol=0.02)
    assert torch.equal(found[~padding], again[~padding])
    found.float().square().sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() and p.grad.any()
        for p in (attention.query.weight, attention.value.weight)
    )
