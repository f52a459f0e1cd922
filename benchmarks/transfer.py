"""What pre-training is worth: one network from two starts, fine-tuned alike with few and with many labels.

    encoder     a base from `fathom pretrain`         against   the same network and vocabulary, random weights
    continued   MiniLM, pre-trained on with IMDB      against   MiniLM

For each number of labels: the dev part chooses among the candidates, for each start its own, with the first seed; then every
seed draws other labels (as many of each), other fresh weights and another order. The test half is answered by the chosen runs
only. Rows of the table are seeds, columns are test texts, and the interval of the gap knows that both were drawn
(`crossed_interval`).

The dev part is blocks of 125 neighbouring reviews, because neighbours share films. It also picks the best epoch. Its 500
reviews are more labels than somebody with 100 has; both starts get the same help, so the gap is fair, the level is flattered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from steps import finetuned, kept, pretrained, say, summary, write_record

import fathom
from fathom.checkpoint import About, MadeBy, load_model, machine, read_json, resolve_model, save_model
from fathom.checkpoint.about import MADE_BY
from fathom.checkpoint.weights import hash_of_weights
from fathom.data import Columns, Example, open_data, text_digest
from fathom.errors import SettingsError
from fathom.inference import Predictor
from fathom.limits.baseline import baseline_of
from fathom.limits.statistics import crossed_interval, paired_test
from fathom.model import make_model
from fathom.pipeline.evaluate import Score, evaluate
from fathom.pipeline.settings import DropoutSettings, FinetuneSettings, PretrainSettings
from fathom.training import TrainingSettings

BLOCK = 125  # neighbouring reviews that are in the dev part together, or not
_DROPOUT = DropoutSettings(hidden=0.1, classifier=0.1)
Start = Callable[[int], Path]  # the folder that a run with this seed starts from


@dataclass(frozen=True)
class Candidate:
    """A setting among which the dev part chooses."""

    rate: float
    token_dropout: float

    @classmethod
    def read(cls, text: str) -> Candidate:
        """From "1e-3,0.5"."""
        rate, _, dropout = text.partition(",")
        return cls(float(rate), float(dropout or 0))

    @property
    def name(self) -> str:
        return f"rate-{self.rate:g}-dropout-{self.token_dropout:g}"


@dataclass(frozen=True)
class Plan:
    """A comparison."""

    name: str
    starts: dict[str, Start]  # two; the first is the one that has read more
    sizes: tuple[int | None, ...]  # labels; None: all
    seeds: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    dev: int  # reviews
    test: int  # reviews that are answered after training with few labels; after all labels, the whole half
    max_length: int
    folder: Path


@dataclass(frozen=True)
class Reviews:
    """IMDB, in parts."""

    pool: list[Example]  # to draw labels from
    dev: list[Example]
    test: list[Example]
    read_before: np.ndarray  # (test,) booleans: the text stands in train or unsup, up to case, markup and punctuation


def encoder(
    base: Path, folder: Path, sizes: tuple[int | None, ...], seeds: tuple[int, ...], candidates: tuple[Candidate, ...],
    *, dev: int, test: int, record: Path,
) -> None:  # fmt: skip
    """Pre-training from scratch against random weights."""
    base = resolve_model(str(base))

    def fresh(seed: int) -> Path:
        return without_training(base, folder / "starts" / f"random-seed-{seed}", seed)

    length = load_model(base).model.config.max_length
    plan = Plan(
        "encoder", {"pretrained": lambda seed: base, "random": fresh}, sizes, seeds, candidates, dev, test, length, folder
    )
    compare(plan, record, base)


def continued(
    settings: PretrainSettings, folder: Path, sizes: tuple[int | None, ...], seeds: tuple[int, ...],
    candidates: tuple[Candidate, ...], *, dev: int, test: int, record: Path,
) -> None:  # fmt: skip
    """A published encoder, pre-trained on with the task's text, against itself as it was."""
    if settings.model == "scratch":
        raise SettingsError("the recipe starts from scratch", expected="a model to continue with: model: minilm")
    base = folder / "base"
    pretrained(settings, base)
    plain = as_masked(resolve_model(settings.model), folder / "starts" / "plain")
    starts: dict[str, Start] = {"continued": lambda seed: base, "plain": lambda seed: plain}
    compare(Plan("continued", starts, sizes, seeds, candidates, dev, test, settings.max_length, folder), record, base)


