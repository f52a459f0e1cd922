"""The only training loop, its optimizer and schedule, and checkpoints that resume bit for bit."""

from fathom.training.distributed import LostRankError, Ranks, joined
from fathom.training.loop import Listener, NonFiniteError, SilentListener, TrainingResult, train
from fathom.training.settings import TrainingSettings
from fathom.training.throughput import Work, measure_work

__all__ = [
    "Listener",
    "LostRankError",
    "NonFiniteError",
    "Ranks",
    "SilentListener",
    "TrainingResult",
    "TrainingSettings",
    "Work",
    "joined",
    "measure_work",
    "train",
]
