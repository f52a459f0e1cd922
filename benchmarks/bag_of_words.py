"""TF-IDF and logistic regression, fitted on IMDB's training half: scikit-learn and nothing of fathom's but the reading of data.

`fathom limits python:bag_of_words:answers …` asks it like any other function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from fathom.data import open_data

LABELS = ("negative", "positive")


def answers(texts: Sequence[str]) -> np.ndarray:
    """(n, 2) probabilities, in the order of `LABELS`."""
    found: np.ndarray = fitted().predict_proba(list(texts))
    return found


@cache
def fitted() -> Pipeline:
    """Words and pairs of words; fitted once in a process, the same each time."""
    training = list(open_data("imdb", split="train", labelled=True))
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LogisticRegression(C=10, max_iter=1000)
    )
    pipeline.fit([example.text for example in training], [example.label for example in training])
    assert tuple(pipeline.classes_) == LABELS
    return pipeline
