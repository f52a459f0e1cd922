"""One labelled text, and which columns of a file make it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and what is known about it."""

    text: str
    label: str | None = None
    pair: str | None = None  # the second text, for tasks on pairs
    group: str | None = None  # examples of one group never stand in two parts of a split


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a file's columns. None: looked for under the usual names (`exclude` and `group`: not used)."""

    text: str | None = None
    label: str | None = None
    pair: str | None = None
    group: str | None = None
    exclude: str | None = None  # yes/no; rows that say yes are left out
