"""`fathom finetune`: labelled texts and a model (or none) to a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fathom.cli.console import duration, emit, percent
from fathom.cli.options import Device, Json, Overwrite


def finetune(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A name, a path or hf:owner/name; a recipe may say it instead.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")] = Path("runs/model"),
    recipe: Annotated[Path | None, typer.Option(help="A YAML file with settings; flags and --set go over it.")] = None,
    model: Annotated[str | None, typer.Option(help="A name, a folder, hf:owner/name, or scratch. [default: minilm]")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the labels. [default: found]")] = None,
    pair: Annotated[str | None, typer.Option(help="The column with second texts, for tasks on pairs.")] = None,
    group: Annotated[str | None, typer.Option(help="Rows of one group never stand in two parts.")] = None,
    exclude: Annotated[str | None, typer.Option(help="A yes/no column; rows that say yes are left out.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts. [default: 3]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest rate. [default: 1e-4]")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens in a batch, padding included. [default: 4096]")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens that the model reads at once. [default: 256]")] = None,
    long_text: Annotated[str | None, typer.Option(help="head, head+tail or windows. [default: head]")] = None,
    dev_fraction: Annotated[float | None, typer.Option(help="Share kept for choosing and calibrating. [default: 0.1]")] = None,
    canaries: Annotated[
        int | None,
        typer.Option(help="Random texts with random labels to plant, to measure memory with."),
    ] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many evaluations without a better one.")] = None,
    checkpoint_minutes: Annotated[float | None, typer.Option(help="Minutes between checkpoints. [default: 5]")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides everything random. [default: 0]")] = None,
    allow_new_head: Annotated[
        bool, typer.Option("--allow-new-head", help="Replace the head of a model that classifies into other labels.")
    ] = False,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting, such as training.schedule=wsd.")
    ] = None,
    device: Device = None,
    tensorboard: Annotated[bool, typer.Option(help="Also write TensorBoard events, into OUTPUT.events.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run, bit for bit.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train a classifier on labelled texts and write its folder.

    Interrupted (Ctrl-C, SIGTERM, power), it goes on where it was with --resume. No test text is read: measure with
    `fathom evaluate`.

    Example: fathom finetune reviews.csv --text review --label stars --output runs/reviews
    """
    from fathom.pipeline.finetune import finetune as run
    from fathom.pipeline.settings import FinetuneSettings, read_settings

    flags = {
        "data": data,
        "model": model,
        "allow_new_head": allow_new_head or None,
        "columns": {"text": text, "label": label, "pair": pair, "group": group, "exclude": exclude},
        "max_length": max_length,
        "long_text": long_text,
        "dev_fraction": dev_fraction,
        "canaries": canaries,
        "training": {
            "epochs": epochs,
            "learning_rate": learning_rate,
            "batch_tokens": batch_tokens,
            "patience": patience,
            "checkpoint_minutes": checkpoint_minutes,
            "seed": seed,
        },
    }
    from fathom.cli.progress import TrainingProgress
    from fathom.training import joined

    settings = read_settings(FinetuneSettings, recipe, flags, assign or ())
    with joined() as ranks, TrainingProgress(quiet=json) as progress:
        result = run(
            settings,
            output,
            device=device,
            resume=resume,
            overwrite=overwrite,
            listener=progress,
            tensorboard=tensorboard,
            ranks=ranks,
        )
    if not ranks.is_first:
        return
    metrics = result.made_by.metrics
    dev = f"{percent(metrics['dev']['accuracy'], 2)} right on the {metrics['facts']['dev_rows']:,} texts of the dev part"
    text_result = (
        f"{output}: {dev} (which chose the weights), after {duration(result.made_by.seconds)}\n"
        f'next: fathom predict {output} "a text"\n'
        f"      fathom evaluate {output} --data LABELLED_TEXTS_OF_YOUR_OWN{_named(text=text, label=label, pair=pair)}"
    )
    emit(
        {
            "model": str(output),
            "dev": metrics["dev"],
            "seconds": result.made_by.seconds,
            "steps": metrics["steps"],
            "tokens_per_second": metrics["tokens_per_second"],
            "facts": metrics["facts"],
        },
        json=json,
        text=text_result,
    )


def _named(**columns: str | None) -> str:
    """The columns that were named, as flags for the next command."""
    import shlex

    return "".join(f" --{role} {shlex.quote(name)}" for role, name in columns.items() if name is not None)
