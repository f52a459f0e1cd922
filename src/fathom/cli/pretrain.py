"""`fathom pretrain`: documents without labels to a base model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fathom.cli.console import duration, emit, percent
from fathom.cli.options import Device, Json, Overwrite


def pretrain(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A name, a path or hf:owner/name; one document a row.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")] = Path("runs/base"),
    recipe: Annotated[Path | None, typer.Option(help="A YAML file with settings; flags go before it.")] = None,
    model: Annotated[str | None, typer.Option(help="A name, a folder, hf:owner/name, or scratch. [default: scratch]")] = None,
    objective: Annotated[
        str | None, typer.Option(help="masked, masked+next, masked+order, causal, permutation or replaced. [default: masked]")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    mask_rate: Annotated[float | None, typer.Option(help="Share of the tokens that are hidden. [default: 0.15]")] = None,
    whole_words: Annotated[bool, typer.Option("--whole-words", help="Hide words, not tokens.")] = False,
    language: Annotated[str | None, typer.Option(help="How sentences and words are found. [default: en]")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens in a row. [default: 128]")] = None,
    held_out: Annotated[float | None, typer.Option(help="Share of the documents only measured on. [default: 0.01]")] = None,
    against: Annotated[str | None, typer.Option(help="DATA whose texts are looked for in the corpus before training.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the documents. [default: 1]")] = None,
    updates: Annotated[int | None, typer.Option(help="Stop after so many updates. [default: all of the epochs]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest rate. [default: 5e-4]")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens in a batch. [default: 4096]")] = None,
    checkpoint_minutes: Annotated[float | None, typer.Option(help="Minutes between checkpoints. [default: 5]")] = None,
    processes: Annotated[int, typer.Option(help="How many tokenise at the same time.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Decides everything random. [default: 0]")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting, such as architecture.depth=6.")
    ] = None,
    device: Device = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run, bit for bit.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train a base model on documents without labels, from random weights or from a model, and write its folder.

    Interrupted (Ctrl-C, SIGTERM, power), it goes on where it was with --resume. Some documents are held out and measured on.

    Example: fathom pretrain reviews.csv --text review --output runs/base

    Example: fathom pretrain imdb --split unsup --model minilm --against imdb --output runs/minilm-imdb

    Several processes: torchrun --nproc-per-node 2 -m fathom pretrain … --set training.accumulate=2
    """
    from fathom.cli.progress import TrainingProgress
    from fathom.pipeline.base_model_page import next_commands
    from fathom.pipeline.pretrain import pretrain as run
    from fathom.pipeline.settings import PretrainSettings, read_settings
    from fathom.training import joined

    flags = {
        "data": data,
        "split": split,
        "model": model,
        "objective": objective,
        "columns": {"text": text},
        "mask_rate": mask_rate,
        "whole_words": whole_words or None,
        "language": language,
        "max_length": max_length,
        "held_out": held_out,
        "against": against,
        "training": {
            "epochs": epochs,
            "updates": updates,
            "learning_rate": learning_rate,
            "batch_tokens": batch_tokens,
            "checkpoint_minutes": checkpoint_minutes,
            "seed": seed,
        },
    }
    settings = read_settings(PretrainSettings, recipe, flags, assign or ())
    with joined() as ranks, TrainingProgress(quiet=json, describe=_described) as progress:
        result = run(
            settings,
            output,
            device=device,
            resume=resume,
            overwrite=overwrite,
            listener=progress,
            processes=processes,
            ranks=ranks,
        )
    if not ranks.is_first:
        return
    metrics = result.made_by.metrics
    emit(
        {
            "model": str(output),
            "held_out": metrics["held_out"],
            "seconds": result.made_by.seconds,
            "facts": metrics["facts"],
            "work": metrics["work"],
        },
        json=json,
        text=f"{output}: {_described(metrics['held_out'])} on held-out documents, after {duration(result.made_by.seconds)}\n"
        + f"{metrics['work']['utilisation']:.0%} of what this machine's matrix products reach; curves: {output}/report.html\n"
        + "next: "
        + "\n      ".join(command for command, _ in next_commands(output, settings)),
    )


def _described(scores: dict[str, float]) -> str:
    counting = f"counting alone: {scores['unigram_loss']:.4f} by frequency, {scores['bigram_loss']:.4f} by the token before"
    parts = [f"loss {scores['loss']:.4f} nats a token ({counting}), {percent(scores['accuracy'], 2)} of the tokens right"]
    if "bits_per_byte" in scores:
        parts.append(f"{scores['bits_per_byte']:.4f} bits a byte")
    if "replaced_accuracy" in scores:
        parts.append(f"{percent(scores['replaced_accuracy'], 2)} of all tokens rightly taken for kept or replaced")
    if "relation_accuracy" in scores:
        parts.append(f"{percent(scores['relation_accuracy'], 2)} of the pairs right")
    return ", ".join(parts)