def compare(plan: Plan, record: Path, base: Path) -> None:
    """Runs what is missing of a plan and writes its record."""
    dropout = _DROPOUT.fields()  # what a folder says of it is of its pre-training
    loaded = (
        load_model(start(plan.seeds[0]), labels=["negative", "positive"], training=dropout) for start in plan.starts.values()
    )
    first, second = loaded
    if first.model.config != second.model.config or first.made != second.made:
        raise SettingsError(
            f"the two starts are different networks: {first.model.config} and {second.model.config}; "
            f"fresh are {first.made} and {second.made}",
            expected="two that differ in their weights alone",
        )
    reviews = read_reviews(plan.dev)
    say(f"{reviews.read_before.sum():,} of {len(reviews.test):,} test reviews stand in the text of pre-training")
    results = [_at(plan, size, reviews) for size in plan.sizes]
    made_by = read_json(base / MADE_BY, MadeBy)
    found = {
        "name": f"pretraining-{plan.name}",
        "data": "imdb (test)",
        "data_league": f"text: {_described(made_by)}; labels: of imdb (train without `probe`), as many as said",
        "arms": list(plan.starts),
        "fresh_tensors": first.made,
        "parameters": sum(parameter.numel() for parameter in first.model.parameters()),
        "seeds": list(plan.seeds),
        "dev": {
            "n": len(reviews.dev),
            "chooses": "the candidate (with the first seed, for each arm) and the epoch of every run",
        },
        "candidates": [vars(candidate) for candidate in plan.candidates],
        "read_before": {
            "n": int(reviews.read_before.sum()),
            "of": len(reviews.test),
            "means": "equal to a review of train or unsup up to case, markup and punctuation",
        },
        "results": results,
        "base": summary(made_by),
    }
    write_record(record, found)


def _at(plan: Plan, size: int | None, reviews: Reviews) -> dict[str, Any]:
    """Everything about one number of labels."""
    chosen_test = answered_rows(len(reviews.test), None if size is None else plan.test)
    arms: dict[str, Any] = {}
    tables: dict[str, np.ndarray] = {}
    for arm, start in plan.starts.items():
        tried = [
            (_train(plan, arm, start, size, candidate, plan.seeds[0], reviews), candidate) for candidate in plan.candidates
        ]
        chosen = max(tried, key=lambda pair: float(pair[0].metrics["dev"]["score"]))[1]
        runs, rows = [], []
        for seed in plan.seeds:
            made_by = _train(plan, arm, start, size, chosen, seed, reviews)
            correct = _answered(plan, arm, size, chosen, seed, reviews, chosen_test)
            rows.append(correct)
            new = ~reviews.read_before[chosen_test]
            runs.append(
                {
                    "seed": seed,
                    "dev": made_by.metrics["dev"],
                    "labels": made_by.metrics["facts"]["train_rows"],
                    "train_sha256": made_by.data["train"],
                    "steps": made_by.metrics["steps"],
                    "seconds": made_by.seconds,
                    "score": vars(Score.of(correct)),
                    "without_read_before": vars(Score.of(correct[new])),
                }
            )
        tables[arm] = np.stack(rows)
        arms[arm] = {
            "chosen": vars(chosen),
            "tried": [{**vars(candidate), "dev": made_by.metrics["dev"]} for made_by, candidate in tried],
            "settings": _settings(plan, "", size, chosen, plan.seeds[0]).model_dump(mode="json", exclude={"model", "data"}),
            "accuracy": _mean(tables[arm]),
            "runs": runs,
        }
    first, second = tables.values()
    words = np.stack([_answered_by_words(plan, size, seed, reviews, chosen_test) for seed in plan.seeds])
    new = ~reviews.read_before[chosen_test]
    return {
        "labels": len(reviews.pool) if size is None else size,
        "all": size is None,
        "test": {"n": len(chosen_test), "rows": "all" if len(chosen_test) == len(reviews.test) else "drawn with seed 0"},
        **arms,
        "bag_of_words": {"accuracy": _mean(words), "behind": _mean(first.astype(float) - words)},
        "gap": _mean(first.astype(float) - second),
        "gap_without_read_before": _mean((first.astype(float) - second)[:, new]),
        "paired": [vars(paired_test(a, b)) for a, b in zip(first, second, strict=True)],
    }


