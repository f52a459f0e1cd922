"""What verbs show: results on standard output, everything else on standard error, progress only to a person.

say("reading the data")
with Bar("predicting", total=len(texts), unit="texts", quiet=json) as bar: ...; bar.advance(32)
emit(result, json=json, text=f"{percent(accuracy)} right")
"""

from __future__ import annotations

import gc
import json as json_module
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fathom.errors import DataError

if TYPE_CHECKING:
    from rich.progress import Progress


def emit(result: Mapping[str, Any], *, json: bool, text: str) -> None:
    """Prints the result of a verb on standard output: one JSON object on one line, or the text for a person.

    Raises:
        ValueError: a number that is not finite; JSON has none, so the verb must leave it out or say null.
    """
    print(json_module.dumps(result, ensure_ascii=False, allow_nan=False) if json else text)


def say(message: str) -> None:
    """A line on standard error."""
    print(message, file=sys.stderr, flush=True)


def standard_input() -> Iterator[str]:
    """Lines that are not blank, as they come, in UTF-8 whatever the machine's locale.

    Raises:
        DataError: a line that is not UTF-8.
    """
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"standard input, line {number} is not UTF-8: {error}", expected="text in UTF-8") from error
        if line.strip():
            yield line.rstrip("\r\n")


@contextmanager
def starting() -> Iterator[None]:
    """While modules are imported and a model is read, nothing is looked for to be collected: nothing of that is garbage.

    Looking takes a tenth of the time that importing torch does, and as much again for the rest of a first answer.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is there now stays
        gc.enable()


class Bar:
    """A progress bar with the time left, on standard error; shows nothing to a file, a pipe or a program."""

    def __init__(self, what: str, *, total: int | None, unit: str, quiet: bool = False) -> None:
        """`total` in `unit`s; None: not known beforehand, so no time left is shown."""
        self._progress: Progress | None = None
        if quiet or not sys.stderr.isatty():
            return
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[counted]}"),
            progress.TextColumn("{task.fields[note]}", style="dim"),
            progress.TimeElapsedColumn(),
            *([progress.TextColumn("left"), progress.TimeRemainingColumn()] if total is not None else []),
            console=Console(stderr=True),
            transient=True,
        )
        self._unit, self._total = unit, total
        self._task = self._progress.add_task(what, total=total, counted="", note="")

    def advance(self, by: int = 1, *, note: str | None = None, total: int | None = None) -> None:
        """`by` more are done; `note` replaces the words beside the bar, `total` what was thought to be all."""
        if self._progress is None:
            return
        if total is not None and total != self._total:
            self._total = total
            self._progress.update(self._task, total=total)
        task = self._progress.tasks[self._task]
        done = f"{int(task.completed) + by:,}"
        counted = f"{done} {self._unit}" if self._total is None else f"{done} of {self._total:,} {self._unit}"
        self._progress.update(self._task, advance=by, counted=counted, note=task.fields["note"] if note is None else note)

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()


def percent(share: float, digits: int = 1) -> str:
    """0.9123 → "91.2 %"."""
    return f"{100 * share:.{digits}f} %"


def percent_with_interval(share: float, interval: tuple[float, float] | Sequence[float], digits: int = 1) -> str:
    """0.9123 and (0.90, 0.92) → "91.2 % (90.0 to 92.0)"."""
    low, high = interval
    return f"{percent(share, digits)} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def duration(seconds: float) -> str:
    """75 → "1 min 15 s"; 3700 → "1 h 1 min"; 0.5 → "0.5 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def file_size(count: int) -> str:
    """Bytes in decimal units: 90868376 → "90.9 MB"."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def table(rows: Sequence[Sequence[str]], headers: Sequence[str] | None = None) -> str:
    """Columns that line up, two blanks between them; CJK characters count as two wide."""
    from rich.cells import cell_len

    lines = [*([headers] if headers is not None else []), *rows]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(lines[0]))] if lines else []
    padded = (
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)
