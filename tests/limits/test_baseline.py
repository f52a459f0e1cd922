from __future__ import annotations

import sys
from itertools import pairwise

import jieba
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from fathom.errors import DataError
from fathom.limits.baseline import CHARACTERS, JIEBA, STRENGTHS, WORDS, Baseline, fit_baseline
from fathom.text.splitting import WORD, make_splitter, mostly_chinese

CHINESE = ["这部电影很好看", "演员演得真好", "故事不错，音乐也不错", "太难看了", "非常无聊的故事", "演员演得很差"]
VERDICTS = ["好"] * 3 + ["坏"] * 3

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


def test_baseline_of_english_is_scikit_learns_tf_idf_of_words_and_pairs() -> None:
    baseline = fitted()
    counted = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD)
    by_hand = LogisticRegression(C=baseline.strength, max_iter=1000).fit(counted.fit_transform(TEXTS), LABELS)
    logits = by_hand.decision_function(counted.transform(["a fine bore", "no joy 很好"])) / baseline.temperature
    np.testing.assert_allclose(baseline.predict_proba(["a fine bore", "no joy 很好"])[:, 1], 1 / (1 + np.exp(-logits)))
    assert (baseline.units, baseline.name) == (WORDS, "TF-IDF of 1- and 2-grams, logistic regression")


def test_baseline_of_chinese_counts_jiebas_words_and_pairs() -> None:
    baseline = fitted(CHINESE, VERDICTS)
    assert (baseline.units, baseline.name) == (JIEBA, "TF-IDF of 1- and 2-grams of jieba's words, logistic regression")
    words = [[word for word in jieba.lcut(text) if word != "，"] for text in CHINESE]
    expected = {word for text in words for word in text}
    expected |= {f"{first} {second}" for text in words for first, second in pairwise(text)}
    assert baseline.features == len(expected)
    assert set(baseline._pipeline[0].vocabulary_) == expected
    assert [baseline.labels[i] for i in baseline.predict_proba(["音乐真好", "太难看了"]).argmax(1)] == ["好", "坏"]


def test_baseline_of_chinese_without_jieba_counts_groups_of_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    make_splitter.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    baseline = fitted(CHINESE, VERDICTS)
    assert (baseline.units, baseline.name) == (CHARACTERS, "TF-IDF of 1- to 3-grams of characters, logistic regression")
    assert {"好", "好 看", "很 好 看"} <= set(baseline._pipeline[0].vocabulary_)
    assert [baseline.labels[i] for i in baseline.predict_proba(["很好看", "很差"]).argmax(1)] == ["好", "坏"]


@pytest.mark.parametrize(
    ("texts", "chinese"),
    [
        (["很好"], True),
        (["CPU 很好，4G 内存够用"], True),
        (["𠮷𠀀"], True),
        (["a film", "很好 stuff"], False),
        (["とても面白い映画でした"], False),
        (["아주 좋아요"], False),
        ([], False),
        (["!?", ""], False),
    ],
)
def test_baseline_tells_chinese_by_its_characters(texts: list[str], chinese: bool) -> None:
    assert mostly_chinese(texts) is chinese


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
