"""limits.json: a closed schema, checked when it is written and read, and published as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fathom.errors import ModelFolderError
from fathom.limits.record import LIMITS, Limits, Measure, read_limits, schema, write_limits

PUBLISHED = Path(__file__).parents[2] / "docs" / "limits.schema.json"


def record(**changes: Any) -> dict[str, Any]:
    split = {"n": 1, "sha256": "0", "labels": {"a": 1}}
    return {
        "version": 1,
        "predictor": {
            "name": "x",
            "door": "python",
            "labels": ["a", "b"],
            "capabilities": [],
            "fingerprint": None,
            "asked_twice": 0.0,
        },
        "data": {"name": "x", "rows": 2, "seen": None, "duplicates": 0, "calibrate": split, "report": split, "training": None},
        "measures": [],
        "policy": None,
        "complete": True,
        "ended": None,
        "sampled": [],
        "cost": {"calls": 1, "budget": None, "retries": 0, "seconds": 1.0, "seconds_asking": 0.5},
        "making": {"command": "x", "version": "0", "commit": None, "seed": 0, "quick": False, "machine": {}},
        **changes,
    }


def measure(**changes: Any) -> dict[str, Any]:
    return {"name": "accuracy", "family": "accuracy", "title": "Accuracy", "status": "measured", "value": 0.5, **changes}


def test_published_schema_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema(), (
        f"write it again: {PUBLISHED.name} is fathom.limits.record.schema()"
    )
    found = json.loads(schema())
    assert found["additionalProperties"] is False
    assert found["properties"]["version"]["const"] == 1


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    limits = Limits.model_validate(record(measures=[measure(detail={"kind": "rates", "of": "label", "rates": []})]))
    write_limits(tmp_path / LIMITS, limits)
    assert read_limits(tmp_path) == read_limits(tmp_path / LIMITS) == limits
    found = limits.measure("accuracy")
    assert found is not None
    assert found.value == 0.5
    assert limits.measure("nothing") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version"),
        ({"more": 1}, "more"),
        ({"measures": [measure(value=None)]}, "is measured and has no value"),
        ({"measures": [measure(status="contaminated")]}, "says not why"),
        ({"measures": [measure(status="not measurable", reason="no door")]}, "has a value"),
        ({"measures": [measure(status="skipped for budget", value=None)]}, "says not why"),
        ({"measures": [measure(), measure()]}, "two measures share a name"),
        ({"measures": [measure(detail={"kind": "picture"})]}, "kind"),
        ({"measures": [measure(name="Not a name")]}, "name"),
        ({"measures": [measure(unit="furlongs")]}, "unit"),
    ],
)
def test_record_refuses_what_does_not_belong(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / LIMITS).write_text(json.dumps(record(**changes)))
    with pytest.raises(ModelFolderError) as caught:
        read_limits(tmp_path)
    assert message in str(caught.value)


def test_record_that_is_missing_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="fathom limits MODEL --data DATA"):
        read_limits(tmp_path)
    (tmp_path / LIMITS).write_text("{")
    with pytest.raises(ModelFolderError, match="cannot be used"):
        read_limits(tmp_path)


def test_record_is_checked_before_it_is_written(tmp_path: Path) -> None:
    broken = Limits.model_validate(record()).model_copy(
        update={"measures": [Measure.model_validate(measure()).model_copy(update={"value": None})]}
    )
    with pytest.raises(ValidationError):
        write_limits(tmp_path / LIMITS, broken)
    assert not list(tmp_path.iterdir())
