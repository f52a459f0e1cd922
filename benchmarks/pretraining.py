"""What pre-training is worth here, measured. A command that was stopped goes on when it is given again.

python benchmarks/pretraining.py encoder       a base from scratch, fine-tuned, against random weights        (transfer.py)
python benchmarks/pretraining.py continued     MiniLM pre-trained on with the task's text, against MiniLM     (transfer.py)
python benchmarks/pretraining.py relations     hidden tokens, with next sentence, with sentence order         (relations.py)
python benchmarks/pretraining.py curves        causal, permutation, n-grams and xz in bits per byte           (curves.py)
python benchmarks/pretraining.py optimizers    AdamW and Muon at equal FLOPs                                  (optimizers.py)

FATHOM_DATA names the folder with the data. Each writes benchmarks/results/pretraining-NAME.json; what it trains stays in
runs/pretraining/NAME. One thread: OMP_NUM_THREADS=1, the same again after a stop.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from curves import curves as run_curves
from optimizers import optimizers as run_optimizers
from relations import relations as run_relations
from steps import RESULTS, run
from transfer import Candidate
from transfer import continued as run_continued
from transfer import encoder as run_encoder

from fathom.pipeline.settings import SCRATCH, ArchitectureSettings, DropoutSettings, PretrainSettings, read_settings
from fathom.training import TrainingSettings

ROOT = Path(__file__).parents[1]
RUNS = Path("runs") / "pretraining"
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Folder = Annotated[Path | None, typer.Option(help="where what is trained stays; usually runs/pretraining/NAME")]
Record = Annotated[Path | None, typer.Option(help="usually benchmarks/results/pretraining-NAME.json")]
Seeds = Annotated[int, typer.Option(min=1, help="of fine-tuning: 0, 1, …")]
Sizes = Annotated[str, typer.Option("--labels", help="numbers of labels, and all")]
Candidates = Annotated[str, typer.Option(help="RATE,TOKEN_DROPOUT …: what the dev part chooses among")]
Dev = Annotated[int, typer.Option(min=2, help="reviews of the dev part")]
Test = Annotated[int, typer.Option(min=1, help="test reviews that are answered after training with few labels")]
Data = Annotated[str, typer.Option(help="DATA to pre-train on")]
Split = Annotated[str | None, typer.Option(help="which part of DATA")]
Updates = Annotated[int | None, typer.Option(min=1, help="of each pre-training; none: all epochs")]
Width = Annotated[int, typer.Option(min=8)]
Depth = Annotated[int, typer.Option(min=1)]
Vocabulary = Annotated[int, typer.Option(min=100, help="entries of the vocabulary")]


@app.command()
def encoder(
    base: Annotated[Path, typer.Option(help="the folder that `fathom pretrain` wrote")] = Path("runs/imdb-encoder"),
    labels: Sizes = "100 1000 all",
    candidates: Candidates = "3e-4,0 1e-3,0.5",
    seeds: Seeds = 3,
    dev: Dev = 500,
    test: Test = 5000,
    folder: Folder = None,
    record: Record = None,
) -> None:
    """A base that was pre-trained from scratch, against the same network with random weights."""
    run_encoder(
        base, folder or RUNS / "encoder", _sizes(labels), tuple(range(seeds)), _candidates(candidates),
        dev=dev, test=test, record=record or RESULTS / "pretraining-encoder.json",
    )  # fmt: skip


@app.command()
def continued(
    recipe: Path = ROOT / "recipes" / "imdb-minilm-continued.yaml",
    labels: Sizes = "100 500",
    candidates: Candidates = "1e-4,0",
    seeds: Seeds = 3,
    dev: Dev = 250,
    test: Test = 2000,
    updates: Updates = None,
    folder: Folder = None,
    record: Record = None,
) -> None:
    """MiniLM, pre-trained on with IMDB's text, against MiniLM."""
    settings = read_settings(PretrainSettings, recipe, {"training": {"updates": updates}})
    run_continued(
        settings, folder or RUNS / "continued", _sizes(labels), tuple(range(seeds)), _candidates(candidates),
        dev=dev, test=test, record=record or RESULTS / "pretraining-continued.json",
    )  # fmt: skip


