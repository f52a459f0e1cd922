"""Measuring: right figures on texts whose answers are known, what was seen before, and a bag of words beside it."""

from pathlib import Path

import numpy as np
import pytest

from fathom.data import Example
from fathom.errors import DataError, ModelFolderError
from fathom.inference import Predictor
from fathom.limits.baseline import fit_baseline
from fathom.limits.statistics import wilson
from fathom.pipeline.evaluate import evaluate, evaluate_folder
from fathom.pipeline.finetune import finetune
from fathom.pipeline.seen import SeenTexts
from fathom.pipeline.settings import validate_settings
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("evaluate")
    data = tiny.csv_file(here / "train.csv")
    settings = validate_settings({**tiny.SCRATCH, "data": str(data), "training": {"epochs": 6, "learning_rate": 1e-2}})
    return finetune(settings, here / "model").folder


def test_evaluate_counts_what_the_predictor_answers(folder: Path) -> None:
    predictor = Predictor.load(folder)
    rows = [
        Example(f"{text} again", label) for text, label in (("a wonderful film", "good"), ("dull", "good"), ("poor", "bad"))
    ]
    evaluation, answers = evaluate(predictor, rows)
    found = predictor.predict([row.text for row in rows])
    right = [prediction.label == row.label for prediction, row in zip(found, rows, strict=True)]
    assert evaluation.score.accuracy == pytest.approx(np.mean(right))
    assert evaluation.score.interval == pytest.approx(wilson(sum(right), 3))
    assert sum(map(sum, evaluation.confusion)) == 3
    np.testing.assert_allclose(answers.probabilities.max(1), [prediction.confidence for prediction in found])
    assert evaluation.to_dict()["seen"] == 0


def test_evaluate_reports_seen_texts_and_the_figure_without_them(folder: Path) -> None:
    predictor, seen = Predictor.load(folder), SeenTexts.load(folder / "seen_texts.safetensors")
    known = tiny.examples()[0]
    rows = [Example(known.text.upper() + " !!", known.label), Example("a film of its own", "good"), Example("awful", "bad")]
    evaluation, answers = evaluate(predictor, rows, seen=seen)
    assert evaluation.seen == 1
    assert answers.seen.tolist() == [True, False, False]
    assert evaluation.without_seen.n == 2


def test_evaluate_sets_the_baseline_beside_the_model(folder: Path) -> None:
    rows = tiny.examples(3)
    texts, labels = [row.text for row in rows], [row.label or "" for row in rows]
    baseline = fit_baseline(texts, labels, dev_texts=texts, dev_labels=labels)
    evaluation, answers = evaluate(Predictor.load(folder), rows, baseline=baseline)
    assert evaluation.baseline is not None
    assert answers.baseline is not None
    assert evaluation.baseline.score.accuracy == 1.0
    difference = evaluation.score.accuracy - evaluation.baseline.score.accuracy
    assert evaluation.baseline.paired.difference == pytest.approx(difference)


def test_evaluate_sets_the_baseline_beside_the_model_on_new_texts_alone(folder: Path) -> None:
    seen = SeenTexts.load(folder / "seen_texts.safetensors")
    rows = tiny.examples(3) + [Example(f"{text}, once more", "good") for text in (*tiny.GOOD, *tiny.BAD)]
    known = tiny.examples()
    texts, labels = [row.text for row in known], [row.label or "" for row in known]
    baseline = fit_baseline(texts, labels, dev_texts=texts, dev_labels=labels)
    predictor = Predictor.load(folder)
    evaluation, _ = evaluate(predictor, rows, seen=seen, baseline=baseline)
    alone, _ = evaluate(predictor, [row for row in rows if row not in seen], baseline=baseline)
    assert evaluation.seen == 30
    assert evaluation.baseline is not None
    assert alone.baseline is not None
    assert evaluation.baseline.without_seen == alone.baseline.score != evaluation.baseline.score
    assert evaluation.baseline.paired_without_seen == alone.baseline.paired
    assert evaluation.baseline.units == "words"


def test_evaluate_folder_fits_the_baseline_on_the_models_own_training_data(folder: Path) -> None:
    data = tiny.csv_file(folder.parent / "test.csv", [Example(f"{text}, truly", "good") for text in tiny.GOOD])
    evaluation, _, record = evaluate_folder(str(folder), str(data), with_baseline=True)
    assert evaluation.baseline is not None
    assert record["data_league"].startswith("only the labelled texts of")
    assert record["made_by"]["seed"] == 0
    assert {"measured_on", "score", "by_length"} <= set(record)


def test_evaluate_refuses_labels_that_it_does_not_know_and_nothing_at_all(folder: Path) -> None:
    predictor = Predictor.load(folder)
    with pytest.raises(DataError, match="has the label 'so-so'"):
        evaluate(predictor, [Example("a film", "so-so")])
    with pytest.raises(DataError, match="has no label"):
        evaluate(predictor, [Example("a film")])
    with pytest.raises(DataError, match="no texts"):
        evaluate(predictor, [])


def test_evaluate_baseline_needs_a_folder_that_says_what_it_learned_from(tmp_path: Path) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    data = tiny.csv_file(tmp_path / "test.csv")
    with pytest.raises(ModelFolderError, match="does not say which data"):
        evaluate_folder(str(folder), str(data), with_baseline=True)


def test_evaluate_baseline_refuses_training_data_that_has_changed(tmp_path: Path) -> None:
    data = tiny.csv_file(tmp_path / "train.csv")
    folder = finetune(validate_settings({**tiny.SCRATCH, "data": str(data)}), tmp_path / "model").folder
    tiny.csv_file(data, [*tiny.examples(), Example("one more", "good")])
    with pytest.raises(ModelFolderError, match=r"is not what .* was trained on"):
        evaluate_folder(str(folder), str(data), with_baseline=True)
