"""The tables of pre-training say what the records say, in both languages, and nothing of what was not measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from figures import pretraining


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tables(language: str, tmp_path: Path) -> None:
    assert pretraining(language, tmp_path).strip() == ""

    def write(name: str, record: object) -> None:
        (tmp_path / f"pretraining-{name}.json").write_text(json.dumps(record), encoding="utf-8")

    def share(value: float) -> dict[str, object]:
        return {"value": value, "interval": [value - 0.01, value + 0.01], "bits_per_byte": value}

    of_arms = {"pretrained": {"accuracy": share(0.8)}, "random": {"accuracy": share(0.6)}}
    results = [{"labels": 1000, **of_arms, "gap": share(0.2), "bag_of_words": {"accuracy": share(0.85)}}]
    base = {"metrics": {"tokens": 24_400_000}, "seconds": 4800.0, "machine": {"processor": "Abacus"}}
    record = {"arms": ["pretrained", "random"], "seeds": [0, 1], "parameters": 1_890_000, "results": results}
    write("encoder", record | {"base": base})
    write("encoder-large", record | {"base": base | {"machine": {"processor": "Abacus", "gpu": "Loom"}}})
    curve = [{"tokens": 1_000}, {"tokens": 2_000}]
    models = {
        "causal": {"left_to_right": share(1.5), "curve": curve},
        "permutation": {"left_to_right": share(1.7), "drawn_order": share(1.6), "curve": curve},
    }
    write(
        "curves",
        {
            "models": models,
            "kneser_ney": {"best": {"order": 4, "tokens": 8_000, **share(1.4)}},
            "xz": {"after_training_text": share(2.25)},
        },
    )
    relations = {
        "next_sentence": {"as_trained": None, "probe": share(0.71)},
        "sentence_order": {"as_trained": share(0.61), "probe": share(0.52)},
    }
    words = {"next_sentence": share(0.65), "sentence_order": share(0.51)}
    tasks = {name: {"bases": {"masked": share(0.55)}, "bag_of_words": share(0.88)} for name in ("answerable", "better")}
    write("relations", {"intrinsic": {"bases": {"masked": {"relations": relations}}, "words": words}, "downstream": tasks})
    runs = [
        {name: {"metrics": {"held_out": {"loss": loss}}} for name, loss in (("adamw", 5.0 + x), ("muon", 4.5))} for x in (0, 1)
    ]
    chosen, updates = {"adamw": 2e-3, "muon": 1.6e-2}, {"adamw": 500, "muon": 461}
    gap = {"mean": -1.0, "interval": [-1.5, 0.5]}
    write("optimizers", {"runs": runs, "chosen": chosen, "updates": updates, "difference": gap})
    found = pretraining(language, tmp_path)
    assert "| 1,000 | 80.00 % (79.00–81.00) | 60.00 % (59.00–61.00) | +20.00 (+19.00–+21.00) | 85.00 % (84.00–86.00) |" in found
    counted = ("1.9 million", "24 million") if language == "en" else ("189 万", "2,440 万")
    assert all(value in found for value in (*counted, "80", "Abacus", "Loom"))
    assert "n = 4 | 8,000 | 1.400 |" in found
    assert "| `masked` | – | 61.00 % (60.00–62.00) | 71.00 % (70.00–72.00) | 52.00 %" in found
    assert " | – | – | 65.00 % (64.00–66.00) | 51.00 %" in found
    assert "88.00 % (87.00–89.00) |" in found
    assert "| AdamW | 0.002 | 500 | 5.500 (5.000–6.000) |\n| Muon | 0.016 | 461 | 4.500 (4.500–4.500) |" in found
    assert all(value in found for value in ("−1.000", "−1.500", "+0.500"))
