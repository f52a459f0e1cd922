"""One class for each text: cross-entropy, optionally with smoothed labels (Szegedy et al. 2016, section 7)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom.data import Batch


@dataclass(frozen=True)
class Classification:
    """−log p(label | text); with `label_smoothing` s, the target is (1 − s) on the label and s spread over all classes."""

    label_smoothing: float = 0.0

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats."""
        logits = model(batch.token_ids, batch.padding_mask, batch.segment_ids)
        assert batch.labels is not None, "classification needs labelled batches"
        return cross_entropy(logits.float(), batch.labels, reduction="none", label_smoothing=self.label_smoothing)
