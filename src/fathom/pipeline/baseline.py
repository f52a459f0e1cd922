"""The bag of words that every model has to beat: TF-IDF of words and pairs of words, and logistic regression.

It knows which words stand in a text and nothing of their order, trains in seconds, and on many tasks comes close to a
Transformer. A model that does not beat it has not earned its cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from fathom.data import Example
from fathom.errors import DataError

STRENGTHS = (1.0, 4.0, 16.0)  # inverse regularisation, chosen on the dev part


@dataclass(frozen=True)
class Baseline:
    """A fitted bag of words."""

    name = "bag of words (TF-IDF of 1- and 2-grams, logistic regression)"
    pipeline: Pipeline
    labels: list[str]  # the order of the columns
    strength: float
    dev_accuracy: float

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, labels) probabilities."""
        found: np.ndarray = self.pipeline.predict_proba(list(texts))
        return found


def fit_baseline(train: Iterable[Example], dev: Iterable[Example]) -> Baseline:
    """Fits one for each of `STRENGTHS` on the train part and keeps the best on the dev part. Deterministic.

    Raises:
        DataError: no words to count.
    """
    train_texts, train_labels = _columns(train)
    dev_texts, dev_labels = _columns(dev)
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if len(train_texts) >= 1000 else 1)
    try:
        counted = vectoriser.fit_transform(train_texts)
    except ValueError as error:
        raise DataError(f"the texts hold no words to count: {error}", expected="texts with words") from error
    dev_counted = vectoriser.transform(dev_texts)
    best: tuple[float, float, LogisticRegression] | None = None
    for strength in STRENGTHS:
        regression = LogisticRegression(C=strength, max_iter=1000).fit(counted, train_labels)
        accuracy = float(regression.score(dev_counted, dev_labels))
        if best is None or accuracy > best[0]:
            best = (accuracy, strength, regression)
    assert best is not None
    accuracy, strength, regression = best
    return Baseline(make_pipeline(vectoriser, regression), [str(name) for name in regression.classes_], strength, accuracy)


def _columns(examples: Iterable[Example]) -> tuple[list[str], list[str]]:
    texts, labels = [], []
    for example in examples:
        texts.append(example.text if example.pair is None else f"{example.text}\n{example.pair}")
        labels.append(example.label or "")
    return texts, labels
