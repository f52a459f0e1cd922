"""softmax(scale · Q Kᵀ + bias) V, and which of two ways computes it: torch's kernel, or three matrix products.

torch's kernel for CPUs makes no use of the instructions for bfloat16 that matrix products use, but for AMX forward: at 256
tokens in heads of 32 the products take 0.6 of its time forward without AMX, and 0.4 to 0.5 forward and backward on either
(docs/speed.md). They hold the weights of some texts at a time, few enough to stay in the processor's cache, and round scores to
bfloat16, as they do everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn.functional import scaled_dot_product_attention

_SCORES_AT_ONCE = 2**21  # of some texts, 4 MB in bfloat16: about what a core's caches hold
_FEWEST_SCORES = 2**14  # of all texts; with fewer, calling several operations takes longer than the kernel
_LEAST_SUM = 1e-30  # of e to the power of scores; float32 and bfloat16 hold 1e-38 to 3e38
_MOST_SCORES = 2**24  # of one text; with more, the kernel, which keeps none of them
_KERNEL_USES_AMX = torch.cpu._is_amx_tile_supported()  # forward, where it takes 0.6 to 0.9 of the products' time


def weighted_values(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, dropout: float, scale: float, shared_keys: bool
) -> Tensor:
    """Each query's mean of the values, weighted by how well their keys fit.

    Args:
        query: (B, H, L, d).
        key: (B, K, S, d); H / K heads of queries share one, where `shared_keys` is true.
        value: (B, K, S, d).
        bias: added to the scores, broadcast to (B, H, L, S).
        dropout: of weights.
        scale: of scores.

    Returns:
        (B, H, L, d).
    """
    lower = lower_precision(query)
    if dropout or shared_keys or lower is not torch.bfloat16 or not _is_for_products(query, key, bias):
        return scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale, enable_gqa=shared_keys
        )
    bias = None if bias is None else bias.to(lower)
    mixed: Tensor = _Products.apply(query.to(lower), key.to(lower), value.to(lower), bias, scale)  # type: ignore[no-untyped-call]
    return mixed


def lower_precision(tensor: Tensor) -> torch.dtype:
    """What matrix products with a tensor are computed in, here and now."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype


def _is_for_products(query: Tensor, key: Tensor, bias: Tensor | None) -> bool:
    rows, heads, length, _ = query.shape
    scores = heads * length * key.shape[2]
    return (
        query.device.type == "cpu"
        and length > 1  # a single query has no matrix to multiply with
        and rows * scores >= _FEWEST_SCORES
        and scores <= _MOST_SCORES
        and not (bias is not None and bias.requires_grad)
        and not torch.compiler.is_compiling()
        and (not _KERNEL_USES_AMX or (torch.is_grad_enabled() and any(part.requires_grad for part in (query, key))))
    )


class _Products(torch.autograd.Function):
    """Keeps the weights for the gradient, 2 bytes for each pair of tokens and head."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        rows, heads, length, size = query.shape
        mixed = query.new_empty(rows, length, heads, size).transpose(1, 2)  # as the output map reads it
        kept = []
        for some in _some_rows(query, key):
            queries, keys, values = (_one_row_a_head(part[some]) for part in (query, key, value))
            seen = None if bias is None else bias[some] if len(bias) > 1 else bias
            weights, sums = _powers(queries, keys, seen, scale, heads)  # (b·H, L, S) and (b·H, L, 1)
            if any(ctx.needs_input_grad):
                kept.append(weights.div_(sums))
                found = torch.bmm(weights, values)
            else:  # as exact, and less to divide
                found = torch.bmm(weights, values).div_(sums)
            mixed[some] = found.view(-1, heads, length, size)
        ctx.scale = scale
        ctx.save_for_backward(query, key, value, *kept)
        return mixed

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Any) -> Any:
        query, key, value, *kept = ctx.saved_tensors  # type: ignore[attr-defined]
        scale = ctx.scale  # type: ignore[attr-defined]
        found = [torch.empty_like(part) for part in (query, key, value)]
        for some, weights in zip(_some_rows(query, key), kept, strict=True):
            queries, keys, values, out = (_one_row_a_head(part[some]) for part in (query, key, value, gradients[0]))
            by_weight = torch.bmm(out, values.mT)
            by_score = torch._softmax_backward_data(by_weight, weights, -1, weights.dtype)
            parts = (_scaled(by_score, keys, scale), _scaled(by_score.mT, queries, scale), torch.bmm(weights.mT, out))
            for whole, part in zip(found, parts, strict=True):
                whole[some] = part.view(-1, whole.shape[1], *part.shape[1:])
        return *found, None, None


def _powers(queries: Tensor, keys: Tensor, bias: Tensor | None, scale: float, heads: int) -> tuple[Tensor, Tensor]:
    """The weights of the softmax before they are divided by their sums, (b·H, L, S), and the sums, (b·H, L, 1).

    e to the power of the scores as they are takes half the time of torch's softmax, which takes the largest off first. Where
    the sums say that this went beyond what the type holds, or that nothing is left, softmax computes them.
    """

    def scores() -> Tensor:
        found = _scaled(queries, keys.mT, scale)
        if bias is not None:
            found.view(-1, heads, *found.shape[1:]).add_(bias)
        return found

    weights = scores().exp_()
    sums = weights.sum(dim=-1, keepdim=True)
    least, most = torch.aminmax(sums)
    if least.item() > _LEAST_SUM and most.item() < 1 / _LEAST_SUM:
        return weights, sums
    weights = scores()
    torch.softmax(weights, dim=-1, out=weights)
    return weights, sums.fill_(1)


def _some_rows(query: Tensor, key: Tensor) -> Iterator[slice]:
    rows, heads, length, _ = query.shape
    at_once = max(1, _SCORES_AT_ONCE // (heads * length * key.shape[2]))
    return (slice(start, start + at_once) for start in range(0, rows, at_once))


def _one_row_a_head(part: Tensor) -> Tensor:
    """(b, H, L, d) -> (b·H, L, d)."""
    return part.reshape(-1, *part.shape[2:])


def _scaled(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """(n, L, d) and (n, d, S) -> scale · left @ right, (n, L, S)."""
    return torch.baddbmm(left.new_empty(()), left, right, beta=0, alpha=scale)
