"""From documents to a base model: read ─ vocabulary or base ─ corpus of tokens ─ train ─ measure on held-out documents ─ save.

While it runs, everything lives in OUTPUT.partial (the corpus in shards, checkpoints, metrics); OUTPUT appears whole at the
end. Held-out documents choose nothing but the best of the checkpoints; no labelled text is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from fathom.checkpoint import About, MadeBy, load_model, resolve_model, save_model, source_commit
from fathom.checkpoint.card import base_card, step_card
from fathom.checkpoint.weights import hash_of_weights
from fathom.data import (
    Rows,
    Source,
    open_data,
)
from fathom.data.packing import PackedRows
from fathom.errors import SettingsError
from fathom.folders import machine_errors
from fathom.inference import pick_device
from fathom.model import Model, ReplacedTokenDetector, Task, make_model
from fathom.model.precision import autocast
from fathom.objectives import (
    CausalLanguage,
    GeneratorAndDetector,
    MaskedLanguage,
    Mixture,
    NextSentence,
    PermutationLanguage,
    ReplacedTokens,
    SentenceOrder,
    generator_config,
)
from fathom.objectives.held_out import TokenCounts, measure
from fathom.pipeline.base_model_page import REPORT, base_model_page
from fathom.pipeline.pretraining_data import (
    COUNTED_TOKENS,
    EVALUATION_TOKENS,
    batches_in_order,
    count_repeated,
    described,
    evaluation_split,
    facts_of,
    one_row,
    pretraining_corpus,
    rows_of_part,
    told_by_words,
)
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
from fathom.pipeline.samples import sample
from fathom.pipeline.settings import SCRATCH, ArchitectureSettings, PretrainSettings, VocabularySettings
from fathom.text import Tokenizer
from fathom.training import Listener, Ranks, SilentListener, TrainingResult, measure_work, train
from fathom.training.loop import METRICS

TASKS: dict[str, Task] = {  # what a model that was trained so is for
    "masked": "masked",
    "masked+next": "pretraining",
    "masked+order": "pretraining",
    "causal": "causal",
    "permutation": "masked",
    "replaced": "replaced",
}
_FAMILIES = {  # whose shape a model from scratch has, where nothing is said
    "masked": "modernbert",
    "masked+next": "bert",
    "masked+order": "albert",
    "causal": "llama",
    "permutation": "xlnet",
    "replaced": "electra",
}
_MASKS = 20  # seed of what is hidden when held-out documents are measured: the same every time


Objective = CausalLanguage | MaskedLanguage | Mixture | PermutationLanguage | ReplacedTokens


@dataclass(frozen=True)
class PretrainResult:
    """A finished run."""

    folder: Path
    made_by: MadeBy
    training: TrainingResult


def pretrain(
    settings: PretrainSettings,
    output: Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
    processes: int = 1,
    ranks: Ranks | None = None,
    command: str | None = None,
) -> PretrainResult:
    """Trains a base model on documents without labels and writes its folder.

    Args:
        settings: the whole run.
        output: the model folder to write.
        resume: go on with an interrupted run in OUTPUT.partial, bit for bit.
        overwrite: replace a model folder that is there.
        listener: shows progress.
        processes: how many tokenise at the same time; the result does not depend on it.
        ranks: the processes that train together, as `joined` gives them, each of which calls this with the same arguments;
            None: this one alone. The first one reads and writes, then the others open what it made.
        command: what made_by.json says was run; None: this process's own command line.

    Raises:
        FathomError: in its kinds: unusable data, settings or base model; a loss that is not finite; a stop; a full disk.
    """
    ranks = ranks or Ranks()
    listener = listener if listener is not None and ranks.is_first else SilentListener()
    if settings.data is None:
        raise SettingsError("no data was named", expected="a name, a path or hf:owner/name", do="fathom pretrain DATA …")
    ranks.require_fit(settings.training, memory=settings.memory)
    with ranks.first_goes_ahead():
        partial = begin_run(output, settings, resume=resume or not ranks.is_first, overwrite=overwrite)
    commit = source_commit()  # of the code that runs; a checkout may move on meanwhile
    with ranks.first_goes_ahead():
        with removed_if_unusable(partial, resume=resume or not ranks.is_first):
            documents = open_data(settings.data, split=settings.split, columns=settings.columns.columns(), labelled=False)
            against = settings.against
            evaluation = None if against is None else open_data(against, split=evaluation_split(against))
            torch.manual_seed(settings.training.seed)
            model, tokenizer, parents, notes = _start(settings, documents, partial / "vocabulary")
            for note in notes:
                listener.on_message(note)
            corpus = pretraining_corpus(settings, documents, tokenizer, partial / "corpus", processes, listener)
            train_rows, held_out = (rows_of_part(settings, corpus, tokenizer, part) for part in ("train", "held-out"))
            facts = facts_of(corpus, tokenizer, train_rows.epoch(0), held_out.epoch(0))
        facts |= count_repeated(settings, documents, evaluation, partial / "repeated.json", listener)
    if settings.objective == "masked+next":
        facts |= told_by_words(train_rows.epoch(0), held_out.epoch(0), tokenizer, listener)
    listener.on_message(described(facts))

    counted = islice(batches_in_order(train_rows.epoch(0)), COUNTED_TOKENS // EVALUATION_TOKENS)
    counts = TokenCounts.of(counted, vocab_size=model.config.vocab_size, special_ids=tokenizer.special_ids)
    objective = make_objective(settings, tokenizer)
    trained = _trained(model).to(ranks.device(pick_device(device)))
    about = About(task=TASKS[settings.objective], max_length=_longest(settings, model), parents=parents)
    work = measure_work(trained, objective, one_row(train_rows.epoch(0)), settings.training.precision)

    def record(result: TrainingResult, held_out: dict[str, float] | None) -> MadeBy:
        utilisation = round(work.utilisation(result.tokens, result.update_seconds, result.processes), 4)
        measured = {} if held_out is None else {"held_out": held_out}
        return run_record(
            settings,
            result,
            seed=settings.training.seed,
            data={"documents": corpus.manifest.texts_sha256},
            commit=commit,
            command=command,
            metrics={**measured, "facts": facts, "work": {**asdict(work), "utilisation": utilisation}},
        )

    def keep(result: TrainingResult) -> None:
        folder, made_by = step_folder(output, result), record(result, measured_now(result))
        card = step_card(folder.name, model, about, made_by)
        save_model(folder, model=model, tokenizer=tokenizer, about=about, made_by=made_by, card=card, overwrite=True)

    result = train(
        trained,
        objective,
        train_rows,
        settings.training,
        folder=partial,
        fingerprint=run_fingerprint(settings, facts, parents),
        evaluate=_evaluator(objective, held_out.epoch(0), counts, tokenizer, settings, listener),
        keep=keep,
        resume=resume and has_checkpoint(partial),
        listener=listener,
        ranks=ranks,
    )
    made_by = record(result, max(result.evaluations, key=lambda entry: entry["score"]))
    with ranks.first_goes_ahead(), machine_errors(output):
        if ranks.is_first:
            metrics = (partial / METRICS).read_text(encoding="utf-8")
            save_model(
                output,
                model=model,
                tokenizer=tokenizer,
                about=about,
                made_by=made_by,
                card=base_card(output.name, model, about, made_by),
                files={METRICS: metrics, REPORT: base_model_page(output, settings, result, work, made_by, metrics)},
                overwrite=overwrite,
            )
            shutil.rmtree(partial, ignore_errors=True)
    return PretrainResult(output, made_by, result)


def make_objective(settings: PretrainSettings, tokenizer: Tokenizer) -> Objective:
    """What is asked of the model.

    Raises:
        SettingsError: tokens are to be hidden, and the vocabulary has none that hides.
    """
    if settings.objective == "causal":
        return CausalLanguage()
    if settings.objective == "permutation":
        return PermutationLanguage(tokenizer.special_ids, settings.predicted, memory=settings.memory)
    if tokenizer.mask_id is None:
        raise SettingsError("the vocabulary has no token that hides others, such as [MASK]", expected="one, to hide tokens")
    hidden = {"masked": 1.0, "random": 0.0} if settings.objective == "replaced" else {}
    masked = MaskedLanguage(
        mask_id=tokenizer.mask_id,
        vocab_size=tokenizer.vocab_size,
        special_ids=tokenizer.special_ids,
        rate=settings.mask_rate,
        whole_words=settings.whole_words,
        **hidden,
    )
    if settings.objective == "replaced":
        return ReplacedTokens(masked)
    if settings.objective == "masked":
        return masked
    relation = NextSentence() if settings.objective == "masked+next" else SentenceOrder()
    return Mixture(((1.0, masked), (1.0, relation)))


def _start(settings: PretrainSettings, documents: Source, learned: Path) -> tuple[Model, Tokenizer, dict[str, str], list[str]]:
    """The model before training, its tokenizer, the hashes of its parents and what a person should know about it."""
    task = TASKS[settings.objective]
    if settings.model != SCRATCH:
        folder = resolve_model(settings.model)
        loaded = load_model(folder, task=task, allow_new_head=True, training=settings.dropout.fields())
        notes = [f"started afresh: {', '.join(loaded.made)}"] if loaded.made else []
        tokenizer = loaded.tokenizer if settings.markup else loaded.tokenizer.without_markup()
        return loaded.model, tokenizer, {"model": hash_of_weights(folder)}, notes
    usual_vocabulary = {"kind": "bpe" if task == "causal" else "wordpiece", "size": 8_000}
    named = {} if settings.vocabulary is None else settings.vocabulary.model_dump(exclude_unset=True)
    vocabulary = VocabularySettings(**{**usual_vocabulary, **named})
    architecture = settings.architecture or ArchitectureSettings()
    if not {"family", "positions", "norm_position", "causal"} & architecture.model_fields_set:
        architecture = architecture.model_copy(update={"family": _FAMILIES[settings.objective]})
    texts = Texts(documents, markup=settings.markup)
    tokenizer, parents, note = run_vocabulary(vocabulary, texts, learned, markup=settings.markup)
    config = architecture.config(
        vocab_size=tokenizer.vocab_size, pad_id=tokenizer.pad_id, max_length=settings.max_length, **settings.dropout.fields()
    )
    if config.causal != (task == "causal"):
        raise SettingsError(
            f"architecture.causal is {config.causal} and objective is {settings.objective!r}",
            expected="a causal architecture for the objective causal, and for no other",
        )
    if settings.objective == "permutation" and config.positions != "relative":
        raise SettingsError(f"positions are {config.positions!r}", expected="relative ones, for permutation: family xlnet")
    if task == "pretraining" and config.segments < 2:
        raise SettingsError(f"architecture.segments is {config.segments}", expected="2, to tell the two texts of a pair apart")
    return make_model(task, config), tokenizer, parents, [note]


def _trained(model: Model) -> nn.Module:
    """What is trained so that the model learns: a detector learns beside a generator that exchanges tokens."""
    if not isinstance(model, ReplacedTokenDetector):
        return model
    pair = GeneratorAndDetector(model.config, generator_config(model.config))
    pair.detector = model
    return pair


def _evaluator(
    objective: Objective, rows: Rows, counts: TokenCounts, tokenizer: Tokenizer, settings: PretrainSettings, listener: Listener
) -> Callable[[nn.Module, Callable[[], bool]], dict[str, float] | None]:
    """Scores a model on held-out documents, with the same things asked every time; the loss is to be small."""
    # bits per byte are of models that read from left to right
    shown = one_row(rows)
    text_bytes = rows.text_bytes if settings.objective == "causal" and isinstance(rows, PackedRows) else None

    def evaluate(model: nn.Module, stop: Callable[[], bool]) -> dict[str, float] | None:
        device = next(model.parameters()).device
        with autocast(settings.training.precision, device):
            found = measure(
                model,
                objective,
                batches_in_order(rows),
                seed=_MASKS,
                special_ids=tokenizer.special_ids,
                text_bytes=text_bytes,
                counts=counts,
                stop=stop,
            )
            if found is None:
                return None
            listener.on_message(sample(model, objective, shown, tokenizer, seed=_MASKS))
        scores: dict[str, float] = {}
        for about, held_out in found.items():
            prefix = "" if about == "token" else f"{about}_"
            named = {f"{prefix}{name}": value for name, value in asdict(held_out).items() if value is not None}
            scores |= {name: value for name, value in named.items() if not name.endswith("answers")}
        return scores | {"score": -sum(held_out.loss for held_out in found.values())}

    return evaluate


def _longest(settings: PretrainSettings, model: Model) -> int:
    return min(settings.max_length, model.config.max_length)
