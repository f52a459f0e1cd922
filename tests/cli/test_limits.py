"""`fathom limits` and `fathom predict --policy`: what a person and a program see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fathom.cli.main import main
from fathom.limits.record import Limits
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("limits") / "model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.csv_file(tmp_path_factory.mktemp("data") / "reviews.csv", tiny.examples(20))


def test_limits_then_predict_by_the_policy(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(model), "a joy", "--policy"]) == 2
    assert "fathom limits MODEL --data DATA" in capsys.readouterr().err
    assert main(["limits", str(model), "--data", str(data), "--quick", "--target", "0.4"]) == 0
    captured = capsys.readouterr()
    for words in (
        "Accuracy",
        "95 % interval",
        "chance gives",
        "not measurable: Accuracy minus",
        "sets of labels:",
        "limits.json",
        f"to read: {model / 'limits.html'}",
    ):
        assert words in captured.out, words
    assert "accuracy: how often it is right" in captured.err
    assert (model / "limits.json").is_file()
    assert main(["predict", str(model), "a joy", "dull " * 60, "--policy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "[abstain: " in lines[1]
    assert "too long" in lines[1]
    assert main(["predict", str(model), "dull " * 60, "--policy", "--json", "--limits", str(model / "limits.json")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["action"], found["answer"]) == ("abstain", None)
    assert found["label"] in ("bad", "good")
    assert main(["predict", str(model), "a joy", "--limits", str(model)]) == 2
    assert "--limits came without --policy" in capsys.readouterr().err


def test_limits_as_json_is_the_record(model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--only", "accuracy", "--only", "selective", "--output", str(tmp_path / "audit"), "--json", "--language", "en"]
    assert main(["limits", str(model), "--data", str(data), *flags, "--labels", "no,yes"]) == 2
    assert "does not know: bad, good" in capsys.readouterr().err
    assert main(["limits", str(model), "--data", str(data), *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("limits") == str(tmp_path / "audit" / "limits.json")
    assert found.pop("page") == str(tmp_path / "audit" / "limits.html")
    limits = Limits.model_validate(found)
    assert limits == Limits.model_validate_json((tmp_path / "audit" / "limits.json").read_bytes())
    assert {measure.family for measure in limits.measures} == {"accuracy", "selective"}


def test_limits_leaves_texts_out_on_request_and_speaks_chinese(model: Path, data: Path, tmp_path: Path) -> None:
    asked = ["limits", str(model), "--data", str(data), "--only", "accuracy", "--language", "zh"]
    files = ("limits.json", "limits.html")
    assert main([*asked, "--output", str(tmp_path / "with")]) == 0
    assert main([*asked, "--output", str(tmp_path / "without"), "--no-examples"]) == 0
    texts = [example.text for example in tiny.examples()]
    for folder, held in (("with", True), ("without", False)):
        for name in files:
            written = (tmp_path / folder / name).read_text(encoding="utf-8")
            assert any(text in written for text in texts) is held, f"{folder}/{name}"
    assert '<html lang="zh-Hans">' in (tmp_path / "with" / "limits.html").read_text(encoding="utf-8")


def test_limits_of_a_callable_needs_a_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "callable_for_limits.py").write_text("def answer(texts):\n    return [[0.9, 0.1] for _ in texts]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = ["limits", "python:callable_for_limits:answer", "--data", str(data), "--labels", "bad,good"]
    assert main(asked) == 2
    assert "--output FOLDER" in capsys.readouterr().err
    assert main([*asked, "-o", str(tmp_path / "audit")]) == 0
    assert "50.0 %" in capsys.readouterr().out
