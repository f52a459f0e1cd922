"""How fast MiniLM is fine-tuned, beside transformers' Trainer as its documentation advises, and whether both learn as much.

python benchmarks/training.py speed              reviews a second, in turn; some ten minutes
python benchmarks/training.py speed --quick      under 2 minutes
python benchmarks/training.py accuracy           three seeds each on one subset, then test reviews; an hour

Both fine-tune the packaged MiniLM on IMDB reviews of at most 256 tokens, 32 in a batch, with AdamW and one rate. fathom: its
defaults. Trainer: bf16 where the processor has it, batches of similar length (`train_sampling_strategy="group_by_length"`),
everything else as it comes. Only updates are timed, not loading. A command that was stopped goes on when it is given again
(`accuracy`). Needs the extra `bench` and FATHOM_DATA. Writes benchmarks/results/training.json and training-accuracy.json.
"""

from __future__ import annotations

import random
import sys
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from steps import RESULTS, finetuned, kept, run, say, write_record
from timing import machine, summary

from fathom.checkpoint import load_model, resolve_model
from fathom.cli.console import table
from fathom.data import Example, TokenizedDataset, open_data
from fathom.inference import Predictor
from fathom.limits.statistics import wilson
from fathom.model.precision import fast_bfloat16
from fathom.objectives import Classification
from fathom.pipeline.settings import FinetuneSettings, validate_settings
from fathom.training import measure_work, train
from fathom.training.throughput import Work

MAX_LENGTH, ROWS, RATE = 256, 32, 1e-4
LABELS = ["neg", "pos"]
FOLDER = Path("runs") / "training-benchmark"

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@cache
def reviews(split: str, count: int, seed: int) -> list[Example]:
    """Some of a split, drawn with a seed."""
    every = list(open_data("imdb", split=split))
    return [every[row] for row in sorted(random.Random(seed).sample(range(len(every)), count))]


def settings_of(seed: int, epochs: int) -> FinetuneSettings:
    """fathom's defaults, with the batch and the rate that both sides get."""
    training = {"epochs": epochs, "batch_rows": ROWS, "batch_tokens": ROWS * MAX_LENGTH, "learning_rate": RATE, "seed": seed}
    return validate_settings({"data": "imdb", "model": "minilm", "max_length": MAX_LENGTH, "training": training})


@dataclass
class FathomRun:
    """Its loop on reviews that are already tokens, as Trainer's are."""

    examples: list[Example]
    device: str

    @cached_property
    def data(self) -> TokenizedDataset:
        tokenizer = load_model(resolve_model("minilm"), task="sequence", labels=LABELS).tokenizer
        return TokenizedDataset.build(self.examples, tokenizer, labels=labels_of(self.examples), max_length=MAX_LENGTH)

    def seconds(self) -> float:
        """Of the updates of an epoch."""
        settings = settings_of(0, epochs=1)
        model = load_model(
            resolve_model("minilm"), task="sequence", labels=LABELS, training=settings.dropout.fields()
        ).model.to(self.device)
        with tempfile.TemporaryDirectory() as folder:
            result = train(model, Classification(), self.data, settings.training, folder=Path(folder), fingerprint="speed")
        return result.update_seconds

    def work(self) -> Work:
        """What a token costs, and what the machine could do."""
        model = load_model(resolve_model("minilm"), task="sequence", labels=LABELS).model.to(self.device)
        return measure_work(model, Classification(), self.data.batch(np.arange(4)), "auto")


def labels_of(examples: list[Example]) -> list[str]:
    """The two labels as the data spells them, in order."""
    return sorted({str(example.label) for example in examples})


