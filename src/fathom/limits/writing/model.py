"""What an audit asks of a causal model, whichever door it stands behind: texts, and how likely given texts are.

    model.write([Request("What is the capital of France?", max_tokens=16)])     -> [["Paris."]]
    model.score([Choice("The capital of France is", (" Paris", " Rome"))])      -> [[-1.2, -7.5]]

Both are capabilities: a door that cannot give one raises `NotMeasurableError`, and the measure that needs it is recorded as
"not measurable" with the reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fathom.limits.classifier import DOORS, Capability, DoorName, NotMeasurableError
from fathom.text.splitting import mostly_chinese


@dataclass(frozen=True)
class Request:
    """Something to be written."""

    text: str
    message: bool = True  # to be answered, as in a conversation; False: to be continued as it stands
    samples: int = 1
    temperature: float = 0.0  # 0: the likeliest token each time
    seed: int = 0
    max_tokens: int = 32
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A text, and continuations to be compared; a blank between the two belongs to the continuation."""

    text: str
    answers: tuple[str, ...]


class TooLongError(NotMeasurableError):
    """A prompt that leaves the model no room for an answer."""


class CausalModel(ABC):
    """One model that writes, under audit.

    Attributes:
        name: as a reader of the record should know it; never holds a secret.
        door: the kind of door that it stands behind.
        batch: requests handed over in one call.
        capabilities: "messages" and "continuations" (see `Request.message`), "log-probabilities" for `score`, "tokens" where
            texts are cut by its own tokens.
    """

    name: str
    door: DoorName
    batch: int = 16
    capabilities: frozenset[Capability] = frozenset()

    @abstractmethod
    def write(self, requests: Sequence[Request]) -> list[list[str]]:
        """For each request its samples. Not trusted: `AskedCausal` checks every answer.

        Args:
            requests: that differ in nothing but their text.

        Raises:
            TooLongError: no room for an answer.
        """

    def score(self, choices: Sequence[Choice]) -> list[np.ndarray]:
        """For each choice (answers,) float64: log p(answer | text) in nats, summed over the answer's tokens.

        Raises:
            NotMeasurableError: not through this door.
            TooLongError: a text that is longer than the model reads.
        """
        raise NotMeasurableError(f"{DOORS[self.door]} gives no log-probabilities of texts that it is given")

    def fingerprint(self) -> str | None:
        """SHA-256 of the weights, so that answers of another model are never taken for this one's; None: not known."""
        return None

    def cut(self, text: str, size: int, more: int) -> tuple[str, str] | None:
        """The first `size` pieces of a text, and the `more` that follow them; None: it has not so many.

        Pieces are the model's tokens where its door knows them; else words between blanks, in Chinese characters.
        """
        if mostly_chinese([text]):
            return (text[:size], text[size : size + more]) if len(text) >= size + more else None
        words = text.split()
        return (" ".join(words[:size]), " ".join(words[size : size + more])) if len(words) >= size + more else None


def as_text(message: str) -> str:
    """A message for a model that only continues texts."""
    return f"问题：{message}\n回答：" if mostly_chinese([message]) else f"Question: {message}\nAnswer:"


TEXT_ENDS = ("\n", "Question:", "问题：")  # where an answer ends that continues such a text