def _mean(table: np.ndarray) -> dict[str, Any]:
    """Of (seeds, texts), with an interval for other seeds and other texts."""
    return {"value": float(table.mean()), "interval": crossed_interval(table), "by_seed": table.mean(axis=1).tolist()}


def _train(plan: Plan, arm: str, start: Start, size: int | None, candidate: Candidate, seed: int, reviews: Reviews) -> MadeBy:
    settings = _settings(plan, str(start(seed)), size, candidate, seed)
    return finetuned(settings, drawn(reviews.pool, size, seed), reviews.dev, _run(plan, arm, size, candidate, seed))


def _run(plan: Plan, arm: str, size: int | None, candidate: Candidate, seed: int) -> Path:
    return plan.folder / f"{arm}-{size or 'all'}-{candidate.name}-seed-{seed}"


def _settings(plan: Plan, model: str, size: int | None, candidate: Candidate, seed: int) -> FinetuneSettings:
    """Few labels are read often and in small batches."""
    epochs, rows = (2, 32) if size is None else (4, 16) if size >= 4_000 else (8, 16) if size >= 500 else (30, 16)
    return FinetuneSettings(
        data="imdb",
        model=model,
        max_length=plan.max_length,
        long_text="head+tail",
        markup=False,
        dropout=_DROPOUT.model_copy(update={"token": candidate.token_dropout}),
        training=TrainingSettings(
            epochs=epochs, batch_tokens=8192, batch_rows=rows, learning_rate=candidate.rate, weight_decay=0.01, seed=seed
        ),
    )


def _answered(
    plan: Plan, arm: str, size: int | None, candidate: Candidate, seed: int, reviews: Reviews, chosen: np.ndarray
) -> np.ndarray:
    """(chosen,) booleans: which test reviews a run answers rightly."""
    folder = _run(plan, arm, size, candidate, seed)

    def answer() -> str:
        predictor = Predictor.load(folder)
        _, answers = evaluate(predictor, [reviews.test[row] for row in chosen])
        correct = answers.probabilities.argmax(axis=1) == answers.labels
        return "".join(map(str, correct.astype(int)))

    asked = {"rows": hashlib.sha256(chosen.tobytes()).hexdigest(), "weights": hash_of_weights(folder)}
    found = kept(folder.with_name(folder.name + ".answers.json"), asked, answer)
    correct: np.ndarray = np.array(list(found)) == "1"
    return correct


def _answered_by_words(plan: Plan, size: int | None, seed: int, reviews: Reviews, chosen: np.ndarray) -> np.ndarray:
    """(chosen,) booleans: which test reviews a bag of words answers rightly that learned from the same labels."""

    def answer() -> str:
        learned = baseline_of(drawn(reviews.pool, size, seed), reviews.dev)
        test = [reviews.test[row] for row in chosen]
        best = learned.predict_proba([example.text for example in test]).argmax(axis=1)
        right = [learned.labels[column] == example.label for column, example in zip(best, test, strict=True)]
        return "".join(map(str, np.array(right, dtype=int)))

    asked = {"rows": hashlib.sha256(chosen.tobytes()).hexdigest(), "labels": size, "seed": seed}
    found = kept(plan.folder / f"words-{size or 'all'}-seed-{seed}.answers.json", asked, answer)
    correct: np.ndarray = np.array(list(found)) == "1"
    return correct


