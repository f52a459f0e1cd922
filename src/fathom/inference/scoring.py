"""Logits and probabilities of many texts: in length order for speed, given back in the order they came."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import nn

from fathom.allocator import kept_memory
from fathom.data import TokenizedDataset, plan_batches
from fathom.inference.native import NativeEncoder
from fathom.model.precision import Precision, autocast, uses_bfloat16

# Padded tokens in one forward pass. On a CPU, for each thread: what a block makes of so many stays in the processor's cache.
# The compiled encoder sees to that itself, and wants groups of texts enough for all threads to end together. A GPU wants to be
# filled.
CPU_TOKENS, NATIVE_TOKENS, GPU_TOKENS = 768, 16_384, 32_768


def tokens_at_once(model: nn.Module, device: torch.device) -> int:
    """How many tokens, padding included, a forward pass on a device has best."""
    if device.type != "cpu":
        return GPU_TOKENS
    return (NATIVE_TOKENS if is_native(model) else CPU_TOKENS) * torch.get_num_threads()


def is_native(model: nn.Module) -> bool:
    """Whether the compiled encoder computes the model's blocks."""
    return any(isinstance(part, NativeEncoder) for part in model.children())


def rounding(model: nn.Module, precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass. Behind the compiled encoder, which rounds by itself, a head is in float32: it is small."""
    return nullcontext() if is_native(model) else autocast(precision, device)


def window_logits(
    model: nn.Module,
    dataset: TokenizedDataset,
    *,
    precision: Precision = "float32",
    batch_tokens: int | None = None,
    on_batch: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> np.ndarray | None:
    """(windows, classes) float32 logits, one row a window of `dataset`, in its order.

    Args:
        model: in evaluation mode.
        batch_tokens: in one forward pass, padding included; None: `tokens_at_once`.
        on_batch: told the number of windows after each batch.
        stop: asked before each batch; once it says yes, the result is None.
    """
    device = next(model.parameters()).device
    rounded = uses_bfloat16(precision, device)
    rows: list[np.ndarray] = []
    order: list[np.ndarray] = []
    most = batch_tokens or tokens_at_once(model, device)
    plan = plan_batches(dataset.lengths, max_tokens=most, shuffle=False, rounded=rounded)
    memory = kept_memory() if device.type == "cpu" and len(plan) > 1 else nullcontext()
    context = rounding(model, precision, device)  # entered once: autocast keeps the weights that it converted
    with memory, torch.inference_mode(), context:
        for indices in plan:
            if stop is not None and stop():
                return None
            batch = dataset.batch(indices, rounded=rounded).to(device)
            logits = model(batch.token_ids, batch.padding_mask, batch.segment_ids)
            rows.append(logits.float().cpu().numpy())
            order.append(indices)
            if on_batch is not None:
                on_batch(len(indices))
    gathered = np.concatenate(rows)
    result = np.empty_like(gathered)
    result[np.concatenate(order)] = gathered
    return result


def text_probabilities(logits: np.ndarray, example_of: np.ndarray, temperature: float) -> np.ndarray:
    """(texts, classes) float64 probabilities: softmax(logits / temperature), averaged over the windows of each text.

    Args:
        logits: (windows, classes).
        example_of: (windows,) the text that each window belongs to, counted from 0 without gaps, in order.
    """
    probabilities: np.ndarray = (torch.from_numpy(logits).double() / temperature).softmax(dim=1).numpy()
    texts = int(example_of.max()) + 1
    if texts == len(example_of):  # a window each
        return probabilities
    sums = np.zeros((texts, probabilities.shape[1]))
    np.add.at(sums, example_of, probabilities)
    result: np.ndarray = sums / np.bincount(example_of, minlength=texts)[:, None]
    return result
