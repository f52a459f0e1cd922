from __future__ import annotations

import pytest

from fathom.errors import DataError
from fathom.pipeline.baseline import STRENGTHS, Baseline, fit_baseline

GOOD, BAD = ["a joy", "a fine film", "great fun", "a fine joy"], ["a bore", "a dull film", "no fun", "a dull bore"]
TEXTS, LABELS = [*GOOD, *BAD], ["good"] * 4 + ["bad"] * 4


def fitted(texts: list[str] = TEXTS, labels: list[str] = LABELS) -> Baseline:
    return fit_baseline(texts, labels, dev_texts=texts[::-1], dev_labels=labels[::-1])


def test_baseline_learns_words_and_names_its_columns() -> None:
    baseline = fitted()
    assert baseline.labels == ["bad", "good"]
    probabilities = baseline.predict_proba(["what a joy", "how dull", ""])
    assert probabilities.shape == (3, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert probabilities[:2].argmax(1).tolist() == [1, 0]
    assert baseline.predict_proba([]).shape == (0, 2)


def test_baseline_reads_pairs_of_words() -> None:
    texts = ["not good", "good", "not bad", "bad"] * 3
    baseline = fitted(texts, ["no", "yes", "yes", "no"] * 3)
    assert [baseline.labels[i] for i in baseline.predict_proba(["not bad", "not good"]).argmax(1)] == ["yes", "no"]


def test_baseline_takes_several_labels_and_chinese() -> None:
    texts = ["很好看", "真好看", "太难看", "很难看", "还可以", "也可以"]
    baseline = fitted(texts, ["好", "好", "坏", "坏", "中", "中"])
    probabilities = baseline.predict_proba(["好看吗", "难看", "可以"])
    assert [baseline.labels[i] for i in probabilities.argmax(1)] == ["好", "坏", "中"]
    assert probabilities.sum(axis=1) == pytest.approx(1)


def test_baseline_is_the_same_every_time() -> None:
    assert (fitted().predict_proba(TEXTS) == fitted().predict_proba(TEXTS)).all()


def test_baseline_lets_the_dev_part_choose_the_strength_and_the_temperature() -> None:
    texts, labels = TEXTS * 5, LABELS * 5
    easy = fit_baseline(texts, labels, dev_texts=texts, dev_labels=labels)
    noisy = fit_baseline(texts, labels, dev_texts=texts, dev_labels=["good", "bad"] * 20)
    assert easy.strength == min(STRENGTHS), "all are right there, so the strongest restraint is enough"
    assert easy.dev_accuracy == 1.0
    assert noisy.dev_accuracy == 0.5
    assert easy.temperature < 1 < noisy.temperature


@pytest.mark.parametrize(
    ("texts", "labels", "dev_texts", "dev_labels", "says"),
    [
        (["a b", "c d"], ["x", "x"], ["a"], ["x"], "1 labels"),
        (["a b", "c d"], ["x", "y"], ["a"], ["z"], "has not: z"),
        (["a b", "c d"], ["x", "y"], [], [], "dev part is empty"),
        (["!", "?"], ["x", "y"], ["a"], ["x"], "holds a word"),
    ],
)
def test_baseline_says_what_it_cannot_learn_from(
    texts: list[str], labels: list[str], dev_texts: list[str], dev_labels: list[str], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        fit_baseline(texts, labels, dev_texts=dev_texts, dev_labels=dev_labels)