def read_reviews(dev: int) -> Reviews:
    """IMDB; no review of the pool equals one of the dev part."""
    labelled = list(open_data("imdb", split="train", columns=Columns(exclude="probe"), labelled=True))
    in_dev = dev_rows([str(example.label) for example in labelled], dev)
    held = {text_digest(example) for example, taken in zip(labelled, in_dev, strict=True) if taken}
    test = list(open_data("imdb", split="test", labelled=True))
    read = {text_digest(example) for example in open_data("imdb", split="train+unsup", labelled=False)}
    return Reviews(
        pool=[example for example in labelled if text_digest(example) not in held],
        dev=[example for example, taken in zip(labelled, in_dev, strict=True) if taken],
        test=test,
        read_before=np.array([text_digest(example) in read for example in test]),
    )


def dev_rows(labels: list[str], wanted: int) -> np.ndarray:
    """(rows,) booleans: whole blocks of neighbours with one label, as many rows of each label, `wanted` in all.

    Raises:
        SettingsError: more than there are.
    """
    taken = np.zeros(len(labels), dtype=bool)
    generator = np.random.default_rng(0)
    names = sorted(set(labels))
    for name in names:
        rows = np.flatnonzero(np.array(labels) == name)
        order = np.concatenate([rows[block * BLOCK :][:BLOCK] for block in generator.permutation(len(rows) // BLOCK)])
        if wanted // len(names) > len(order):
            raise SettingsError(f"a dev part of {wanted:,} was asked for", expected=f"at most {len(names) * len(order):,}")
        taken[order[: wanted // len(names)]] = True
    return taken


def drawn(pool: list[Example], size: int | None, seed: int) -> list[Example]:
    """`size` of the pool, as many of each label; None: all."""
    if size is None:
        return pool
    labels = sorted({str(example.label) for example in pool})
    if size % len(labels):
        raise SettingsError(f"{size} labels were asked for", expected=f"a multiple of {len(labels)}, as many of each")
    generator = np.random.default_rng(seed)
    rows: list[int] = []
    for label in labels:
        having = [row for row, example in enumerate(pool) if example.label == label]
        if len(having) < size // len(labels):
            raise SettingsError(f"{size} labels were asked for", expected=f"at most {len(labels) * len(having):,}")
        rows += generator.choice(having, size // len(labels), replace=False).tolist()
    return [pool[row] for row in sorted(rows)]


def answered_rows(total: int, wanted: int | None) -> np.ndarray:
    """Which test reviews are answered: all, or a draw that is the same for every run."""
    if wanted is None or wanted >= total:
        return np.arange(total)
    rows: np.ndarray = np.sort(np.random.default_rng(0).permutation(total)[:wanted])
    return rows


def without_training(base: Path, folder: Path, seed: int) -> Path:
    """The network and the vocabulary of a base model with weights as they were drawn before any training."""
    if not folder.exists():
        loaded = load_model(base)
        torch.manual_seed(seed)
        model = make_model(loaded.task, loaded.model.config)
        _save(folder, model, loaded.tokenizer, About(task=loaded.task, max_length=model.config.max_length), seed)
    return folder


def as_masked(base: Path, folder: Path) -> Path:
    """A base model with the tensors that pre-training on hidden tokens keeps, and no others (a pooler is started afresh)."""
    if not folder.exists():
        torch.manual_seed(0)
        loaded = load_model(base, task="masked", allow_new_head=True)
        about = About(task="masked", max_length=loaded.model.config.max_length, parents={"model": hash_of_weights(base)})
        _save(folder, loaded.model, loaded.tokenizer, about, 0)
    return folder


def _save(folder: Path, model: Any, tokenizer: Any, about: About, seed: int) -> None:
    made_by = MadeBy(
        command="benchmarks/pretraining.py", version=fathom.__version__, seed=seed, data={}, machine=machine(), seconds=0,
        settings={}, metrics={},
    )  # fmt: skip
    save_model(folder, model=model, tokenizer=tokenizer, about=about, made_by=made_by, card=f"# {folder.name}\n")


def _described(made_by: MadeBy) -> str:
    settings = made_by.settings
    before = "" if settings["model"] == "scratch" else f"what {settings['model']} was pre-trained on, and "
    return f"{before}{settings['data']} ({settings['split']}) without labels"
