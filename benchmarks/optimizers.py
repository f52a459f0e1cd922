"""AdamW and Muon at equal FLOPs: the same model, texts and batches, each optimizer with the best of its own rates.

    chosen      the rate of each, by the loss on held-out documents of a run with the first seed
    compared    runs with further seeds, each of which draws weights, held-out documents and order; pairs share a seed
    equal       Muon makes matrices orthogonal by matrix products, so it gets fewer updates: as many as cost the same

Most claims for an optimizer come from rates that suited it better than what it was compared with.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steps import pretrained, summary, write_record

from fathom.checkpoint import MadeBy, load_model
from fathom.pipeline.settings import PretrainSettings
from fathom.training.muon import STEPS
from fathom.training.optimizer import make_optimizer

Rates = Mapping[str, Sequence[float]]


def optimizers(settings: PretrainSettings, folder: Path, rates: Rates, seeds: Sequence[int], record: Path) -> None:
    """Trains what is missing and writes the record.

    Args:
        settings: of AdamW's runs; `training.updates` says how long they are.
        rates: by optimizer. Muon's are of the matrices; the rest gets AdamW's chosen rate.
        seeds: the first chooses, the others compare.
    """
    first, *others = seeds
    tried: dict[str, dict[float, MadeBy]] = {"adamw": {}, "muon": {}}
    for rate in rates["adamw"]:
        tried["adamw"][rate] = _run(settings, folder, {"learning_rate": rate, "seed": first})
    best = {"adamw": _best(tried["adamw"])}
    updates = _affordable(tried["adamw"][best["adamw"]], folder / _name({"learning_rate": best["adamw"], "seed": first}))
    muon = {"optimizer": "muon", "learning_rate": best["adamw"], "updates": updates}
    for rate in rates["muon"]:
        tried["muon"][rate] = _run(settings, folder, {**muon, "matrix_learning_rate": rate, "seed": first})
    best["muon"] = _best(tried["muon"])
    runs = [
        {
            "seed": seed,
            "adamw": summary(_run(settings, folder, {"learning_rate": best["adamw"], "seed": seed})),
            "muon": summary(_run(settings, folder, {**muon, "matrix_learning_rate": best["muon"], "seed": seed})),
        }
        for seed in others
    ]
    gaps = [_loss(run["muon"]) - _loss(run["adamw"]) for run in runs]
    found = {
        "name": "pretraining-optimizers",
        "data": f"{settings.data} ({settings.split or 'whole'})",
        "updates": {"adamw": settings.training.updates, "muon": updates},
        "chosen": best,
        "tried": {
            name: [{"rate": rate, "loss": made.metrics["held_out"]["loss"]} for rate, made in them.items()]
            for name, them in tried.items()
        },
        "runs": runs,
        "difference": {"values": gaps, "mean": statistics.mean(gaps), "interval": t_interval(gaps)},
    }
    write_record(record, found)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean over seeds (Student)."""
    from scipy.stats import t

    mean = statistics.mean(values)
    reach = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return mean - reach, mean + reach


def orthogonal_flops(rows: int, columns: int) -> int:
    """FLOPs that Muon spends on one matrix in an update: three products in each Newton–Schulz step."""
    small, large = sorted((rows, columns))
    return len(STEPS) * (4 * small * small * large + 2 * small**3)


def _affordable(adamw: MadeBy, folder: Path) -> int:
    """Updates of Muon that cost as many FLOPs as the updates of a finished run of AdamW."""
    metrics = adamw.metrics
    of_update = metrics["work"]["flops_per_token"] * metrics["tokens"] / metrics["steps"]
    settings = PretrainSettings.model_validate(adamw.settings).training.model_copy(update={"optimizer": "muon"})
    groups = make_optimizer(load_model(folder).model, settings).param_groups
    matrices = [parameter for group in groups if group["orthogonal"] for parameter in group["params"]]
    extra = sum(orthogonal_flops(*matrix.shape) for matrix in matrices)
    return max(1, int(metrics["steps"] * of_update / (of_update + extra)))


def _run(settings: PretrainSettings, folder: Path, training: Mapping[str, Any]) -> MadeBy:
    chosen = {
        **settings.model_dump(exclude_unset=True),
        "training": {**settings.training.model_dump(exclude_unset=True), **training},
    }
    return pretrained(PretrainSettings.model_validate(chosen), folder / _name(training))


def _name(training: Mapping[str, Any]) -> str:
    rate = training.get("matrix_learning_rate", training["learning_rate"])
    return f"{training.get('optimizer', 'adamw')}-{rate:g}-seed-{training['seed']}"


def _best(tried: Mapping[float, MadeBy]) -> float:
    return min(tried, key=lambda rate: float(tried[rate].metrics["held_out"]["loss"]))


def _loss(run: Mapping[str, Any]) -> float:
    return float(run["metrics"]["held_out"]["loss"])
