from __future__ import annotations

import json
from pathlib import Path

import pytest

from fathom.cli.main import main
from fathom.inference import Predictor
from tests import tiny


def test_models_lists_what_is_known_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "minilm" in shown
    assert "Apache-2.0" in shown


def test_models_counts_the_parameters_of_the_packaged_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = {known["name"]: known["parameters"] for known in json.loads(capsys.readouterr().out)["models"]}
    assert main(["models", "minilm", "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["parameters"] == listed["minilm"]
    assert held["labels"] is None


def test_models_describes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    assert main(["models", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model_type"] == "bert"
    assert found["labels"] == ["bad", "good"]
    assert found["parameters"] == sum(parameter.numel() for parameter in Predictor.load(folder).model.parameters())
    assert found["fathom"]["max_length"] == 32
    assert found["made_by"]["command"] == "test"
    assert found["files"]["model.safetensors"] == (folder / "model.safetensors").stat().st_size


def test_models_describes_a_folder_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    assert main(["models", str(folder)]) == 0
    shown = capsys.readouterr().out
    for fact in ("bad, good", "32 tokens", "fathom 0, seed 0", "model.safetensors"):
        assert fact in shown


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_models_names_a_damaged_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    (folder / name).write_bytes((folder / name).read_bytes()[:-20])
    assert main(["models", str(folder)]) == 2
    assert f"{name} has changed" in capsys.readouterr().err
    (folder / "SHA256SUMS").unlink()
    assert main(["models", str(folder)]) == 2
    assert "cannot be read" in capsys.readouterr().err
