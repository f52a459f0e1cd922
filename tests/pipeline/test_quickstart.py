"""The quickstart's parts, with few films and a tiny model; the whole of it is a slow test."""

import json
import resource
from pathlib import Path

import pytest

from fathom.cli.main import main
from fathom.data import Example
from fathom.limits.comparison import Comparison
from fathom.pipeline import quickstart as module
from fathom.pipeline.settings import FinetuneSettings, validate_settings
from tests import tiny


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Example(row.text, row.label, group=f"film {number // 6}") for number, row in enumerate(tiny.examples(30))]
    monkeypatch.setattr(module, "open_data", lambda *arguments, **options: rows)

    def settings(seed: int) -> FinetuneSettings:
        return validate_settings({**tiny.SCRATCH, "training": {"epochs": 2, "seed": seed}})

    monkeypatch.setattr(module, "quickstart_settings", settings)


@pytest.mark.usefixtures("_tiny")
def test_quickstart_twice_gives_one_model_a_report_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, record = tmp_path / "out", tmp_path / "record.json"
    for _ in range(2):
        assert main(["quickstart", "--output", str(output), "--record", str(record), "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"model", "report", "test", "baseline", "seconds"}
    assert set(shown["test"]) == set(shown["baseline"]) == {"accuracy", "interval", "n"}
    low, high = shown["test"]["interval"]
    assert low <= shown["test"]["accuracy"] <= high
    assert {path.name for path in output.iterdir()} == {"model", "report.html", "report.json"}
    comparison = Comparison.model_validate_json(record.read_bytes())
    assert comparison == Comparison.model_validate_json((output / "report.json").read_bytes())
    assert sum(comparison.data.rows.values()) == 300
    page = Path(shown["report"]).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert main(["predict", shown["model"], "a wonderful film"]) == 0


@pytest.mark.usefixtures("_tiny")
def test_quickstart_says_what_to_type_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--output", str(tmp_path / "out")]) == 0
    assert f"fathom predict {tmp_path}/out/model" in capsys.readouterr().out


def test_quickstart_splits_films_not_verdicts() -> None:
    parts = module._split(seed=0)
    films = {name: {example.group for example in part} for name, part in parts.items()}
    assert sum(map(len, parts.values())) == 12_808
    assert sum(map(len, films.values())) == len(set().union(*films.values())) == 508
    assert len(parts["test"]) > 2_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_quickstart_beats_the_bag_of_words_by_four_points_in_three_gibibytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quickstart", "--output", str(tmp_path / "out"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["test"]["accuracy"] >= shown["baseline"]["accuracy"] + 0.04
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * 2**20
