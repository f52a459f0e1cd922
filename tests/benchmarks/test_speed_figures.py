"""The table of speed says what the records say, in both languages, and nothing of what was not measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from figures import speed


@pytest.mark.parametrize("language", ["en", "zh"])
def test_speed_table(language: str, tmp_path: Path) -> None:
    assert speed(language, tmp_path) == ""

    def write(name: str, record: dict[str, Any]) -> None:
        (tmp_path / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")

    def engine(seconds: float, texts: int | None, same: float = 0.998) -> dict[str, Any]:
        speed = texts / seconds if texts else None
        return {"seconds": {"median": seconds}, "texts_per_second": speed, "same_label": same, "mean_difference": 0.0}

    def task(texts: int | None, *seconds: float) -> dict[str, Any]:
        engines = dict(
            zip(("fathom", "OpenVINO", "transformers pipeline"), (engine(one, texts) for one in seconds), strict=True)
        )
        engines["OpenVINO, int8"] = engine(seconds[0] / 2 if texts else 1.0, texts, same=0.95)
        compared = {"fastest_with_other_answers": "OpenVINO, int8", "times_as_fast": seconds[1] / seconds[0]}
        return {"engines": engines, "ours": "fathom", "best_peer": "OpenVINO", **compared}

    setting = {"rounds": 3, "max_length": 256, "threads": 2, "processor": "a processor", "kernels": "AVX2", "torch": "2"}
    tasks = {"512 reviews": task(512, 16.0, 32.0, 64.0), "one sentence": task(None, 0.004, 0.006, 0.012)}
    write("inference", {"tasks": tasks, "setting": setting, "left_out": {"OpenVINO, bf16": "no fast bfloat16 here"}})
    found = speed(language, tmp_path)
    assert "| 32.0 | OpenVINO: 16.0 | 2.00 | 8.0 |" in found
    assert "| 4.0 | OpenVINO: 6.0 | 1.50 | 12.0 |" in found
    assert "99.80 %" in found
    assert "OpenVINO, bf16" in found
    assert found.count("OpenVINO, int8") == 1  # where it is faster, and only there
    assert "64.0" in found
    assert "95.00 %" in found
    sides = {"fathom": {"reviews_per_second": 9.0}, "transformers Trainer": {"reviews_per_second": 4.5}}
    write("training", {"engines": sides, "times_as_fast": 2.0, "model_flops_utilisation": 0.7, "peak_flops": 1.6e11})
    commands = {
        name: {"seconds": {"median": seconds}, "megabytes": 400.0}
        for name, seconds in {"fathom predict": 2.3, "transformers pipeline": 5.0}.items()
    }
    write("startup", {"commands": commands, "seconds_beyond_torch": 0.5, "weights_megabytes": 91.0})
    sides = {"fathom": {"mean": 0.85, "by_seed": [0.8, 0.9]}, "transformers Trainer": {"mean": 0.84, "by_seed": [0.83, 0.85]}}
    write("training-accuracy", {"engines": sides, "reviews": 1500, "epochs": 1, "test": 1000})
    found = speed(language, tmp_path)
    trained = ("| 9.0 | Trainer: 4.5 | 2.00 | 4.5 |", "160 GFLOP/s", "85.00 %", "84.00 %", "1,500")
    started = ("| 2.30 | – | – | 5.00 |", "91 MB")
    for part in trained + started:
        assert part in found
