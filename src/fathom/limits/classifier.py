"""What an audit asks of a classifier, whichever door it stands behind: labels, and probabilities of texts.

Everything beyond that is a capability. A door that cannot give one raises `NotMeasurableError`, and the measure that needs
it is recorded as "not measurable" with the reason, never left blank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from fathom.inference import Predictor

Capability = Literal[
    "logits", "lengths", "embeddings", "predictor", "messages", "continuations", "log-probabilities", "tokens"
]  # the last four of models that write (limits/writing/model.py)
DoorName = Literal["folder", "python", "transformers", "http", "openai"]


class NotMeasurableError(Exception):
    """Something that cannot be measured through this door, or with these data; the runner records the reason."""


class TryAgainError(Exception):
    """A call that failed for a reason that may pass: a timeout, a busy server."""

    def __init__(self, what: str, *, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait  # seconds that the server asks for


@dataclass(frozen=True)
class Lengths:
    """How long texts are for the classifier."""

    tokens: np.ndarray  # (n,) integers, with what was not read
    unread: np.ndarray  # (n,) integers


@dataclass(frozen=True)
class States:
    """One pass through a model, with what is inside of it."""

    probabilities: np.ndarray  # (n, K) float64, as `Classifier.probabilities` gives them
    logits: np.ndarray  # (n, K) float64
    embeddings: np.ndarray  # (n, width) float32
    lengths: Lengths


class Classifier(ABC):
    """One classifier under audit.

    Attributes:
        name: as a reader of the record should know it; never holds a secret.
        door: the kind of door that it stands behind.
        labels: by column of `probabilities`.
        batch: texts handed over in one call.
        capabilities: what of the optional methods works.
    """

    name: str
    door: DoorName
    labels: list[str]
    batch: int = 256
    capabilities: frozenset[Capability] = frozenset()

    @abstractmethod
    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(n, K) float64, columns in the order of `labels`. Not trusted: `Asked` checks every answer."""

    def fingerprint(self) -> str | None:
        """SHA-256 of the weights, so that answers of another model are never taken for this one's; None: not known."""
        return None

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """(n, K) float64 before softmax and temperature.

        Raises:
            NotMeasurableError: not through this door.
        """
        raise self._cannot("logits")

    def lengths(self, texts: Sequence[str]) -> Lengths:
        """Tokens of each text, and how many of them are not read.

        Raises:
            NotMeasurableError: not through this door.
        """
        raise self._cannot("lengths in its own tokens")

    def embeddings(self, texts: Sequence[str]) -> np.ndarray:
        """(n, width) float32: what the classifying head reads.

        Raises:
            NotMeasurableError: not through this door.
        """
        raise self._cannot("embeddings")

    def states(self, texts: Sequence[str]) -> States:
        """Probabilities, logits, embeddings and lengths in one pass.

        Raises:
            NotMeasurableError: not through this door.
        """
        raise self._cannot("embeddings")

    def predictor(self) -> Predictor:
        """The model itself with its tokenizer, for gradients and tokens.

        Raises:
            NotMeasurableError: not through this door.
        """
        raise self._cannot("gradients or tokens")

    def _cannot(self, what: str) -> NotMeasurableError:
        return NotMeasurableError(f"{DOORS[self.door]} gives no {what}")


DOORS: dict[DoorName, str] = {
    "folder": "this model folder",
    "python": "a Python callable",
    "transformers": "a model that transformers runs",
    "http": "an HTTP endpoint",
    "openai": "this OpenAI-compatible endpoint",
}
