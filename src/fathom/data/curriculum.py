"""Short rows first, long ones later: attention costs the square of a row's length, and most of what there is to learn is near.

    90 % of the documents   rows of 128 tokens    ████████████████████████████░░░
    10 %                    rows of 512 tokens                                ███     (Devlin et al. 2019, appendix A.2)

Shares are of a whole run, so that with several epochs a stage may end within one or last for some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fathom.data.batches import Batch, plan_batches
from fathom.data.corpus import Corpus, Part
from fathom.data.packing import PackedRows
from fathom.errors import SettingsError
from fathom.text import Tokenizer


@dataclass(frozen=True)
class Stage:
    """A part of a run with rows of one length."""

    length: int  # tokens
    share: float  # of the documents of all epochs


class StagedRows:
    """The rows of one epoch, stage after stage; within a stage its batches come in random order.

    Args:
        stages: shares add up to 1.
        epochs: of the whole run.
        max_tokens: of a batch, padding included.
        max_rows: of a batch.

    Attributes:
        batches: the rows of each batch, in the order in which they are read.

    Raises:
        DataError: the part is empty.
        SettingsError: shares that do not add up to 1, or a length that leaves no room for text.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        part: Part = "train",
        *,
        stages: Sequence[Stage],
        epochs: int,
        max_tokens: int,
        max_rows: int | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        if abs(sum(stage.share for stage in stages) - 1) > 1e-6:
            raise SettingsError(
                f"the stages' shares are {[stage.share for stage in stages]}", expected="shares that add up to 1"
            )
        documents = len(corpus.documents(part))
        self.stages = [
            PackedRows(corpus, tokenizer, part, length=length, between=between, seed=seed, epoch=epoch)
            for length, between in _within(stages, epoch, epochs)
            if round(between[0] * documents) < round(between[1] * documents)
        ]
        self._starts = np.cumsum([0, *map(len, self.stages)])
        self.batches: list[np.ndarray] = []
        for start, rows in zip(self._starts.tolist(), self.stages, strict=False):
            plan = plan_batches(rows.lengths, max_tokens=max_tokens, max_rows=max_rows, shuffle=True, seed=seed, epoch=epoch)
            self.batches += [batch + start for batch in plan]
        self.text_bytes = sum(rows.text_bytes for rows in self.stages)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row."""
        return np.concatenate([rows.lengths for rows in self.stages])

    def batch(self, rows: np.ndarray) -> Batch:
        """Some rows of one stage, usually one of `batches`."""
        stage = int(np.searchsorted(self._starts, rows[0], side="right")) - 1
        return self.stages[stage].batch(rows - self._starts[stage])


def _within(stages: Sequence[Stage], epoch: int, epochs: int) -> list[tuple[int, tuple[float, float]]]:
    """The length of each stage that an epoch has a part in, and between which shares of the epoch it lies."""
    found = []
    begin = 0.0
    for stage in stages:
        end = begin + stage.share
        first, last = (min(max(edge * epochs - epoch, 0.0), 1.0) for edge in (begin, end))
        if first < last:
            found.append((stage.length, (first, last)))
        begin = end
    return found
