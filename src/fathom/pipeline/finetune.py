"""From labelled texts to a model folder.

    read ─ split ─ vocabulary or base model ─ tokenise ─ train ─ calibrate ─ save

While it runs, everything lives in OUTPUT.partial (checkpoints, metrics); OUTPUT appears whole at the end. The dev part
chooses the best weights and fits the temperature; no test text is ever read here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fathom.checkpoint import About, MadeBy, load_model, resolve_model, save_model, source_commit
from fathom.checkpoint.card import model_card, step_card
from fathom.checkpoint.weights import hash_of_weights
from fathom.data import (
    CANARIES,
    Canary,
    Example,
    TokenizedDataset,
    canaries_to_json,
    open_data,
    plan_batches,
    random_padding_share,
)
from fathom.data import padding_share as share_of_padding
from fathom.errors import SettingsError
from fathom.folders import machine_errors, sha256_of_file
from fathom.inference import Predictor, pick_device, text_probabilities, window_logits
from fathom.limits.statistics import fit_temperature, negative_log_likelihood
from fathom.model import SequenceClassifier
from fathom.objectives import Classification
from fathom.pipeline.labelled_parts import Parts, plant_canaries, split_examples
from fathom.pipeline.run import (
    Texts,
    begin_run,
    has_checkpoint,
    measured_now,
    removed_if_unusable,
    run_fingerprint,
    run_record,
    run_vocabulary,
    step_folder,
)
from fathom.pipeline.seen import SEEN
from fathom.pipeline.settings import SCRATCH, ArchitectureSettings, FinetuneSettings, VocabularySettings
from fathom.text import Tokenizer, read_vectors
from fathom.training import Listener, Ranks, SilentListener, TrainingResult, train
from fathom.training.loop import METRICS
from fathom.training.tensorboard import TensorBoardListener


@dataclass(frozen=True)
class FinetuneResult:
    """A finished run."""

    folder: Path
    predictor: Predictor
    made_by: MadeBy
    training: TrainingResult


def finetune(
    settings: FinetuneSettings,
    output: Path,
    *,
    train_examples: Iterable[Example] | None = None,
    dev_examples: Iterable[Example] | None = None,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
    tensorboard: bool = False,
    ranks: Ranks | None = None,
    command: str | None = None,
) -> FinetuneResult:
    """Trains a classifier and writes its folder.

    Args:
        settings: the whole run; `settings.data` is read unless examples are given.
        output: the model folder to write.
        train_examples: labelled examples, iterated several times, in place of `settings.data`.
        dev_examples: examples for choosing and calibrating; None: a share of the training data, whole groups at a time.
        resume: go on with an interrupted run in OUTPUT.partial, bit for bit.
        overwrite: replace a model folder that is there.
        listener: shows progress.
        tensorboard: also write TensorBoard events, into OUTPUT.events (the extra `tensorboard`).
        ranks: the processes that train together, as `joined` gives them, each of which calls this with the same arguments;
            None: this one alone. The first one writes.
        command: what made_by.json says was run; None: this process's own command line.

    Raises:
        FathomError: in its kinds: unusable data, settings or base model; a loss that is not finite; a stop; a full disk.
    """
    ranks = ranks or Ranks()
    ranks.require_fit(settings.training, memory=0)
    listener = listener if listener is not None and ranks.is_first else SilentListener()
    if tensorboard and ranks.is_first:
        listener = TensorBoardListener(listener, output.with_name(output.name + ".events"))
    with ranks.first_goes_ahead():
        partial = begin_run(output, settings, resume=resume or not ranks.is_first, overwrite=overwrite)
    commit = source_commit()  # of the code that runs; a checkout may move on meanwhile
    with removed_if_unusable(partial, resume=resume or not ranks.is_first):
        listener.on_message("reading the data")
        if train_examples is None:
            if settings.data is None:
                raise SettingsError(
                    "no data was named", expected="a name, a path or hf:owner/name", do="fathom finetune DATA …"
                )
            train_examples = open_data(settings.data, columns=settings.columns.columns(), labelled=True)
        parts = split_examples(train_examples, settings, dev_examples)
        canaries: list[Canary] = []
        if settings.canaries:
            parts, canaries = plant_canaries(parts, settings)
            listener.on_message(f"planting {settings.canaries:,} random texts with random labels; {CANARIES} names them")
        torch.manual_seed(settings.training.seed)
        with ranks.first_goes_ahead():
            model, tokenizer, parents, notes = _start(settings, parts, partial / "vocabulary")
        for note in notes:
            listener.on_message(note)
        max_length = min(settings.max_length, model.config.max_length)
        about = About(
            labels=parts.labels, max_length=max_length, long_text=settings.long_text, stride=settings.stride, parents=parents
        )

        def tokenise(examples: Iterable[Example], spill: str) -> TokenizedDataset:
            return TokenizedDataset.build(
                examples,
                tokenizer,
                labels=parts.labels,
                max_length=max_length,
                long_text=settings.long_text,
                stride=settings.stride,
                spill_to=partial / f"{spill}-{ranks.rank}.ids",
            )

        listener.on_message("tokenising")
        train_set, dev_set = tokenise(parts.train, "train"), tokenise(parts.dev, "dev")
    facts = parts.facts | _padding(train_set, settings) | {"truncated_share": train_set.truncated_share}
    listener.on_message(_describe(facts))

    model.to(ranks.device(pick_device(device)))

    def record(result: TrainingResult, dev: dict[str, float] | None) -> MadeBy:
        return run_record(
            settings,
            result,
            seed=settings.training.seed,
            data={name: facts[f"{name}_sha256"] for name in ("train", "dev")},
            commit=commit,
            command=command,
            metrics={"facts": facts} | ({} if dev is None else {"dev": dev}),
        )

    def keep(result: TrainingResult) -> None:
        folder, made_by = step_folder(output, result), record(result, measured_now(result))
        save_model(
            folder,
            model=model,
            tokenizer=tokenizer,
            about=about,
            made_by=made_by,
            card=step_card(folder.name, model, about, made_by),
            writers={SEEN: parts.seen.save},
            overwrite=True,
        )

    result = train(
        model,
        Classification(settings.training.label_smoothing),
        train_set,
        settings.training,
        folder=partial,
        fingerprint=run_fingerprint(settings, parts.facts, parents),
        evaluate=_evaluator(dev_set, settings),
        keep=keep,
        resume=resume and has_checkpoint(partial),
        listener=listener,
        ranks=ranks,
    )
    logits = window_logits(model, dev_set)
    assert logits is not None
    temperature = fit_temperature(logits, _text_labels(dev_set), dev_set.example_of)
    calibrated = about.model_copy(update={"temperature": temperature})
    made_by = record(result, max(result.evaluations, key=lambda entry: entry["score"]))
    with ranks.first_goes_ahead(), machine_errors(output):
        if ranks.is_first:
            metrics = (partial / METRICS).read_text(encoding="utf-8")
            save_model(
                output,
                model=model,
                tokenizer=tokenizer,
                about=calibrated,
                made_by=made_by,
                card=model_card(output.name, model, calibrated, made_by),
                files={METRICS: metrics} | ({CANARIES: canaries_to_json(canaries)} if canaries else {}),
                writers={SEEN: parts.seen.save},
                overwrite=overwrite,
            )
            shutil.rmtree(partial, ignore_errors=True)
    predictor = Predictor(model, tokenizer, calibrated)
    return FinetuneResult(output, predictor, made_by, result)


def _start(
    settings: FinetuneSettings, parts: Parts, vocabulary: Path
) -> tuple[SequenceClassifier, Tokenizer, dict[str, str], list[str]]:
    """The model before training, its tokenizer, the hashes of its parents and what a person should know about it."""
    if settings.model == SCRATCH:
        return _start_from_scratch(settings, parts, vocabulary)
    folder = resolve_model(settings.model)
    loaded = load_model(folder, labels=parts.labels, allow_new_head=settings.allow_new_head, training=settings.dropout.fields())
    assert isinstance(loaded.model, SequenceClassifier)  # what labels ask for
    tokenizer = loaded.tokenizer if settings.markup else loaded.tokenizer.without_markup()
    notes = [f"started afresh: {', '.join(loaded.made)}"] if loaded.made else []
    if settings.max_length > loaded.model.config.max_length:
        notes.append(f"the model reads at most {loaded.model.config.max_length} tokens; max_length was lowered to that")
    return loaded.model, tokenizer, {"model": hash_of_weights(folder)}, notes


def _start_from_scratch(
    settings: FinetuneSettings, parts: Parts, learned: Path
) -> tuple[SequenceClassifier, Tokenizer, dict[str, str], list[str]]:
    vocabulary = settings.vocabulary or VocabularySettings()
    architecture = settings.architecture or ArchitectureSettings()
    texts = Texts(parts.train, markup=settings.markup)
    tokenizer, parents, note = run_vocabulary(vocabulary, texts, learned, markup=settings.markup)
    config = architecture.config(
        vocab_size=tokenizer.vocab_size, pad_id=tokenizer.pad_id, max_length=settings.max_length, **settings.dropout.fields()
    )
    model = SequenceClassifier(config, len(parts.labels))
    notes = [note]
    if vocabulary.vectors is not None:
        vectors = read_vectors(vocabulary.vectors, tokenizer)
        if vectors.matrix.shape[1] != config.width:
            raise SettingsError(
                f"{vocabulary.vectors} has vectors of {vectors.matrix.shape[1]} numbers, the model's width is {config.width}",
                do=f"set architecture.width to {vectors.matrix.shape[1]}",
            )
        with torch.no_grad():
            found = torch.from_numpy(vectors.found)
            model.transformer.token_table[found] = torch.from_numpy(vectors.matrix)[found]
        notes.append(f"{vectors.coverage:.1%} of the vocabulary starts from {vocabulary.vectors}")
        parents["vectors"] = sha256_of_file(vocabulary.vectors)
    return model, tokenizer, parents, notes


def _text_labels(dataset: TokenizedDataset) -> np.ndarray:
    """(texts,) class numbers, from those of the windows."""
    labels: np.ndarray = dataset.labels[np.unique(dataset.example_of, return_index=True)[1]]
    return labels


def _evaluator(
    dev_set: TokenizedDataset, settings: FinetuneSettings
) -> Callable[[nn.Module, Callable[[], bool]], dict[str, float] | None]:
    """Scores a model on the dev part, by texts as `Predictor` answers them: accuracy is maximised, then the loss decides."""
    labels = _text_labels(dev_set)

    def evaluate(model: nn.Module, stop: Callable[[], bool]) -> dict[str, float] | None:
        found = window_logits(model, dev_set, precision=settings.training.precision, stop=stop)
        if found is None:
            return None
        probabilities = text_probabilities(found, dev_set.example_of, temperature=1.0)
        accuracy = float((probabilities.argmax(axis=1) == labels).mean())
        loss = negative_log_likelihood(probabilities, labels)
        return {"accuracy": accuracy, "loss": loss, "score": accuracy - 1e-6 * min(loss, 1e3)}

    return evaluate


def _padding(dataset: TokenizedDataset, settings: FinetuneSettings) -> dict[str, Any]:
    training = settings.training
    plan = plan_batches(
        dataset.lengths, max_tokens=training.batch_tokens, max_rows=training.batch_rows, shuffle=True, seed=training.seed
    )
    rows = max(1, round(len(dataset) / len(plan)))
    return {
        "padding_share": round(share_of_padding(dataset.lengths, plan), 4),
        "padding_share_of_random_batches": round(random_padding_share(dataset.lengths, rows, training.seed), 4),
    }


def _describe(facts: dict[str, Any]) -> str:
    return (
        f"{facts['train_rows']:,} texts to train on, {facts['dev_rows']:,} to choose and calibrate on; "
        f"{facts['duplicates']:,} of all {facts['rows']:,} repeat another; "
        f"{facts['truncated_share']:.1%} are longer than the model reads; padding {facts['padding_share']:.1%} "
        f"(random batches: {facts['padding_share_of_random_batches']:.1%})"
    )