def trainer_run(examples: list[Example], seed: int, epochs: int, folder: Path, device: str) -> tuple[float, Any]:
    """Seconds of transformers' Trainer, and the model that it trained."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        set_seed,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    set_seed(seed)
    source = str(resolve_model("minilm"))
    tokenizer = AutoTokenizer.from_pretrained(source)
    numbers = {label: number for number, label in enumerate(labels_of(examples))}
    found = tokenizer([example.text for example in examples], truncation=True, max_length=MAX_LENGTH)
    rows = [
        {**{name: found[name][row] for name in found}, "labels": numbers[str(example.label)]}
        for row, example in enumerate(examples)
    ]
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=epochs,
            per_device_train_batch_size=ROWS,
            learning_rate=RATE,
            train_sampling_strategy="group_by_length",
            bf16=fast_bfloat16(torch.device(device)),
            use_cpu=device == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)
        trained = trainer.train()
    return float(trained.metrics["train_runtime"]), model


@app.command()
def speed(
    count: Annotated[int, typer.Option("--reviews", min=ROWS, help="that each side trains on in a round")] = 320,
    rounds: Annotated[int, typer.Option(min=1, help="after one that does not count")] = 3,
    quick: Annotated[bool, typer.Option("--quick", help="one short round")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    record: Annotated[Path | None, typer.Option(help="usually benchmarks/results/training.json; --quick writes none")] = None,
) -> None:
    """Reviews a second of both, A B A B."""
    count, rounds = (ROWS, 1) if quick else (count, rounds)
    examples = reviews("train", count, 0)
    ours = FathomRun(examples, device)
    seconds: dict[str, list[float]] = {"fathom": [], "transformers Trainer": []}
    for number in range(rounds + (0 if quick else 1)):
        with tempfile.TemporaryDirectory() as folder:
            took = {"fathom": ours.seconds(), "transformers Trainer": trainer_run(examples, 0, 1, Path(folder), device)[0]}
        say(f"round {number} of {rounds}: " + ", ".join(f"{name} {value:.1f} s" for name, value in took.items()))
        for name in seconds if number or quick else ():
            seconds[name].append(took[name])
    ratio = float(np.median(np.array(seconds["transformers Trainer"]) / np.array(seconds["fathom"])))
    work = ours.work()
    tokens = int(ours.data.lengths.sum())
    utilisation = work.utilisation(tokens, float(np.median(seconds["fathom"])))
    rows = [[name, f"{count / summary(held)['median']:.2f}/s"] for name, held in seconds.items()]
    print(table(rows, ["trained with", "reviews"]))
    print(
        f"fathom: {ratio:.2f} times as fast; {utilisation:.1%} of the {work.peak / 1e9:,.0f} GFLOP/s of a large matrix product"
    )
    if record is not None or not quick:
        held = {
            name: {"seconds": summary(found), "reviews_per_second": count / summary(found)["median"]}
            for name, found in seconds.items()
        }
        found = {"reviews": count, "tokens": tokens, "engines": held, "times_as_fast": ratio}
        found |= {"model_flops_utilisation": utilisation, "peak_flops": work.peak}
        found["setting"] = {
            "device": device,
            "threads": torch.get_num_threads(),
            "bf16": fast_bfloat16(torch.device(device)),
            **machine(),
        }
        write_record(record or RESULTS / "training.json", found)


@app.command()
def accuracy(
    count: Annotated[int, typer.Option("--reviews", min=10, help="of the training half, the same for all")] = 5000,
    test: Annotated[int, typer.Option(min=10, help="reviews of the test half")] = 2000,
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    record: Annotated[Path | None, typer.Option(help="usually benchmarks/results/training-accuracy.json")] = None,
) -> None:
    """Test reviews that are answered rightly after training on a subset, for each seed, with the last weights."""
    examples, asked = reviews("train", count, 0), reviews("test", test, 1)
    texts, right = [example.text for example in asked], [str(example.label) for example in asked]
    question = {"reviews": count, "test": test, "epochs": epochs}
    found: dict[str, list[float]] = {"fathom": [], "transformers Trainer": []}
    for seed in range(seeds):
        for name, answers in (("fathom", _fathom_answers), ("transformers Trainer", _trainer_answers)):
            place = FOLDER / f"{name.replace(' ', '-')}-{count}-{epochs}-{seed}"
            said = kept(
                place.with_suffix(".json"),
                {**question, "seed": seed},
                lambda answers=answers, seed=seed, place=place: answers(examples, texts, seed, epochs, place),
            )
            found[name].append(float(np.mean([one == label for one, label in zip(said, right, strict=True)])))
            say(f"seed {seed}, {name}: {found[name][-1]:.2%} right")
    difference = float(np.mean(found["fathom"]) - np.mean(found["transformers Trainer"]))
    print(table([[name, *(f"{value:.2%}" for value in held), f"{np.mean(held):.2%}"] for name, held in found.items()]))
    print(f"difference of the means: {100 * difference:+.2f} points")
    held = {
        name: {"by_seed": values, "mean": float(np.mean(values)), "interval_of_one": list(_interval(values[0], test))}
        for name, values in found.items()
    }
    write_record(record or RESULTS / "training-accuracy.json", {**question, "engines": held, "difference": difference})


def _interval(share: float, count: int) -> tuple[float, float]:
    low, high = wilson(round(share * count), count)
    return low, high


def _fathom_answers(examples: list[Example], texts: list[str], seed: int, epochs: int, place: Path) -> list[str]:
    finetuned(
        settings_of(seed, epochs), examples, examples[:ROWS], place
    )  # the dev part only calibrates: one epoch, one choice
    return [answer.label for answer in Predictor.load(place).predict(texts)]


def _trainer_answers(examples: list[Example], texts: list[str], seed: int, epochs: int, place: Path) -> list[str]:
    from transformers import AutoTokenizer, pipeline

    _, model = trainer_run(examples, seed, epochs, place, "cpu")
    tokenizer = AutoTokenizer.from_pretrained(str(resolve_model("minilm")))
    answers = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, device="cpu")(
        texts, truncation=True, max_length=MAX_LENGTH
    )
    names = labels_of(examples)
    return [names[model.config.label2id[answer["label"]]] for answer in answers]


if __name__ == "__main__":
    sys.exit(run(app))
