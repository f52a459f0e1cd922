"""How right a model is on labelled texts: accuracy with its interval, calibration, and what of the texts it has seen before.

Nothing is chosen here; measuring twice gives the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fathom.checkpoint import MadeBy, machine, read_json, resolve_model
from fathom.checkpoint.about import MADE_BY
from fathom.data import Columns, Example, open_data, splits_of, text_digest
from fathom.errors import DataError, ModelFolderError, SettingsError
from fathom.inference import Predictor, text_probabilities, window_logits
from fathom.limits import statistics
from fathom.limits.baseline import Baseline, baseline_of, whole_text
from fathom.limits.statistics import ClassScores, Interval, LengthBin, PairedTest, ReliabilityBin
from fathom.model.precision import Precision
from fathom.pipeline.labelled_parts import split_examples
from fathom.pipeline.seen import SEEN, SeenTexts
from fathom.pipeline.settings import FinetuneSettings


@dataclass(frozen=True)
class Score:
    """A rate with its 95 % Wilson interval."""

    accuracy: float
    interval: Interval
    n: int

    @classmethod
    def of(cls, correct: np.ndarray) -> Score:
        """From (n,) booleans."""
        n, right = len(correct), int(correct.sum())
        return cls(right / n if n else 0.0, statistics.wilson(right, n), n)


@dataclass(frozen=True)
class BaselineScore:
    """A bag of words on the same texts."""

    name: str
    units: str  # a bag of words, of jieba's words, of characters
    score: Score
    paired: PairedTest  # the model minus the bag of words
    without_seen: Score  # both again, without the texts that the model was trained on
    paired_without_seen: PairedTest


@dataclass(frozen=True)
class Evaluation:
    """What one model does on one set of labelled texts."""

    score: Score
    without_seen: Score  # without the texts that the model was trained on
    seen: int  # texts that the model was trained on
    duplicates: int  # texts that repeat an earlier one
    macro_f1: float
    by_label: dict[str, ClassScores]
    confusion: list[list[int]]  # row the true label, column the answer, in the order of by_label
    negative_log_likelihood: float
    brier: float
    calibration_error: float
    calibration_floor: Interval  # what a perfectly calibrated model would read: median and 95th percentile
    reliability: list[ReliabilityBin]
    by_length: list[LengthBin]  # tokens as the model counts them
    truncated_share: float
    seconds: float
    baseline: BaselineScore | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Answers:
    """The texts behind an evaluation, for reports."""

    examples: list[Example]
    labels: np.ndarray  # (n,) class numbers
    probabilities: np.ndarray  # (n, K)
    baseline: np.ndarray | None  # (n, K), columns in the model's order
    lengths: np.ndarray  # (n,) tokens, with what was not read
    seen: np.ndarray  # (n,) booleans: the model was trained on this text


def evaluate(
    predictor: Predictor,
    examples: list[Example],
    *,
    seen: SeenTexts | None = None,
    baseline: Baseline | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[Evaluation, Answers]:
    """Measures a model.

    Args:
        examples: with labels that the model knows.
        seen: what the model was trained on.
        baseline: measured on the same texts, beside the model.
        on_batch: told how many texts each batch answered.

    Raises:
        DataError: no examples, or a label that the model does not know.
        SettingsError: a model that is no classifier.
    """
    if not examples:
        raise DataError("there are no texts to measure on", expected="labelled texts")
    started, classifier = time.monotonic(), predictor.classifier
    dataset = predictor.tokenize(examples)
    if (dataset.labels < 0).any():
        raise DataError("a text to measure on has no label", expected="a label for each text", do="--label COLUMN")
    logits = window_logits(classifier, dataset, precision=predictor.precision, on_batch=on_batch)
    assert logits is not None
    probabilities = text_probabilities(logits, dataset.example_of, predictor.about.temperature)
    seconds = time.monotonic() - started
    first_window = np.unique(dataset.example_of, return_index=True)[1]
    labels = dataset.labels[first_window]
    lengths = np.bincount(dataset.example_of, weights=dataset.lengths).astype(np.int64) + dataset.dropped
    predicted = probabilities.argmax(axis=1)
    correct, confidence = predicted == labels, probabilities.max(axis=1)
    was_seen = np.array([seen is not None and example in seen for example in examples])
    digests = {text_digest(example) for example in examples}
    counts = statistics.confusion(predicted, labels, len(predictor.labels))
    by_label = dict(zip(predictor.labels, statistics.class_scores(counts), strict=True))
    beside, baseline_probabilities = None, None
    if baseline is not None:
        beside, baseline_probabilities = _beside(baseline, predictor.labels, examples, labels, correct, was_seen)
    evaluation = Evaluation(
        score=Score.of(correct),
        without_seen=Score.of(correct[~was_seen]),
        seen=int(was_seen.sum()),
        duplicates=len(examples) - len(digests),
        macro_f1=float(np.mean([scores.f1 for scores in by_label.values()])),
        by_label=by_label,
        confusion=counts.tolist(),
        negative_log_likelihood=statistics.negative_log_likelihood(probabilities, labels),
        brier=statistics.brier(probabilities, labels),
        calibration_error=statistics.calibration_error(confidence, correct),
        calibration_floor=statistics.calibration_floor(confidence),
        reliability=statistics.reliability_curve(confidence, correct),
        by_length=statistics.accuracy_by_length(lengths, correct),
        truncated_share=dataset.truncated_share,
        seconds=round(seconds, 1),
        baseline=beside,
    )
    return evaluation, Answers(examples, labels, probabilities, baseline_probabilities, lengths, was_seen)


def evaluate_folder(
    spec: str,
    data: str,
    *,
    split: str | None = None,
    columns: Columns = Columns(),
    with_baseline: bool = False,
    device: str | None = None,
    precision: Precision = "float32",
    on_phase: Callable[[str], None] = lambda text: None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[Evaluation, Answers, dict[str, Any]]:
    """Measures a model folder on DATA.

    Args:
        split: of DATA; None: "test" where a named data set has one.
        precision: as for `Predictor.load`.
        with_baseline: also fit a bag of words on what the folder's made_by.json says it was trained on.

    Returns:
        The evaluation, the answers behind it, and a record: who was measured on what, how it was made, on which machine.
    """
    folder = resolve_model(spec)
    predictor = Predictor.load(spec, device=device, precision=precision)
    if predictor.about.task == "causal":
        raise SettingsError(
            f"{spec} is a causal language model, which has no labels of its own",
            expected="a classifier, or a number of demonstrations to put into the prompt",
            do="add --shots 4, or --shots 0 for none",
        )
    known = splits_of(data)
    chosen = split or ("test" if "test" in known or Path(data).is_dir() else None)
    on_phase("reading the data")
    examples = list(open_data(data, split=chosen, columns=columns, labelled=True))
    seen = SeenTexts.load(folder / SEEN) if (folder / SEEN).is_file() else None
    made_by = read_json(folder / MADE_BY, MadeBy) if (folder / MADE_BY).is_file() else None
    baseline = None
    if with_baseline:
        on_phase("fitting a bag of words on the model's training data")
        baseline = _baseline_of(folder, made_by)
    on_phase(f"answering {len(examples):,} texts")
    evaluation, answers = evaluate(predictor, examples, seen=seen, baseline=baseline, on_batch=on_batch)
    record = {
        "name": folder.resolve().name,
        "data": data if chosen is None else f"{data} ({chosen})",
        "data_league": _league(made_by),
        **evaluation.to_dict(),
        "made_by": None if made_by is None else made_by.model_dump(mode="json"),
        "measured_on": {**machine(), "precision": precision},
    }
    return evaluation, answers, record


def _beside(
    baseline: Baseline,
    names: list[str],
    examples: list[Example],
    labels: np.ndarray,
    model_correct: np.ndarray,
    was_seen: np.ndarray,
) -> tuple[BaselineScore, np.ndarray]:
    found = baseline.predict_proba([whole_text(example) for example in examples])
    probabilities = np.zeros((len(examples), len(names)))
    for column, name in enumerate(baseline.labels):
        if name in names:
            probabilities[:, names.index(name)] = found[:, column]
    correct = probabilities.argmax(axis=1) == labels
    new = ~was_seen
    score = BaselineScore(
        name=baseline.name,
        units=baseline.units.name,
        score=Score.of(correct),
        paired=statistics.paired_test(model_correct, correct),
        without_seen=Score.of(correct[new]),
        paired_without_seen=statistics.paired_test(model_correct[new], correct[new]),
    )
    return score, probabilities


def _baseline_of(folder: Path, made_by: MadeBy | None) -> Baseline:
    settings = None if made_by is None else FinetuneSettings.model_validate(made_by.settings)
    if made_by is None or settings is None or settings.data is None:
        raise ModelFolderError(
            f"{folder} does not say which data it was trained on, so no bag of words can be fitted on the same",
            expected="a folder that `fathom finetune` wrote from named data",
            do="leave --baseline out",
        )
    source = open_data(settings.data, columns=settings.columns.columns(), labelled=True)
    parts = split_examples(source, settings)
    if parts.facts["train_sha256"] != made_by.data["train"]:
        raise ModelFolderError(
            f"what {settings.data} gives now is not what {folder} was trained on, so a bag of words would learn other texts",
            expected=f"training texts with the SHA-256 {made_by.data['train'][:12]}…",
            do="leave --baseline out",
        )
    return baseline_of(parts.train, parts.dev)


def _league(made_by: MadeBy | None) -> str:
    """Which text the model has seen: figures of different leagues do not compare."""
    if made_by is None:
        return "unknown: the folder does not say what it was trained on"
    settings = made_by.settings
    labelled = f"the labelled texts of {settings['data']}" if settings["data"] is not None else "labelled texts without a name"
    if settings["model"] == "scratch":
        return f"only {labelled}"
    return f"the text that {settings['model']} was pre-trained on, and {labelled}"
