"""Audits are recorded without a text, a missing folder is said before any work, and the table says what the records say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import audits
import bag_of_words
import pytest
from figures import AUDITS
from figures import audits as audits_table
from typer.testing import CliRunner

from fathom.data import Example
from fathom.errors import ModelFolderError, SettingsError
from fathom.limits.measures import accuracy, calibration
from fathom.limits.page import PAGE_FILE
from fathom.limits.record import LIMITS
from fathom.pipeline import audited_texts
from fathom.pipeline import limits as pipeline
from tests import tiny


def run(*arguments: object) -> BaseException | None:
    found = CliRunner().invoke(audits.app, [str(argument) for argument in arguments])
    return found.exception


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two families, and the tiny texts under the names of the real ones."""

    def opened(spec: str, **_: object) -> list[Example]:
        assert spec in ("imdb", "rotten-tomatoes")
        names = {"bad": "negative", "good": "positive"} if spec == "imdb" else {"bad": "bad", "good": "good"}
        return [Example(example.text, names[str(example.label)]) for example in tiny.examples(30)]

    monkeypatch.setattr(pipeline, "MEASURINGS", (accuracy.MEASURING, calibration.MEASURING))
    monkeypatch.setattr(audited_texts, "open_data", opened)
    monkeypatch.setattr(bag_of_words, "open_data", opened)
    bag_of_words.fitted.cache_clear()


@pytest.mark.usefixtures("few")
def test_a_folder_and_a_function_are_audited_and_no_text_is_in_their_records(tmp_path: Path) -> None:
    model = tiny.model_folder(tmp_path / "model")
    error = run("quickstart", "bag-of-words", "--quickstart", model, "--folder", tmp_path / "runs", "--results", tmp_path)
    assert error is None, error
    for name, door in (("quickstart", "folder"), ("bag-of-words", "python")):
        text = (tmp_path / f"audit-{name}.json").read_text(encoding="utf-8")
        record = json.loads(text)
        whole = json.loads((tmp_path / "runs" / name / LIMITS).read_text(encoding="utf-8"))
        assert (tmp_path / "runs" / name / PAGE_FILE).is_file()
        assert record["predictor"]["door"] == door
        assert [measure["name"] for measure in record["measures"]] == [measure["name"] for measure in whole["measures"]]
        measured = next(measure for measure in record["measures"] if measure["name"] == "accuracy")
        assert set(measured) == {"name", "status", "value", "interval", "n", "floor", "unit", "better"}
        assert not any(example.text in text for example in tiny.examples(30))
        assert record["making"]["command"] == f"python benchmarks/audits.py {name}"
    words = next(measure for measure in json.loads((tmp_path / "audit-bag-of-words.json").read_text())["measures"])
    assert words["value"] > 0.9  # it has learned from these very texts


@pytest.mark.usefixtures("few")
def test_what_is_missing_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    model = tiny.model_folder(tmp_path / "model")
    missing = run("quickstart", "imdb-minilm", "--quickstart", model, "--imdb-minilm", tmp_path / "none", "--results", tmp_path)
    assert isinstance(missing, ModelFolderError)
    assert "fathom finetune --recipe recipes/imdb-minilm.yaml --output runs/imdb-minilm" in str(missing)
    assert not list(tmp_path.glob("audit-*.json"))
    assert isinstance(run("imdb"), SettingsError)
    for recipe in ("imdb-minilm", "imdb-from-scratch"):
        assert (Path(__file__).parents[2] / "recipes" / f"{recipe}.yaml").is_file()


@pytest.mark.parametrize(("language", "head"), [("en", "| limit | MiniLM, IMDB | bag of words, IMDB |"), ("zh", "| 方面 |")])
def test_the_table_has_a_column_for_each_record(
    language: str, head: str, tmp_path: Path, share: Callable[..., dict[str, Any]]
) -> None:
    assert audits_table(language, tmp_path) == ""
    machine = {"threads": "2", "processor": "some processor"}
    for name, value in (("imdb-minilm", 0.9), ("bag-of-words", 0.8)):
        measures = [
            share("accuracy", value),
            share("noise-keyboard", -1.3, unit="points"),
            share("latency-p50", 0.02, unit="seconds"),
            share("counterfactual-gap", 0.05, unit="score"),
            {"name": "coverage", "status": "not measurable", "n": 0, "unit": "share"},
        ]
        (tmp_path / f"audit-{name}.json").write_text(json.dumps({"measures": measures, "making": {"machine": machine}}))
    found = audits_table(language, tmp_path)
    assert head in found
    assert "| 90.0 % (89.0–91.0) | 80.0 % (79.0–81.0) |" in found
    assert "| −1.3 (−1.3–−1.3) |" in found
    assert "| 20.0 (10.0–30.0) |" in found
    assert "| 0.050 (0.040–0.060) |" in found
    assert f"| {AUDITS[language]['rows']['coverage']} | – | – |" in found
    assert AUDITS[language]["columns"]["quickstart"] not in found


@pytest.fixture
def share() -> Callable[..., dict[str, Any]]:
    def made(name: str, value: float, unit: str = "share") -> dict[str, Any]:
        interval = [value - 0.01, value + 0.01]
        return {"name": name, "status": "measured", "value": value, "interval": interval, "n": 9, "unit": unit}

    return made
