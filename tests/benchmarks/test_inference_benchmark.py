"""The comparison of engines: who is faster by how much, whose answers agree, and a peer that does not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import engines
import inference
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.tiny import model_folder

RIGHT = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])


class Scripted:
    """A worker that takes what it is told to take, longer the first time."""

    version, ready_after = "1", 0.0

    def __init__(self, seconds: float, answers: np.ndarray = RIGHT) -> None:
        self.seconds, self.answers, self.rounds = seconds, answers, 0

    def ask(self, asked: inference.Asked) -> tuple[list[float], np.ndarray]:
        self.rounds += 1
        parts = 1 if asked.together else len(asked.texts)
        return [self.seconds * (100 if self.rounds == 1 else 1)] * parts, self.answers


def measured(together: bool = True, **seconds: float) -> dict[str, Any]:
    workers: Any = {name.replace("_", " "): Scripted(value) for name, value in seconds.items()}
    return inference._measure(inference.Asked(["text"] * 4, together), workers, rounds=3)


def test_the_ratio_is_against_the_fastest_peer_and_leaves_out_the_first_round() -> None:
    found = measured(fathom=2.0, transformers=6.0, transformers_pipeline=10.0, OpenVINO=5.0)
    assert (found["ours"], found["best_peer"]) == ("fathom", "OpenVINO")
    assert found["times_as_fast"] == pytest.approx(2.5)
    assert found["times_the_pipeline"] == pytest.approx(5.0)
    assert found["engines"]["fathom"]["texts_per_second"] == pytest.approx(2.0)


def test_of_two_ways_of_ours_the_faster_one_counts_and_a_slower_one_is_no_peer() -> None:
    found = measured(**{"fathom": 3.0, "fathom, auto": 1.0, "transformers": 2.0})
    assert (found["ours"], found["best_peer"], found["times_as_fast"]) == ("fathom, auto", "transformers", 2.0)


def test_single_texts_have_seconds_each() -> None:
    found = measured(together=False, fathom=0.1, transformers=0.3)
    assert found["engines"]["fathom"]["seconds"]["median"] == pytest.approx(0.1)
    assert found["engines"]["fathom"]["texts_per_second"] is None


def test_answers_are_held_against_the_reference() -> None:
    wrong = RIGHT.copy()
    wrong[0] = [0.4, 0.6]
    workers: Any = {"fathom": Scripted(1, wrong), "transformers": Scripted(1)}
    found = inference._measure(inference.Asked(["text"] * 4), workers, rounds=1)["engines"]
    assert (found["fathom"]["same_label"], found["transformers"]["same_label"]) == (0.75, 1.0)
    assert found["fathom"]["mean_difference"] == pytest.approx(0.125)


def test_a_faster_peer_with_other_answers_is_named_and_not_compared_with() -> None:
    wrong = RIGHT.copy()
    wrong[0] = [0.4, 0.6]
    workers: Any = {"fathom": Scripted(2), "transformers": Scripted(6), "OpenVINO, int8": Scripted(1, wrong)}
    found = inference._measure(inference.Asked(["text"] * 4), workers, rounds=1)
    assert (found["best_peer"], found["times_as_fast"]) == ("transformers", 3.0)
    assert found["fastest_with_other_answers"] == "OpenVINO, int8"


def test_every_engine_that_is_named_as_ours_or_quick_is_there() -> None:
    assert set(inference.OURS) | set(inference.QUICK) | {inference.REFERENCE, inference.AS_IT_COMES} <= set(engines.ENGINES)
    assert all(kind.__doc__ for kind in engines.ENGINES.values())


def test_engines_answer_alike_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FATHOM_DATA", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder, record = model_folder(tmp_path / "model"), tmp_path / "inference.json"
    given = ["--model", str(folder), "--quick", "--engines", "fathom; ONNX Runtime", "--threads", "1", "--record", str(record)]
    monkeypatch.setattr(engines.OnnxRuntime, "unusable", classmethod(lambda cls, device: "not today"))
    done = CliRunner().invoke(inference.app, given)
    assert done.exit_code == 0, done.output
    found = json.loads(record.read_text(encoding="utf-8"))
    assert found["left_out"] == {"ONNX Runtime": "not today"}
    for task in found["tasks"].values():
        assert task["engines"]["fathom"]["same_label"] == 1.0
        assert task["engines"]["fathom"]["mean_difference"] < 1e-5
    assert record.with_suffix(".svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(inference.app, ["--model", str(tmp_path), "--quick"])
    assert done.exit_code == 1
    assert "no model folder" in str(done.exception)
