"""A classifier that is asked carefully: every answer checked, kept, counted against a budget, and asked again on failure.

    asked = Asked(classifier, cache=Path("answers.jsonl"), budget=10_000)
    asked.probabilities(texts)       # (n, K) float64; texts that were answered before cost nothing

The cache, the budget and the patience are those of asking.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import PredictorError
from fathom.limits.asking import PAUSE, RETRIES, Answers, Counted, key_of
from fathom.limits.classifier import Classifier, Lengths, States

SUM_TOLERANCE = 1e-3  # rows that sum to 1 within this are scaled to sum to 1; half precision is that inexact
TWICE = 8  # texts that are asked a second time
TWICE_TOLERANCE = 0.01  # batches of other sizes move float32 answers by a millionth, bfloat16 answers by a thousandth


class Asked(Counted):
    """Wraps a classifier. Not for several threads."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        cache: Path | None = None,
        budget: int | None = None,
        retries: int = RETRIES,
        pause: float = PAUSE,
        on_answers: Callable[[int], None] | None = None,
    ) -> None:
        """Opens the cache.

        Args:
            classifier: whom to ask.
            cache: a file to keep answers in; one of another classifier is begun anew. None: memory only.
            budget, retries, pause, on_answers: see `Counted`.

        Raises:
            MachineError: the cache cannot be written.
        """
        super().__init__(budget=budget, retries=retries, pause=pause, on_answers=on_answers)
        self.classifier = classifier
        head = {"name": classifier.name, "labels": classifier.labels, "fingerprint": classifier.fingerprint()}
        self._cache = cache
        self._answers = Answers(cache, head, read=self._row, write=lambda row: row.tolist())
        self._states: dict[bytes, tuple[np.ndarray, np.ndarray, int, int]] = {}  # logits, embedding, tokens, unread

    @property
    def labels(self) -> list[str]:
        """By column."""
        return self.classifier.labels

    @property
    def kept(self) -> int:
        """Answers of an interrupted audit that were not needed yet."""
        return len(self._answers.earlier)

    def new(self, texts: Sequence[str]) -> int:
        """How many calls `probabilities(texts)` would cost."""
        return len({key_of(text) for text in texts} - self._answers.found.keys())

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(n, K) float64, rows summing to 1, in the order of `texts`.

        Raises:
            BudgetSpentError: more new texts than calls are left; nothing of this was asked.
            PredictorError: it raised at every try, or the answer is none.
        """
        keys = [key_of(text) for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._answers.found}
        self._afford(len(fresh))
        if earlier := self._answers.take_earlier(keys):
            self.cost.from_cache += earlier
            self.on_answers(earlier)
        for part in _batches(list(fresh.items()), self.classifier.batch):
            found = self._ask([text for _, text in part])
            self._answers.keep([key for key, _ in part], list(found))
            self.on_answers(len(part))
        result = np.empty((len(keys), len(self.labels)))
        for row, key in enumerate(keys):
            result[row] = self._answers.found[key]
        return result

    def states(self, texts: Sequence[str]) -> States:
        """What is inside the model at each text, with its answers; remembered for as long as this process runs.

        Raises:
            NotMeasurableError: the door gives no embeddings.
            BudgetSpentError: more new texts than calls are left; nothing of this was asked.
            PredictorError: an answer is none.
        """
        keys = [key_of(text) for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._states}
        self._afford(len(fresh))
        for part in _batches(list(fresh.items()), self.classifier.batch):
            some = [text for _, text in part]
            started = time.monotonic()
            found = self.classifier.states(some)
            self.cost.seconds += time.monotonic() - started
            self.cost.calls += len(some)
            answers = _checked(found.probabilities, some, self.classifier)
            new = [row for row, (key, _) in enumerate(part) if key not in self._answers.found]
            self._answers.keep([part[row][0] for row in new], list(answers[new]))
            self._answers.take_earlier([key for key, _ in part])
            self.on_answers(len(new))
            for row, (key, _) in enumerate(part):
                lengths = found.lengths
                self._states[key] = (
                    found.logits[row],
                    found.embeddings[row],
                    int(lengths.tokens[row]),
                    int(lengths.unread[row]),
                )
        rows = [self._states[key] for key in keys]
        return States(
            probabilities=self.probabilities(texts),
            logits=np.array([row[0] for row in rows]),
            embeddings=np.array([row[1] for row in rows]),
            lengths=Lengths(np.array([row[2] for row in rows]), np.array([row[3] for row in rows])),
        )

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """(n, K) float64 before softmax and temperature; counted, and remembered where they come with embeddings.

        Raises:
            NotMeasurableError: not through this door.
            BudgetSpentError: more texts than calls are left.
        """
        if "embeddings" in self.classifier.capabilities:
            return self.states(texts).logits
        self._afford(len(texts))
        started = time.monotonic()
        found = [self.classifier.logits(texts[start : start + 256]) for start in range(0, len(texts), 256)]
        self.cost.seconds += time.monotonic() - started
        self.cost.calls += len(texts)
        return np.concatenate(found) if found else np.zeros((0, len(self.labels)))

    def seconds_of(self, texts: Sequence[str]) -> float:
        """How long one call for all of these texts takes, past the cache; counted, and its answers are checked.

        Raises:
            BudgetSpentError: more texts than calls are left.
            PredictorError: it raised at every try, or an answer is none.
        """
        self._afford(len(texts))
        before = self.cost.seconds
        self._ask(list(texts))
        return self.cost.seconds - before

    def check_twice(self, texts: Sequence[str]) -> float:
        """Asks a few texts again, one by one, past the cache; returns the largest difference of a probability.

        With a cache of an interrupted audit this also tells whether the classifier behind the name is still the same.

        Raises:
            PredictorError: the answers differ by more than rounding explains.
            BudgetSpentError: not enough calls are left.
        """
        some = list(dict.fromkeys(texts))[:TWICE]
        resumed = self._answers.earlier.intersection(map(key_of, some))
        first = self.probabilities(some)
        self._afford(len(some))
        again = np.concatenate([self._ask([text]) for text in some])
        differences = np.abs(first - again).max(axis=1)
        worst = int(differences.argmax())
        if differences[worst] > TWICE_TOLERANCE:
            shown = " and then ".join(_shown(row, self.labels) for row in (first[worst], again[worst]))
            where = " (the first answer is from the audit that was interrupted)" if resumed else ""
            raise PredictorError(
                f"{self.classifier.name} answers differently the second time{where}: {shown} for {some[worst][:60]!r}",
                expected=f"the same probabilities each time, to within {TWICE_TOLERANCE}",
                do=f"remove {self._cache} if the model has changed since"
                if resumed
                else "turn off sampling and dropout (in torch: model.eval())",
            )
        return float(differences[worst])

    def _ask(self, texts: list[str]) -> np.ndarray:
        """One call, tried again where it raises; checked."""

        def failed(error: Exception, tries: int) -> PredictorError:
            return PredictorError(
                f"{self.classifier.name} raised {type(error).__name__} when asked for {len(texts)} texts: {str(error)[:300]}",
                expected=f"an array of shape ({len(texts)}, {len(self.labels)})",
                do=f"call it with [{texts[0][:60]!r}, …] to see why; it was tried {tries} times",
            )

        answer = self._patiently(lambda: self.classifier.probabilities(texts), failed)
        self.cost.calls += len(texts)
        return _checked(answer, texts, self.classifier)

    def _row(self, kept: Any) -> np.ndarray:
        answer = np.array(kept, dtype=np.float64)
        if answer.shape != (len(self.labels),):
            raise ValueError("a row of another length")
        return answer


def _batches(rows: list[tuple[bytes, str]], size: int) -> Iterator[list[tuple[bytes, str]]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _checked(answer: object, texts: Sequence[str], classifier: Classifier) -> np.ndarray:
    """(n, K) float64, or a PredictorError that says what is wrong with the first row that is wrong."""
    shape, labels = (len(texts), len(classifier.labels)), classifier.labels
    try:
        found = np.array(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictorError(
            f"{classifier.name} answered with a {type(answer).__name__} that is no array of numbers",
            expected=f"probabilities of shape {shape}",
        ) from error
    if found.shape != shape:
        raise PredictorError(
            f"{classifier.name} answered {len(texts)} texts with shape {found.shape}",
            expected=f"shape {shape}: a row for each text, a column for each of the labels {', '.join(labels)}",
        )
    for bad, what in (
        (~np.isfinite(found).all(axis=1), "a number that is not finite"),
        ((found < -1e-6).any(axis=1), "a negative number"),
        (np.abs(found.sum(axis=1) - 1) > SUM_TOLERANCE, "a sum that is not 1"),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise PredictorError(
                f"{classifier.name} answered {texts[row][:60]!r} with {found[row].tolist()}, {what}",
                expected="probabilities: finite, not negative, summing to 1",
                do="if these are logits, put a softmax behind them",
            )
    found = found.clip(0)
    checked: np.ndarray = found / found.sum(axis=1, keepdims=True)
    return checked


def _shown(row: np.ndarray, labels: Sequence[str]) -> str:
    best = int(row.argmax())
    return f"{labels[best]} {row[best]:.4f}"
