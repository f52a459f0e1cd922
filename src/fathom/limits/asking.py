"""What asking any model has in common: answers that are kept, a budget of calls, and patience where a call fails.

    Answers         by key, in memory and in a file that only grows
    Counted         what was spent and what is left; the base of who asks classifiers (asked.py) and models that write
                    (writing/asked.py)
    with_patience   one call, made again after a pause

A cache holds no text that was asked, only 128 bits of SHA-256 of it; an audit that was stopped goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from fathom.errors import FathomError
from fathom.folders import machine_errors
from fathom.limits.classifier import NotMeasurableError, TryAgainError

RETRIES, PAUSE = 2, 0.5  # further tries after a call that raised; seconds before the first of them, doubled each time
LONGEST_WAIT = 60.0  # seconds before a call is tried again, whatever a server asks for


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


def key_of(text: str) -> bytes:
    """128 bits of SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
