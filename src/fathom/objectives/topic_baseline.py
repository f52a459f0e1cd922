"""How much of next-sentence prediction common words solve: TF-IDF and a threshold, fitted on the training pairs.

A file of its own, because what it imports takes longer to start than all the objectives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from torch import Tensor

from fathom.data import Batch
from fathom.objectives.answers import ordinary_tokens


@dataclass(frozen=True)
class TopicBaseline:
    """How far common words alone tell which pairs belong together."""

    accuracy: float  # on the held-out pairs
    threshold: float  # pairs with a larger cosine are taken to belong together; fitted on the training pairs
    pairs: int  # held out


def topic_baseline(
    train: Iterable[Batch], held_out: Iterable[Batch], *, vocab_size: int, special_ids: tuple[int, ...]
) -> TopicBaseline:
    """Labels pairs by the cosine between the TF-IDF vectors of their two texts.

    Args:
        train: labelled pairs, from which document frequencies and the threshold come.
        held_out: labelled pairs that are judged.
        special_ids: tokens that are not counted.

    Raises:
        ValueError: a batch without labels or without segments, or no pairs.
    """
    first, second, labels = _counts(train, vocab_size, special_ids)
    frequencies = TfidfTransformer(sublinear_tf=True).fit(sparse.vstack([first, second]))
    threshold = _best_threshold(_cosines(frequencies, first, second), labels)
    first, second, labels = _counts(held_out, vocab_size, special_ids)
    said = (_cosines(frequencies, first, second) <= threshold).astype(np.int64)
    return TopicBaseline(float((said == labels).mean()), threshold, len(labels))


def _counts(
    batches: Iterable[Batch], vocab_size: int, special_ids: tuple[int, ...]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix, np.ndarray]:
    """How often each token stands in the first and in the second text of each pair, and the labels."""
    firsts, seconds, labels = [], [], []
    for batch in batches:
        if batch.labels is None or batch.segment_ids is None:
            raise ValueError("a batch has no labels or no segments; the baseline needs pairs that have both")
        ordinary = ordinary_tokens(batch, special_ids)
        firsts.append(_count(batch.token_ids, ordinary & (batch.segment_ids == 0), vocab_size))
        seconds.append(_count(batch.token_ids, ordinary & (batch.segment_ids == 1), vocab_size))
        labels.append(batch.labels.cpu().numpy())
    if not labels:
        raise ValueError("there are no pairs, expected some")
    return sparse.vstack(firsts).tocsr(), sparse.vstack(seconds).tocsr(), np.concatenate(labels)


def _count(token_ids: Tensor, counted: Tensor, vocab_size: int) -> sparse.csr_matrix:
    rows, columns = counted.nonzero(as_tuple=True)
    tokens = token_ids[rows, columns].cpu().numpy()
    ones = np.ones(len(tokens))
    return sparse.csr_matrix((ones, (rows.cpu().numpy(), tokens)), shape=(len(token_ids), vocab_size))


def _cosines(frequencies: TfidfTransformer, first: sparse.csr_matrix, second: sparse.csr_matrix) -> np.ndarray:
    """(pairs,) between 0 and 1; the transformer's vectors have length 1, or 0 where a text is empty."""
    products = frequencies.transform(first).multiply(frequencies.transform(second))
    return np.asarray(products.sum(axis=1)).ravel()


def _best_threshold(cosines: np.ndarray, labels: np.ndarray) -> float:
    """The one with the most right answers, where above means label 0."""
    order = np.argsort(cosines, kind="stable")
    ordered = cosines[order]
    ones_below = np.concatenate([[0], np.cumsum(labels[order] == 1)])
    zeros_above = (labels == 0).sum() - np.concatenate([[0], np.cumsum(labels[order] == 0)])
    # a threshold lies between two different cosines, below all or above all
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
    cut = int(cuts[np.argmax((ones_below + zeros_above)[cuts])])
    if cut == 0:
        return float(ordered[0]) - 1
    return float(ordered[-1]) if cut == len(ordered) else float((ordered[cut - 1] + ordered[cut]) / 2)
