"""`fathom explain`: what a person, a program and a browser see."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from fathom.cli.main import main
from tests import tiny

TEXT = "a joy from start to finish"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("explain") / "model")


def test_explain_with_signs_and_as_json(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "why.html"
    assert main(["explain", str(model), TEXT, "dull " * 60, "--html", str(page)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith(("good  ", "bad  "))
    assert "[+" in lines[1] or "[-" in lines[1]
    assert "without random words" in lines[2]
    assert "[…]" in captured.out
    assert "tokens were not read" in captured.out
    assert "\x1b" not in captured.out
    assert "Integrated gradients" in captured.err
    assert page.read_text(encoding="utf-8").count("<section>") == 2
    assert main(["explain", str(model), TEXT, "--json", "--method", "occlusion"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["method"] == "occlusion"
    assert [word["text"] for word in found["words"]] == TEXT.split()
    assert found["error"] is None
    assert found["faithfulness"].keys() >= {"comprehensiveness", "random_comprehensiveness"}


def test_explain_in_colours_on_a_terminal(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["explain", str(model), TEXT]) == 0
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["explain", str(model), TEXT]) == 0
    assert "\x1b[" not in capsys.readouterr().out


def test_explain_reads_files_and_standard_input(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.csv_file(tmp_path / "texts.csv", tiny.examples(1)[:3])
    assert main(["explain", str(model), "--data", str(data), "--json", "--method", "rollout"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a joy\n\ndull\n")))
    assert main(["explain", str(model), "--json", "--method", "rollout"]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["a joy", "dull"]


def test_explain_says_what_it_cannot_do(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("premise,hypothesis,label\na,b,good\n")
    for arguments, message in (
        (["--data", str(pairs)], "pairs of texts"),
        ([TEXT, "--data", str(pairs)], "both TEXT and --data"),
        ([TEXT, "--method", "lime"], "lime"),
    ):
        assert main(["explain", str(model), *arguments]) == 2
        captured = capsys.readouterr()
        assert message in captured.err, arguments
    writer = tiny.writer_folder(tmp_path / "writer")
    assert main(["explain", str(writer), TEXT]) == 2
    assert "gives each text a class" in capsys.readouterr().err
