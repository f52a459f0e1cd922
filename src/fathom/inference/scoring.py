"""Logits and probabilities of many texts: in length order for speed, given back in the order they came."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import softmax
from torch import nn

from fathom.data import TokenizedDataset, plan_batches
from fathom.training import autocast
from fathom.training.precision import Precision

BATCH_TOKENS = 8192  # padded tokens in one forward pass; larger batches gain nothing on CPUs and cost memory


def window_logits(
    model: nn.Module,
    dataset: TokenizedDataset,
    *,
    precision: Precision = "float32",
    batch_tokens: int = BATCH_TOKENS,
    on_batch: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> np.ndarray | None:
    """(windows, classes) float32 logits, one row a window of `dataset`, in its order.

    Args:
        model: in evaluation mode.
        on_batch: told the number of windows after each batch.
        stop: asked before each batch; once it says yes, the result is None.
    """
    device = next(model.parameters()).device
    rows: list[np.ndarray] = []
    order: list[np.ndarray] = []
    with torch.inference_mode():
        for indices in plan_batches(dataset.lengths, max_tokens=batch_tokens, shuffle=False):
            if stop is not None and stop():
                return None
            batch = dataset.batch(indices).to(device)
            with autocast(precision, device):
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
        example_of: (windows,) the text that each window belongs to, counted from 0 without gaps.
    """
    probabilities = softmax(logits.astype(np.float64) / temperature, axis=1)
    texts = int(example_of.max()) + 1
    sums = np.zeros((texts, probabilities.shape[1]))
    np.add.at(sums, example_of, probabilities)
    result: np.ndarray = sums / np.bincount(example_of, minlength=texts)[:, None]
    return result