@app.command()
def relations(
    data: Data = "imdb",
    split: Split = "unsup",
    model: Annotated[str, typer.Option(help="MODEL that all bases start from, or scratch")] = "minilm",
    updates: Updates = 1000,
    base_rate: Annotated[float, typer.Option(help="of pre-training; from random weights 2e-3 is good")] = 2e-4,
    width: Width = 192,
    depth: Depth = 4,
    vocabulary: Vocabulary = 8000,
    pairs: Annotated[int, typer.Option(min=10, help="of training documents, for each probe")] = 3000,
    folds: Annotated[int, typer.Option(min=2, help="of fine-tuning")] = 2,
    epochs: Annotated[int, typer.Option(min=1, help="of fine-tuning")] = 2,
    rate: Annotated[float, typer.Option(help="of fine-tuning")] = 1e-4,
    folder: Folder = None,
    record: Record = None,
) -> None:
    """Three bases: hidden tokens alone, with next sentence, with sentence order.

    Width, depth and vocabulary are of bases from random weights.
    """
    # with learned positions and dropout of 0.1, bases this small say little but how frequent words are for 3,000 updates
    architecture = ArchitectureSettings(
        width=width, depth=depth, heads=max(1, width // 64), feed_forward_width=8 * width // 3, gated=True,
        positions="rotary", pooling="first", pooler=True, segments=2,
    )  # fmt: skip
    common: dict[str, Any] = {
        "data": data, "split": split, "model": model, "architecture": architecture if model == SCRATCH else None,
        "max_length": 128, "markup": False, "held_out": 0.02, "mask_rate": 0.3 if model == SCRATCH else 0.15,
        "dropout": DropoutSettings(hidden=0.0),
        "training": TrainingSettings(
            epochs=2, updates=updates, batch_tokens=4096, batch_rows=None, learning_rate=base_rate
        ),
    }  # fmt: skip
    objectives: Any = ("masked", "masked+next", "masked+order")
    name = "relations-from-scratch" if model == SCRATCH else "relations"
    run_relations(
        {objective: PretrainSettings(objective=objective, **common) for objective in objectives}, folder or RUNS / name,
        vocab_size=vocabulary, pairs=pairs, folds=folds, epochs=epochs, rate=rate,
        record=record or RESULTS / f"pretraining-{name}.json",
    )  # fmt: skip


@app.command()
def optimizers(
    recipe: Path = ROOT / "recipes" / "imdb-encoder.yaml",
    data: Data = "imdb",
    split: Split = "train",
    updates: Annotated[int, typer.Option(min=1, help="of AdamW; Muon gets as many as cost the same")] = 500,
    adamw: Annotated[str, typer.Option(help="rates to choose among")] = "1e-3 2e-3 4e-3",
    muon: Annotated[str, typer.Option(help="rates of its matrices to choose among")] = "4e-3 8e-3 1.6e-2",
    seeds: Annotated[int, typer.Option(min=3, help="the first chooses, the others compare")] = 4,
    folder: Folder = None,
    record: Record = None,
) -> None:
    """AdamW and Muon, each with the best of three rates, on the recipe's model with rows of one length."""
    asked = {"data": data, "split": split, "training": {"updates": updates, "evaluations": 1}}
    settings = read_settings(PretrainSettings, recipe, asked, ["curriculum=[]"])
    rates = {name: tuple(map(float, text.split())) for name, text in {"adamw": adamw, "muon": muon}.items()}
    run_optimizers(
        settings, folder or RUNS / "optimizers", rates, tuple(range(seeds)), record or RESULTS / "pretraining-optimizers.json"
    )


@app.command()
def curves(
    data: Data = "imdb",
    split: Split = "train",
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    updates: Updates = None,
    width: Width = 192,
    depth: Depth = 4,
    vocabulary: Vocabulary = 8000,
    evaluations: Annotated[int, typer.Option(min=1, help="points of the learning curve, in each epoch")] = 12,
    held_out: Annotated[float, typer.Option(help="share of the documents that are measured on")] = 0.02,
    folder: Folder = None,
    record: Record = None,
) -> None:
    """A causal and a permutation model of one size, n-grams and xz, in bits per byte of held-out documents."""
    training = TrainingSettings(
        epochs=epochs, updates=updates, evaluations=evaluations, batch_tokens=4096, batch_rows=None, learning_rate=1e-3
    )
    common: dict[str, Any] = {"data": data, "split": split, "max_length": 256, "held_out": held_out, "training": training}
    shape: dict[str, Any] = {"width": width, "depth": depth, "heads": max(1, width // 64)}
    # as many weights a block: attention of 4 maps and 3 gated ones here, of 5 (relative positions) and 2 plain ones there
    causal = ArchitectureSettings(family="llama", causal=True, feed_forward_width=8 * width // 3, **shape)
    permutation = ArchitectureSettings(family="xlnet", feed_forward_width=7 * width // 2, **shape)
    run_curves(
        {
            "causal": PretrainSettings(objective="causal", architecture=causal, **common),
            "permutation": PretrainSettings(objective="permutation", architecture=permutation, predicted=1, **common),
        },
        folder or RUNS / "curves",
        vocab_size=vocabulary,
        record=record or RESULTS / "pretraining-curves.json",
        picture=(record or RESULTS / "pretraining-curves.json").with_suffix(".svg"),
    )


def _sizes(text: str) -> tuple[int | None, ...]:
    return tuple(None if word == "all" else int(word) for word in text.split())


def _candidates(text: str) -> tuple[Candidate, ...]:
    return tuple(map(Candidate.read, text.split()))


if __name__ == "__main__":
    sys.exit(run(app))
