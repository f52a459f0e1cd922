"""Every error that a user can meet, with the exit code the command line gives it.

An error says three things: what was given, what was expected, and what to do. `explain` puts them together.

    0 done · 2 unusable input · 3 refused by a gate · 4 the machine failed us · 130 stopped by the user, work saved
"""

from __future__ import annotations


def explain(given: str, *, expected: str | None = None, do: str | None = None) -> str:
    """The text of an error: what was given on the first line, then what was expected and what to do.

    >>> print(explain("no file at reviews.csv", expected="a csv file", do="check the path"))
    no file at reviews.csv
      expected: a csv file
      do: check the path
    """
    lines = [given]
    if expected is not None:
        lines.append(f"  expected: {expected}")
    if do is not None:
        lines.append(f"  do: {do}")
    return "\n".join(lines)


class FathomError(Exception):
    """Unusable input. The base of all errors that fathom raises on purpose.

    Where the input is a value that a Python program handed over, the error is a ValueError too, as libraries expect.
    """

    exit_code = 2

    def __init__(self, given: str, *, expected: str | None = None, do: str | None = None) -> None:
        super().__init__(explain(given, expected=expected, do=do))


class DataError(FathomError, ValueError):
    """A data file, column, label or text that cannot be used."""


class ModelFolderError(FathomError):
    """A model folder, tokenizer or weight file that is missing, damaged, or does not fit."""


class SettingsError(FathomError, ValueError):
    """A setting, flag or recipe that is unknown, out of range, or contradicts another."""


class MissingExtraError(FathomError):
    """A capability whose optional dependencies are not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed", do=f"pip install 'fathom-lm[{extra}]' (the extra `{extra}`)"
        )


class RefusedByGateError(FathomError):
    """A result that did not pass the gate it was held against."""

    exit_code = 3


class MachineError(FathomError):
    """The disk is full or read-only, memory ran out, or another process of the run died."""

    exit_code = 4


class InterruptedRunError(FathomError):
    """Stopped by the user (Ctrl-C or SIGTERM), with the work so far saved."""

    exit_code = 130


class PredictorError(FathomError, ValueError):
    """A predictor under audit that raised, or whose answers are no probabilities, or not the same twice."""


class ToldElsewhereError(FathomError):
    """What ends all processes of a run and is told by one of them; the command ends in silence, with the same exit code."""

    def __init__(self, text: str, *, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code
