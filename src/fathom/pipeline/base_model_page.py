"""The page of a base model, from what its run left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fathom.checkpoint import MadeBy
from fathom.limits.base_model import BaseModelRecord, render_base_model
from fathom.limits.comparison import Making
from fathom.pipeline.settings import PretrainSettings
from fathom.training import TrainingResult, Work

REPORT = "report.html"
_ASKED = {"causal": "next tokens", "permutation": "tokens in random order"}


def base_model_page(
    folder: Path, settings: PretrainSettings, result: TrainingResult, work: Work, made_by: MadeBy, metrics: str
) -> str:
    """The page.

    Args:
        folder: where the model will be.
        made_by: with the held-out measurement that was kept, and the facts of the corpus.
        metrics: the lines of metrics.jsonl.
    """
    facts = made_by.metrics["facts"]
    entries = map(json.loads, metrics.splitlines())
    flat = settings.model_dump(mode="json", exclude_defaults=True)
    record = BaseModelRecord(
        title=f"{folder.name}: what it learned",
        asked=_ASKED.get(settings.objective, "hidden tokens"),
        documents=facts["documents"],
        corpus_tokens=facts["tokens"],
        text_bytes=facts["text_bytes"],
        losses=[(entry["step"], entry["loss"]) for entry in entries if "rate" in entry],
        evaluations=result.evaluations,
        kept=result.best_step,
        steps=result.steps,
        seconds=result.seconds,
        tokens=result.tokens,
        tokens_per_second=result.tokens / max(result.update_seconds, 1e-9),
        flops_per_token=work.flops_per_token,
        peak=work.peak,
        utilisation=work.utilisation(result.tokens, result.update_seconds, result.processes),
        notes=_notes(facts),
        making=Making(
            command=made_by.command,
            seed=made_by.seed,
            version=made_by.version,
            commit=made_by.commit,
            machine=made_by.machine,
            seconds=made_by.seconds,
            settings={name: str(value) for name, value in _flat(flat)},
        ),
        next_commands=next_commands(folder, settings),
    )
    return render_base_model(record)


def next_commands(folder: Path, settings: PretrainSettings) -> list[tuple[str, str]]:
    """What to type with a base model, and what each does."""
    found = [(f"fathom finetune LABELLED_TEXTS --model {folder} --output NEW", "teach it a task")]
    if settings.objective == "causal":
        found.append((f'fathom generate {folder} "a beginning"', "let it write"))
    elif settings.objective != "replaced":
        found.append((f'fathom predict {folder} "a text with a [MASK]"', "ask what belongs in a gap"))
    return found


def repeats_in_words(facts: Mapping[str, Any]) -> str:
    """How many documents repeat others."""
    repeats = facts["duplicates"]
    return (
        f"{repeats['copies']:,} of {repeats['documents']:,} documents repeat another one, {repeats['near_copies']:,} nearly do"
    )


def shared_in_words(shared: Mapping[str, Any]) -> str:
    """How much of an evaluation set stands in the documents."""
    return (
        f"{shared['touched']:,} of {shared['texts']:,} texts of {shared['data']} share a passage of 13 words with "
        f"a document, {shared['wholly']:,} stand in them wholly: figures on these say what was remembered"
    )


def _notes(facts: Mapping[str, Any]) -> list[str]:
    notes = [repeats_in_words(facts)]
    if "against" in facts:
        notes.append(shared_in_words(facts["against"]))
    if (told := facts.get("topic_baseline")) is not None:
        notes.append(f"common words alone tell {told['accuracy']:.1%} of the {told['pairs']:,} held-out pairs")
    return [f"{note[0].upper()}{note[1:]}." for note in notes]


def _flat(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in nested.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)]
    return found
