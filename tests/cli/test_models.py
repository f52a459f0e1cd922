from __future__ import annotations

import json
from pathlib import Path

import pytest

from fathom.checkpoint import load_model
from fathom.cli.main import main
from tests import tiny


def test_models_lists_what_is_known_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "minilm" in shown
    assert "Apache-2.0" in shown


@pytest.mark.parametrize("name", ["minilm", "smollm2"])
def test_models_counts_the_parameters_of_the_packaged_model(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = {known["name"]: known for known in json.loads(capsys.readouterr().out)["models"]}
    assert main(["models", name, "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["parameters"] == listed[name]["parameters"]
    assert held["path"] == listed[name]["path"]


def test_models_describes_a_gguf_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "smollm2", "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["model_type"] == "llama"
    assert held["types"] == {"Q4_1": 210, "F32": 61, "Q8_0": 1}
    assert main(["models", held["path"]]) == 0
    shown = capsys.readouterr().out
    for fact in ("SmolLM2-135M-Instruct.Q4_1.gguf", "134,515,008", "210 of Q4_1, 61 of F32, 1 of Q8_0", "49,152 tokens"):
        assert fact in shown


def test_models_names_a_damaged_gguf_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.gguf").write_bytes(b"GGUF")
    assert main(["models", str(tmp_path)]) == 2
    assert "cut.gguf cannot be read" in capsys.readouterr().err


def test_models_describes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    assert main(["models", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model_type"] == "bert"
    assert found["labels"] == ["bad", "good"]
    assert found["parameters"] == sum(parameter.numel() for parameter in load_model(folder).model.parameters())
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
