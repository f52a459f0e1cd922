"""`fathom finetune` from the shell: an interrupted run stays; settings from recipes and flags; what it prints."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fathom.cli.main import main
from tests import tiny


def command(data: Path, output: Path, *more: str) -> list[str]:
    settings = {**tiny.SCRATCH, "training": {"epochs": 6, "batch_rows": 15, "learning_rate": 1e-3}}
    flags = [*tiny.flags(settings), "--checkpoint-minutes", "1e-9"]
    return [sys.executable, "-m", "fathom", "finetune", str(data), "--output", str(output), *flags, *more]


def updates(partial: Path) -> int:
    """How many the run has recorded."""
    path = partial / "metrics.jsonl"
    return path.read_text().count('"rate"') if path.is_file() else 0


def start_and_signal(arguments: list[str], partial: Path, after: int, number: int) -> int | None:
    """Sends a signal once so many updates are recorded; the exit code, or None if the run was over before."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if updates(partial) >= after:
            process.send_signal(number)
            return process.wait(60)
        time.sleep(0.002)
    return None


def test_finetune_does_not_throw_an_interrupted_run_away(tmp_path: Path) -> None:
    data, partial = tiny.csv_file(tmp_path / "data.csv"), tmp_path / "model.partial"
    assert start_and_signal(command(data, tmp_path / "model"), partial, 3, signal.SIGTERM) == 130
    held = sorted(path.name for path in (partial / "checkpoints").iterdir())
    again = subprocess.run(command(data, tmp_path / "model"), capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 2
    assert "holds an interrupted run" in again.stderr
    assert "--resume" in again.stderr
    assert sorted(path.name for path in (partial / "checkpoints").iterdir()) == held
    other = subprocess.run(
        [*command(data, tmp_path / "model", "--resume"), "--seed", "7"], capture_output=True, text=True, check=False, timeout=60
    )
    assert other.returncode == 2
    assert "another run" in other.stderr


def test_finetune_takes_a_recipe_then_flags_then_assignments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, recipe = tiny.csv_file(tmp_path / "data.csv"), tmp_path / "recipe.yaml"
    recipe.write_text("model: scratch\nmax_length: 32\ntraining: {epochs: 9, learning_rate: 0.5, batch_rows: 40}\n")
    arguments = ["--recipe", str(recipe), "--epochs", "1", *tiny.flags({**tiny.SCRATCH, "training": {"learning_rate": 0.001}})]
    assert main(["finetune", str(data), "--output", str(tmp_path / "model"), *arguments, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    settings = json.loads((tmp_path / "model" / "made_by.json").read_text())["settings"]["training"]
    assert (settings["epochs"], settings["learning_rate"], settings["batch_rows"]) == (1, 0.001, 40)
    assert set(shown) == {"model", "dev", "seconds", "steps", "tokens_per_second", "facts"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--recipe", "none.yaml"], "none.yaml cannot be read"),
        (["--set", "epochs"], "name=value"),
        (["--set", "training.epoch=3"], "training.epoch: Extra inputs"),
        (["--epochs", "0"], "training.epochs"),
        (["--model", "abacus"], "no model at abacus"),
        ([], "no data was named"),
    ],
)
def test_finetune_names_settings_that_it_cannot_use(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [] if reason == "no data was named" else [str(tiny.csv_file(tmp_path / "data.csv"))]
    assert main(["finetune", *data, "--output", str(tmp_path / "model"), *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_finetune_writes_tensorboard_events_when_asked(tmp_path: Path) -> None:
    data = tiny.csv_file(tmp_path / "data.csv")
    assert main(["finetune", str(data), "--output", str(tmp_path / "m"), *tiny.flags(), "--epochs", "1", "--tensorboard"]) == 0
    assert any("tfevents" in name for name in os.listdir(tmp_path / "m.events"))


def test_finetune_replaces_a_head_for_other_labels_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tiny.model_folder(tmp_path / "base")  # answers bad or good
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + "".join(f'"{e.text}",{"up" if e.label == "good" else "down"}\n' for e in tiny.examples()))
    command = ["finetune", str(other), "--model", str(base), "--output", str(tmp_path / "new"), "--epochs", "1"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "already classifies, into bad, good, and the data has down, up" in error
    assert "--allow-new-head" in error
    assert not (tmp_path / "new").exists()
    assert main([*command, "--allow-new-head"]) == 0
    assert "started afresh: classifier.weight, classifier.bias" in capsys.readouterr().err
    assert (
        main(["finetune", str(tiny.csv_file(tmp_path / "same.csv")), *command[2:-4], "--output", str(tmp_path / "same")]) == 0
    )
    assert "started afresh" not in capsys.readouterr().err
