"""TensorBoard events beside whatever else listens; the extra `tensorboard`."""

from __future__ import annotations

from pathlib import Path

from fathom.errors import MissingExtraError
from fathom.training.loop import Listener


class TensorBoardListener:
    """Passes everything on to another listener and writes scalars for TensorBoard.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, inner: Listener, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("writing TensorBoard events", "tensorboard") from error
        self._inner = inner
        self._writer = SummaryWriter(str(folder))

    def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
        """Loss, rate and speed."""
        self._inner.on_step(step, total, loss, rate, tokens_per_second)
        for name, value in (("loss", loss), ("rate", rate), ("tokens_per_second", tokens_per_second)):
            self._writer.add_scalar(f"train/{name}", value, step)

    def on_evaluation(self, step: int, total: int, scores: dict[str, float]) -> None:
        """Every score."""
        self._inner.on_evaluation(step, total, scores)
        for name, value in scores.items():
            self._writer.add_scalar(f"dev/{name}", value, step)
        self._writer.flush()

    def on_message(self, text: str) -> None:
        """Passed on."""
        self._inner.on_message(text)
