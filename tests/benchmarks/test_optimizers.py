"""Equal FLOPs are equal, rates are chosen by one seed and compared by others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from optimizers import optimizers, orthogonal_flops, t_interval
from torch.utils.flop_counter import FlopCounterMode

from fathom.pipeline.settings import PretrainSettings
from fathom.training.muon import orthogonal
from tests import tiny


@pytest.mark.parametrize("shape", [(32, 32), (64, 16), (16, 64)])
def test_orthogonal_flops_are_those_that_torch_counts(shape: tuple[int, int]) -> None:
    with FlopCounterMode(display=False) as counter:
        orthogonal(torch.randn(shape))
    assert counter.get_total_flops() == orthogonal_flops(*shape)


def test_t_interval_of_three_values() -> None:
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)


def test_optimizers_chooses_with_the_first_seed_and_compares_with_the_others(tmp_path: Path) -> None:
    documents = tmp_path / "documents.jsonl"
    sentences = [*tiny.GOOD, *tiny.BAD]
    rows = [" ".join(f"{sentences[(i * j) % 10].capitalize()} {i}." for j in range(1, 6)) for i in range(60)]
    documents.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    settings = PretrainSettings.model_validate(
        {
            "data": str(documents),
            "vocabulary": {"kind": "wordpiece", "size": 200, "min_frequency": 1},
            "architecture": {"family": "modernbert", "width": 16, "depth": 2, "heads": 2, "feed_forward_width": 32},
            "max_length": 24,
            "held_out": 0.1,
            "training": {"epochs": 3, "updates": 12, "batch_tokens": 96, "batch_rows": None},
        }
    )
    rates = {"adamw": (1e-2, 1e-9), "muon": (1e-9, 1e-2)}
    optimizers(settings, tmp_path / "runs", rates, (0, 1, 2), tmp_path / "record.json")
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["chosen"] == {"adamw": 1e-2, "muon": 1e-2}
    assert 1 <= record["updates"]["muon"] < record["updates"]["adamw"] == 12, "orthogonal matrices cost updates"
    assert [run["seed"] for run in record["runs"]] == [1, 2]
    for run in record["runs"]:
        assert run["adamw"]["metrics"]["steps"] == 12
        assert run["muon"]["metrics"]["steps"] == record["updates"]["muon"]
        assert run["muon"]["settings"]["training"]["matrix_learning_rate"] == 1e-2
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    optimizers(settings, tmp_path / "runs", rates, (0, 1, 2), tmp_path / "record.json")
    assert written == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}, "nothing is done twice"
