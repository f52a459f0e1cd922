"""The bag of words that every model has to beat: TF-IDF of words and word pairs, and a logistic regression.

It reads no order beyond two neighbouring words, learns in seconds, and is hard to beat on long texts (Wang and Manning
2012, "Baselines and Bigrams"). Where a Transformer does not beat it, use it instead.

Chinese is written without blanks, so there jieba finds the words; without jieba, groups of characters stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fathom.data import Example
from fathom.errors import DataError, MissingExtraError
from fathom.limits.statistics import fit_temperature
from fathom.text.splitting import WORD, make_splitter, mostly_chinese

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)  # scikit-learn's C: the larger, the less the weights are held back


@dataclass(frozen=True)
class Units:
    """What is counted."""

    name: str  # a bag of …
    grams: str  # TF-IDF of …
    features: str  # TF-IDF of so many …
    longest: int  # units in a row that are counted as one feature


WORDS = Units("words", "1- and 2-grams", "words and word pairs", 2)
JIEBA = Units("jieba's words", "1- and 2-grams of jieba's words", "of jieba's words and word pairs", 2)
CHARACTERS = Units("characters", "1- to 3-grams of characters", "characters and groups of two or three", 3)


@dataclass(frozen=True)
class Baseline:
    """A fitted bag of words."""

    units: Units
    labels: list[str]
    strength: float  # the C that the dev part chose
    features: int
    temperature: float  # fitted on the dev part, as for every model here
    dev_accuracy: float
    _pipeline: Pipeline

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"TF-IDF of {self.units.grams}, logistic regression"

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, labels) float64 probabilities, rows summing to 1, columns in the order of `labels`."""
        if not texts:
            return np.zeros((0, len(self.labels)))
        probabilities: np.ndarray = softmax(_logits(self._pipeline, texts) / self.temperature, axis=1)
        return probabilities


def fit_baseline(
    texts: Sequence[str], labels: Sequence[str], *, dev_texts: Sequence[str], dev_labels: Sequence[str]
) -> Baseline:
    """Fits on `texts`; the dev part chooses between `STRENGTHS` (the strongest restraint among equals) and calibrates.

    The same texts give the same weights: nothing in it is random. What is counted follows from `texts`: words, or where
    they are mostly Chinese, jieba's words, or without jieba characters.

    Raises:
        DataError: nothing to learn from: fewer than two labels, no words, no dev texts, or a label in dev only.
    """
    if len(set(labels)) < 2:
        raise DataError(f"the bag of words got {len(set(labels))} labels", expected="at least two different labels")
    if not dev_texts:
        raise DataError("the dev part is empty", expected="texts to choose the strength on")
    if unknown := sorted(set(dev_labels) - set(labels)):
        raise DataError(
            f"the dev part has labels that the training part has not: {', '.join(unknown)}",
            expected="the labels of the training part",
        )
    units, vectorizer = _vectorizer(texts)
    try:
        counted, dev_counted = vectorizer.fit_transform(texts), vectorizer.transform(dev_texts)
    except ValueError as error:
        raise DataError(f"none of the {len(texts)} texts holds a word", expected="texts with words") from error
    with threadpool_limits(limits=1):  # its vectors are too short for threads to help, and waiting threads slow down the rest
        fitted = [LogisticRegression(C=strength, max_iter=1000).fit(counted, labels) for strength in STRENGTHS]
    accuracies = [float(model.score(dev_counted, dev_labels)) for model in fitted]
    best = int(np.argmax(accuracies))
    pipeline = make_pipeline(vectorizer, fitted[best])
    names = [str(name) for name in fitted[best].classes_]
    truth = np.array([names.index(label) for label in dev_labels])
    temperature = fit_temperature(_logits(pipeline, dev_texts), truth)
    return Baseline(units, names, STRENGTHS[best], counted.shape[1], temperature, accuracies[best], pipeline)


def baseline_of(train: Iterable[Example], dev: Iterable[Example]) -> Baseline:
    """The same from labelled examples; of a pair, both texts are read."""
    train, dev = list(train), list(dev)
    return fit_baseline(
        [whole_text(example) for example in train],
        [example.label or "" for example in train],
        dev_texts=[whole_text(example) for example in dev],
        dev_labels=[example.label or "" for example in dev],
    )


def whole_text(example: Example) -> str:
    """A text and, where there is one, its second text on a line of its own."""
    return example.text if example.pair is None else f"{example.text}\n{example.pair}"


def _vectorizer(texts: Sequence[str]) -> tuple[Units, TfidfVectorizer]:
    units, split = WORDS, None
    if mostly_chinese(texts):
        try:
            units, split = JIEBA, make_splitter("zh")
        except MissingExtraError:
            units = CHARACTERS

    def words(text: str) -> list[str]:
        assert split is not None
        return [text[start:end] for start, end in split(text) if re.search(r"\w", text[start:end])]

    shared = {"ngram_range": (1, units.longest), "sublinear_tf": True}
    if units is JIEBA:
        return units, TfidfVectorizer(tokenizer=words, token_pattern=None, **shared)
    return units, TfidfVectorizer(token_pattern=WORD, **shared)


def _logits(pipeline: Pipeline, texts: Sequence[str]) -> np.ndarray:
    """(texts, labels); for two labels scikit-learn gives the difference of the logits only."""
    scores: np.ndarray = pipeline.decision_function(texts)
    return np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores
