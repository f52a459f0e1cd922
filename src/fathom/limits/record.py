"""limits.json: what was measured of a model, on what, and the policy that follows. The page and `predict` read only this.

A closed schema, checked when it is written and when it is read; docs/limits.schema.json is generated from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fathom.checkpoint import to_json
from fathom.errors import ModelFolderError
from fathom.folders import write_text_atomically
from fathom.limits.classifier import Capability, DoorName
from fathom.limits.policy import Policy
from fathom.limits.statistics import Interval, wilson

LIMITS = "limits.json"

Status = Literal["measured", "not measurable", "skipped for budget", "contaminated"]
Unit = Literal[
    "share",
    "points",
    "nats",
    "score",
    "texts",
    "seconds",
    "tokens",
    "words",
    "characters",
    "correlation",
    "AUROC",
    "FLOPs",
    "bytes",
    "joules",
    "bits",
]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Floor(_Closed):
    """What to read a value against: what one that knows nothing gives, or what chance alone gives one without this fault."""

    value: float
    what: str  # "always the most frequent label"
    faultless: bool | None = None  # only what is worse is a fault; None: False where higher is better, else True


class Rate(_Closed):
    """A named figure within a measure: a label, a group, a template, a strength."""

    name: str
    value: float
    interval: Interval | None = None  # 95 %
    n: int

    @classmethod
    def of(cls, name: str, hits: np.ndarray) -> Rate:
        """The share of (n,) booleans that are true, with Wilson's interval."""
        return cls(name=name, value=float(hits.mean()), interval=wilson(int(hits.sum()), len(hits)), n=len(hits))


class RatesDetail(_Closed):
    """Figures side by side, one row each."""

    kind: Literal["rates"] = "rates"
    of: str  # what the rows are: "label", "group", "template"
    rates: list[Rate]


class Point(_Closed):
    """Of a curve."""

    x: float
    y: float
    interval: Interval | None = None  # of y, 95 %
    n: int | None = None


class Line(_Closed):
    """One curve of a picture."""

    name: str
    points: list[Point]


class CurveDetail(_Closed):
    """Lines over one axis."""

    kind: Literal["curve"] = "curve"
    x: str  # what the axis shows, with its unit
    y: str
    diagonal: bool = False  # y = x is where a perfect classifier lies
    lines: list[Line]


class ConfusionDetail(_Closed):
    """Counts: row the true label, column the answer."""

    kind: Literal["confusion"] = "confusion"
    labels: list[str]
    counts: list[list[int]]


class PairedDetail(_Closed):
    """Two classifiers, or two versions of the same texts, pair by pair."""

    kind: Literal["paired"] = "paired"
    first: Rate
    second: Rate
    only_first: int  # pairs of which only the first is right
    only_second: int
    p_value: float  # exact McNemar, two-sided


Detail = Annotated[RatesDetail | CurveDetail | ConfusionDetail | PairedDetail, Field(discriminator="kind")]


class WorstExample(_Closed):
    """A text to be read by a person."""

    text: str
    changed: str | None = None  # the text that it became, where the measure changes texts
    truth: str | None = None
    answer: str
    confidence: float | None = None  # None: the model does not say how sure it is
    note: str | None = None  # one line


class Measure(_Closed):
    """One limit."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")  # unique in the record: "calibration-error"
    family: str  # the file in limits/measures that measured it, and what --only names
    title: str  # "Expected calibration error"
    status: Status
    value: float | None = None
    interval: Interval | None = None  # 95 %
    n: int = Field(default=0, ge=0)  # texts, pairs or groups that the value is of
    floor: Floor | None = None
    unit: Unit = "share"
    better: Literal["higher", "lower", "neither"] = "higher"
    assumptions: list[str] = []
    guarantee: str | None = None  # in words, where something is promised
    reason: str | None = None  # why it was not measured, or may not be believed
    detail: Detail | None = None
    worst: list[WorstExample] = []

    @model_validator(mode="after")
    def _consistent(self) -> Measure:
        if self.status in ("measured", "contaminated") and self.value is None:
            raise ValueError(f"{self.name} is {self.status} and has no value")
        if self.status != "measured" and not self.reason:
            raise ValueError(f"{self.name} is {self.status} and says not why")
        if self.status in ("not measurable", "skipped for budget") and self.value is not None:
            raise ValueError(f"{self.name} is {self.status} and has a value")
        return self


class PredictorFacts(_Closed):
    """Who was measured."""

    name: str
    door: DoorName
    task: Literal["sequence", "causal"] = "sequence"  # a classifier, or a model that writes
    labels: list[str]  # none for a model that writes
    capabilities: list[Capability]
    fingerprint: str | None  # SHA-256 of its weights and settings; None: its door does not tell
    asked_twice: float | None  # largest difference of a probability between two askings of a few texts


class SplitFacts(_Closed):
    """One part of the data."""

    n: int
    sha256: str  # of texts and labels in their order
    labels: dict[str, int]  # texts of each


class DataFacts(_Closed):
    """What it was measured on."""

    name: str
    rows: int
    seen: int | None  # of them, texts that the classifier was trained on; None: not known
    duplicates: int  # texts that repeat an earlier one; copies are in the same split
    language: Literal["en", "zh"] = "en"  # of the texts, and of the page
    calibrate: SplitFacts | None  # for the policy alone; None: a model that writes, which gets none
    report: SplitFacts  # for the measures alone; of a model that writes the prompts, counted by family
    training: SplitFacts | None  # what the bag of words learned from; of a model that writes, what it is to have memorised


class ReportAnswers(_Closed):
    """The answers on the report split, text by text and without the texts: what `--compare` needs to compare in pairs."""

    sha256: str  # of the split
    n: int
    right: str  # base64 of bits, the first text in the highest one
    confidence: str  # base64 of little-endian 32-bit floats, of the answer that was given
    groups: str | None  # base64 of little-endian 32-bit numbers, the same for texts of one group; None: not known


class CostFacts(_Closed):
    """What the audit cost."""

    calls: int  # texts that the classifier was asked for
    budget: int | None
    retries: int
    seconds: float  # of the whole audit; of a resumed one, since it was resumed
    seconds_asking: float  # of them, spent in the classifier


class Making(_Closed):
    """What is needed to get the same figures again."""

    command: str
    version: str
    commit: str | None
    seed: int
    quick: bool
    examples: bool = True  # False: texts were left out on request
    machine: dict[str, str]


class Limits(_Closed):
    """Everything."""

    version: Literal[1] = 1
    predictor: PredictorFacts
    data: DataFacts
    measures: list[Measure]
    policy: Policy | None  # None: the calibration split could not be asked
    complete: bool  # False: the audit ended early
    ended: str | None = None  # why
    sampled: list[str]  # what was drawn instead of measured whole, in words
    answers: ReportAnswers | None = None  # None: the audit ended before there were any
    cost: CostFacts
    making: Making

    @model_validator(mode="after")
    def _unique(self) -> Limits:
        names = [measure.name for measure in self.measures]
        if len(set(names)) < len(names):
            raise ValueError(f"two measures share a name: {sorted(name for name in names if names.count(name) > 1)[0]}")
        return self

    def measure(self, name: str) -> Measure | None:
        """By name; None: it is not in the record."""
        return next((measure for measure in self.measures if measure.name == name), None)


def write_limits(path: Path, limits: Limits) -> None:
    """Writes it whole or not at all, after checking it once more.

    Raises:
        MachineError: it cannot be written.
    """
    Limits.model_validate(limits.model_dump())
    write_text_atomically(path, to_json(limits))


def read_limits(path: Path) -> Limits:
    """Reads a file, or the limits.json of a folder.

    Raises:
        ModelFolderError: not there, or not such a file; all complaints at once.
    """
    file = path / LIMITS if path.is_dir() else path
    if not file.is_file():
        raise ModelFolderError(
            f"there is no {file}", expected="a record of an audit", do="make one: fathom limits MODEL --data DATA"
        )
    try:
        return Limits.model_validate_json(file.read_bytes())
    except ValidationError as error:
        complaints = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:5])
        raise ModelFolderError(
            f"{file} cannot be used: {complaints}",
            expected="a limits.json of version 1",
            do="measure again with this version of fathom: fathom limits MODEL --data DATA",
        ) from error


def schema() -> str:
    """The JSON Schema of limits.json, as docs/limits.schema.json holds it."""
    found: dict[str, Any] = Limits.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "limits.json, version 1"}
    return (
        json.dumps(head | {key: value for key, value in found.items() if key != "title"}, indent=2, ensure_ascii=False) + "\n"
    )
