"""Batches and models for the tests of objectives: a vocabulary of 200 whose first five tokens are special."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fathom.data import Batch
from fathom.model import LanguageModel, PretrainingModel
from tests.tiny import config

PAD, UNKNOWN, CLASS, SEPARATOR, MASK = SPECIAL_IDS = (0, 1, 2, 3, 4)
VOCABULARY = 200


def batch(lengths: list[int], *, labels: list[int] | None = None, pairs: bool = False, seed: int = 0, **others: Any) -> Batch:
    """Rows of [CLS] ordinary tokens [SEP], each so long; with `pairs`, a [SEP] in the middle starts a second segment."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    token_ids = torch.randint(len(SPECIAL_IDS), VOCABULARY, (len(lengths), longest), generator=generator)
    padding = torch.arange(longest) >= torch.tensor(lengths)[:, None]
    token_ids[:, 0] = CLASS
    segment_ids = torch.zeros_like(token_ids)
    for row, length in enumerate(lengths):
        token_ids[row, length - 1] = SEPARATOR
        if pairs:
            token_ids[row, length // 2] = SEPARATOR
            segment_ids[row, length // 2 + 1 :] = 1
    return of(
        token_ids.masked_fill(padding, PAD),
        padding_mask=padding if padding.any() else None,
        segment_ids=segment_ids if pairs else None,
        labels=None if labels is None else torch.tensor(labels),
        **others,
    )


def of(token_ids: Tensor, **others: Any) -> Batch:
    """A batch of these tokens."""
    rows, length = token_ids.shape
    fields: dict[str, Any] = {
        "padding_mask": None,
        "segment_ids": None,
        "labels": None,
        "example_ids": list(range(rows)),
        "tokens": rows * length,
    }
    return Batch(token_ids=token_ids, **{**fields, **others})


def language_model(seed: int = 0, **changes: Any) -> LanguageModel:
    torch.manual_seed(seed)
    return LanguageModel(config(initializer_range=0.2, **changes)).eval()


def pretraining_model(seed: int = 0, **changes: Any) -> PretrainingModel:
    torch.manual_seed(seed)
    return PretrainingModel(config(initializer_range=0.2, **changes)).eval()
