"""A classifier that is asked carefully: every answer checked, kept, counted against a budget, and asked again on failure.

    asked = Asked(classifier, cache=Path("answers.jsonl"), budget=10_000)
    asked.probabilities(texts)       # (n, K) float64; texts that were answered before cost nothing

The cache is append-only and holds no text that was asked, only 128 bits of SHA-256 of it; an audit that was stopped goes on
where it was. `Answers` and `Counted` serve models that write as well (limits/writing/asked.py).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from fathom.errors import FathomError, PredictorError
from fathom.folders import machine_errors
from fathom.limits.classifier import Classifier, Lengths, NotMeasurableError, States, TryAgainError

SUM_TOLERANCE = 1e-3  # rows that sum to 1 within this are scaled to sum to 1; half precision is that inexact
RETRIES, PAUSE = 2, 0.5  # further tries after a call that raised; seconds before the first of them, doubled each time
LONGEST_WAIT = 60.0  # seconds before a call is tried again, whatever a server asks for
TWICE = 8  # texts that are asked a second time
TWICE_TOLERANCE = 0.01  # batches of other sizes move float32 answers by a millionth, bfloat16 answers by a thousandth


class BudgetSpentError(Exception):
    """The next texts would cost more calls than are left; nothing was asked. The runner records it."""


Answer = TypeVar("Answer")


@dataclass
class Cost:
    """What asking has cost so far."""

    calls: int = 0  # texts that the classifier answered, second askings included
    from_cache: int = 0  # texts of an earlier, interrupted audit that did not have to be asked again
    retries: int = 0
    seconds: float = 0.0  # spent in the classifier


class Answers(Generic[Answer]):
    """Answers by key, in memory and in a file that only grows."""

    def __init__(
        self,
        path: Path | None,
        head: Mapping[str, Any],
        *,
        read: Callable[[Any], Answer],
        write: Callable[[Answer], Any],
    ) -> None:
        """Reads what an interrupted audit left; a last line that was cut off is dropped, another model's file too.

        Args:
            path: of the file; None: memory only.
            head: its first line: whose answers they are.
            read: an answer from what JSON holds; raises ValueError or TypeError where it is none.
            write: the other way.

        Raises:
            MachineError: the file cannot be written.
        """
        self.found: dict[bytes, Answer] = {}
        self._path, self._write = path, write
        if path is not None:
            self._open(path, {"version": 1, **head}, read)
        self.earlier = set(self.found)  # of an interrupted audit, not needed yet

    def take_earlier(self, keys: Sequence[bytes]) -> int:
        """How many of these an interrupted audit left; they count once."""
        taken = self.earlier.intersection(keys)
        self.earlier -= taken
        return len(taken)

    def keep(self, keys: Sequence[bytes], answers: Sequence[Answer]) -> None:
        """From now on they are known.

        Raises:
            MachineError: the file cannot be written.
        """
        self.found.update(zip(keys, answers, strict=True))
        if self._path is not None:
            lines = [json.dumps([key.hex(), self._write(answer)]) + "\n" for key, answer in zip(keys, answers, strict=True)]
            with machine_errors(self._path), self._path.open("a", encoding="ascii") as file:
                file.writelines(lines)

    def _open(self, path: Path, head: dict[str, Any], read: Callable[[Any], Answer]) -> None:
        whole = 0
        if path.is_file():
            raw = path.read_bytes()
            end = raw.rfind(b"\n") + 1
            lines = raw[:end].splitlines()
            try:
                if lines and json.loads(lines[0]) == head:
                    for line in lines[1:]:
                        key, answer = json.loads(line)
                        self.found[bytes.fromhex(key)] = read(answer)
                    whole = end
            except (ValueError, TypeError):  # not a file of ours, or damaged: asked anew
                self.found.clear()
        with machine_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if whole:
                with path.open("r+b") as file:
                    file.truncate(whole)
            else:
                path.write_text(json.dumps(head) + "\n", encoding="ascii")


def with_patience(
    call: Callable[[], Answer],
    cost: Cost,
    failed: Callable[[Exception, int], FathomError],
    *,
    retries: int = RETRIES,
    pause: float = PAUSE,
) -> Answer:
    """What `call` gives, called again where it raises, after a pause or as long as a server asks for; the time is counted.

    Args:
        call: asks once. An error of fathom's own says itself what to do, and goes through.
        cost: gets the seconds and the further tries.
        failed: the error to raise after the last try, from the last one and the number of tries.
        retries: further tries.
        pause: seconds before the first of them; doubled each time.
    """
    for attempt in range(retries + 1):
        started = time.monotonic()
        try:
            return call()
        except (FathomError, NotMeasurableError):
            raise
        except Exception as error:
            if attempt == retries:
                raise failed(error, attempt + 1) from error
            cost.retries += 1
            wait = error.wait if isinstance(error, TryAgainError) and error.wait is not None else pause
            time.sleep(min(wait, LONGEST_WAIT))
            pause *= 2
        finally:
            cost.seconds += time.monotonic() - started
    raise AssertionError("unreachable")


class Counted:
    """What asking costs: a budget that is not exceeded, and patience with calls that fail."""

    def __init__(
        self,
        *,
        budget: int | None = None,
        retries: int = RETRIES,
        pause: float = PAUSE,
        on_answers: Callable[[int], None] | None = None,
    ) -> None:
        """Nothing has been asked yet.

        Args:
            budget: the most texts that may be asked; None: as many as needed.
            retries: further tries after a call that raised.
            pause: seconds before the first of them; doubled each time.
            on_answers: told how many more texts are answered, batch by batch.
        """
        self.cost = Cost()
        self.budget = budget
        self.on_answers = on_answers or (lambda count: None)
        self._retries, self._pause = retries, pause

    @property
    def left(self) -> int | None:
        """Texts that may still be asked; None: no budget was set."""
        return None if self.budget is None else max(0, self.budget - self.cost.calls)

    def _afford(self, needed: int) -> None:
        """Raises BudgetSpentError where so many more texts are more than are left."""
        if self.left is not None and needed > self.left:
            raise BudgetSpentError(f"{needed:,} more answers are needed, and {self.left:,} calls are left of {self.budget:,}")

    def _patiently(self, call: Callable[[], Answer], failed: Callable[[Exception, int], FathomError]) -> Answer:
        return with_patience(call, self.cost, failed, retries=self._retries, pause=self._pause)


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


def key_of(text: str) -> bytes:
    """128 bits of SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


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
