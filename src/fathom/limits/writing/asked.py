"""A causal model that is asked carefully: every answer checked, kept, counted against a budget, and asked again on failure.

    asked = AskedCausal(model, cache=Path("answers.jsonl"), budget=5_000)
    asked.write([Request("What is the capital of France?")])     # what was answered before costs nothing

As limits/asked.py for classifiers; cache, budget and patience are those of limits/asking.py. Here the cache holds what the
model wrote, as long as an audit is not over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fathom.errors import PredictorError
from fathom.limits.asking import PAUSE, RETRIES, Answers, Counted, key_of
from fathom.limits.writing.model import CausalModel, Choice, Request

Asking = TypeVar("Asking", Request, Choice)
BATCH_CHARACTERS = 20_000  # of the prompts of a batch, as if all were as long as the longest; what a stop can lose


class AskedCausal(Counted):
    """Wraps a causal model. Not for several threads."""

    def __init__(
        self,
        model: CausalModel,
        *,
        cache: Path | None = None,
        budget: int | None = None,
        retries: int = RETRIES,
        pause: float = PAUSE,
        on_answers: Callable[[int], None] | None = None,
    ) -> None:
        """Opens the cache.

        Args:
            model: whom to ask.
            cache: a file to keep answers in; one of another model is begun anew. None: memory only.
            budget, retries, pause, on_answers: see `Counted`; texts are those that are written or scored.

        Raises:
            MachineError: the cache cannot be written.
        """
        super().__init__(budget=budget, retries=retries, pause=pause, on_answers=on_answers)
        self.model = model
        head = {"name": model.name, "writes": True, "fingerprint": model.fingerprint()}
        self._written: Answers[list[Any]] = Answers(cache, head, read=_checked_line, write=lambda answer: answer)
        self._needed: dict[bytes, None] = {}

    @property
    def kept(self) -> int:
        """Answers of an interrupted audit that were not needed yet."""
        return len(self._written.earlier)

    @property
    def prompts(self) -> int:
        """Different requests and choices so far, those of the cache included."""
        return len(self._needed)

    def digest(self) -> str:
        """SHA-256 of all prompts so far, whatever their order."""
        return hashlib.sha256(b"".join(sorted(self._needed))).hexdigest()

    def write(self, requests: Sequence[Request]) -> list[list[str]]:
        """For each request its samples, without blanks around them.

        Raises:
            BudgetSpentError: more texts than are left; nothing of this was asked.
            TooLongError: a prompt leaves no room for an answer.
            PredictorError: it raised at every try, or the answer is none.
        """
        return self._answers(requests, lambda request: request.samples, self._write)

    def say(self, texts: Sequence[str], *, max_tokens: int) -> list[str]:
        """One greedy answer to each message; errors as for `write`."""
        return [its[0] for its in self.write([Request(text, max_tokens=max_tokens) for text in texts])]

    def score(self, choices: Sequence[Choice]) -> list[np.ndarray]:
        """For each choice (answers,) float64: log p(answer | text) in nats.

        Raises:
            NotMeasurableError: not through this door.
            BudgetSpentError: more answers than are left; nothing of this was asked.
            PredictorError: it raised at every try, or what it says are no log-probabilities.
        """
        return [np.array(row) for row in self._answers(choices, lambda choice: len(choice.answers), self._score)]

    def _answers(
        self, asked: Sequence[Asking], size: Callable[[Asking], int], call: Callable[[list[Asking]], list[list[Any]]]
    ) -> list[list[Any]]:
        keys = [_key(one) for one in asked]
        self._needed |= dict.fromkeys(keys)
        by_key = dict(zip(keys, asked, strict=True))
        if earlier := sum(size(one) for key, one in by_key.items() if key in self._written.earlier):
            self._written.take_earlier(keys)
            self.cost.from_cache += earlier
            self.on_answers(earlier)
        fresh = {key: one for key, one in by_key.items() if key not in self._written.found}
        needed = sum(map(size, fresh.values()))
        self._afford(needed)
        for part in self._batches(list(fresh.items())):
            some = [one for _, one in part]
            found = call(some)
            count = sum(map(size, some))
            self.cost.calls += count
            self._written.keep([key for key, _ in part], found)
            self.on_answers(count)
        return [self._written.found[key] for key in keys]

    def _batches(self, rows: list[tuple[bytes, Asking]]) -> Iterator[list[tuple[bytes, Asking]]]:
        """Of requests that differ in their text alone, of choices with as many answers."""
        alike: dict[Any, list[tuple[bytes, Asking]]] = {}
        for key, one in rows:
            kind = replace(one, text="") if isinstance(one, Request) else len(one.answers)
            alike.setdefault(kind, []).append((key, one))
        for group in alike.values():
            part: list[tuple[bytes, Asking]] = []
            for row in group:
                longest = max(len(row[1].text), *(len(one.text) for _, one in part), 0)
                if part and (len(part) == self.model.batch or longest * (len(part) + 1) > BATCH_CHARACTERS):
                    yield part
                    part = []
                part.append(row)
            yield part

    def _write(self, requests: list[Request]) -> list[list[Any]]:
        answer: Any = self._answer(lambda: self.model.write(requests), requests[0].text)
        wanted = [request.samples for request in requests]
        if not isinstance(answer, list) or [len(its) for its in answer] != wanted:
            raise PredictorError(f"{self.model.name} did not answer {len(requests)} prompts with {sum(wanted)} texts")
        if bad := [text for its in answer for text in its if not isinstance(text, str)]:
            raise PredictorError(f"{self.model.name} answered with {bad[0]!r}", expected="a text")
        return [[text.strip() for text in its] for its in answer]

    def _score(self, choices: list[Choice]) -> list[list[Any]]:
        found = self._answer(lambda: self.model.score(choices), choices[0].text)
        for choice, row in zip(choices, found, strict=True):
            if row.shape != (len(choice.answers),) or not np.isfinite(row).all() or (row > 1e-6).any():
                raise PredictorError(
                    f"{self.model.name} finds the answers to {choice.text[-60:]!r} this likely: {row.tolist()}",
                    expected=f"{len(choice.answers)} log-probabilities, none above 0",
                )
        return [row.tolist() for row in found]

    def _answer(self, call: Callable[[], Any], prompt: str) -> Any:
        def failed(error: Exception, tries: int) -> PredictorError:
            return PredictorError(
                f"{self.model.name} gave no answer to {prompt[:60]!r}: {str(error)[:300] or type(error).__name__}",
                expected="a text",
                do=f"check that it is up and not overloaded; it was asked {tries} times",
            )

        return self._patiently(call, failed)


def _key(one: Request | Choice) -> bytes:
    return key_of(json.dumps([type(one).__name__, asdict(one)], sort_keys=True))


def _checked_line(kept: Any) -> list[Any]:
    if not isinstance(kept, list) or not kept or not all(isinstance(part, str | float) for part in kept):
        raise ValueError("no answer")
    return kept
