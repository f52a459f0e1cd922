"""What every audit shares, of a classifier and of a model that writes: its settings, and what its record says of itself."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import fathom
from fathom.checkpoint import machine
from fathom.errors import SettingsError
from fathom.limits.asked import Asked
from fathom.limits.asking import BudgetSpentError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Language, Measuring
from fathom.limits.record import CostFacts, Making, Measure, Status
from fathom.limits.writing.asked import AskedCausal

FEWEST = 20  # texts in a split
Audit = TypeVar("Audit")


class LimitsSettings(BaseModel):
    """What an audit can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quick: bool = False
    only: list[str] = []  # families; none: all
    budget: int | None = Field(default=None, ge=100, description="the most texts that the classifier is asked for")
    target: float = Field(default=0.95, gt=0, lt=1, description="share of right answers that the policy promises")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="with which it promises them")
    alpha: float = Field(default=0.1, gt=0, lt=1, description="share of conformal sets that may miss the true label")
    most_texts: int = Field(default=2000, ge=FEWEST, description="in each of the two splits")
    most_texts_quick: int = Field(default=500, ge=FEWEST, description="the same for a quick audit")
    most_characters: int = Field(default=1_000_000, gt=0, description="in each of the splits, about; of a text, at most 2,000")
    most_characters_quick: int = Field(default=150_000, gt=0, description="the same for a quick audit")
    language: Language | None = None  # of the texts and of the page; None: by the texts
    watts: float | None = Field(default=None, gt=0, description="what the machine draws under load, to estimate energy from")
    positive: str | None = None  # the label that praises; None: by its name
    examples: bool = Field(default=True, description="keep texts to be read; False: the record and the page hold none")
    seed: int = Field(default=0, ge=0)


def make_limits_settings(**settings: Any) -> LimitsSettings:
    """Checked.

    Raises:
        SettingsError: unknown, or out of range.
    """
    try:
        return LimitsSettings(**settings)
    except ValidationError as error:
        complaints = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} ({e['input']!r})" for e in error.errors())
        raise SettingsError(f"the audit cannot be set so: {complaints}") from error


def measured(measuring: Measuring[Audit], context: Audit, *, examples: bool) -> list[Measure]:
    """What a family finds, or the reason why it finds nothing; without texts where none are to be kept."""

    def without(status: Status, reason: str) -> list[Measure]:
        return [Measure(name=measuring.name, family=measuring.name, title=measuring.what, status=status, reason=reason)]

    try:
        found = measuring.run(context)
    except BudgetSpentError as error:
        return without("skipped for budget", str(error))
    except NotMeasurableError as error:
        return without("not measurable", str(error))
    return found if examples else [measure.model_copy(update={"worst": []}) for measure in found]


def left_out(sampled: list[str], settings: LimitsSettings) -> list[str]:
    """What was drawn or left out, with what was not to be measured."""
    return [*sampled, f"only {', '.join(settings.only)} was to be measured"] if settings.only else list(sampled)


def command_of(command: str | None) -> str:
    """What the record says was run."""
    return command or " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def making_of(settings: LimitsSettings, command: str, commit: str | None) -> Making:
    """What is needed to get the same figures again."""
    return Making(
        command=command,
        version=fathom.__version__,
        commit=commit,
        seed=settings.seed,
        quick=settings.quick,
        examples=settings.examples,
        machine=machine(),
    )


def costs_of(asked: Asked | AskedCausal, started: float) -> CostFacts:
    """What the audit has cost since `started`, in seconds of the monotonic clock."""
    return CostFacts(
        calls=asked.cost.calls,
        budget=asked.budget,
        retries=asked.cost.retries,
        seconds=round(time.monotonic() - started, 2),
        seconds_asking=round(asked.cost.seconds, 2),
    )
