"""Whether a text is like those that a classifier was measured on: two checks that look at no label.

    Likeness    how far what the classifying head reads is from what it reads of known texts (Mahalanobis)
    Writing     how unusual the sequence of letters is, beside texts of the known language; needs no model

Both are fitted on one part of the known texts and get their threshold from another part, by exchangeability: of further texts
of the same kind, at most the stated share is stopped, on average over such parts. What else they stop, nobody promises:
that is measured (limits/measures/out_of_domain.py).
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

FALSE_ALARMS = 0.01  # share of texts of the known kind that each check may stop
AXES = 16  # directions in which the spread is kept; in the others it is one number
MOST_LETTERS = 64  # of an alphabet
_MANY = ("CJK", "HANGUL")  # scripts of thousands of characters: each counts as one letter
_PULL = 10.0  # pairs of letters that the frequencies of single letters count for


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Likeness(_Closed):
    """Squared Mahalanobis distance to the nearest class, and the distance from which on a text is unlike.

    Means of the texts that are answered alike, one covariance for all (Lee et al. 2018, 1807.03888); the covariance is that
    of probabilistic principal components (Tipping and Bishop 1999), Σ = U diag(λ − σ²) Uᵀ + σ² I: a few hundred texts do.
    """

    width: int = Field(gt=0)
    means: str  # (classes, width) float32, base64
    axes: str  # (r, width) float32, base64: U, orthonormal rows
    spread: list[float]  # (r,) λ, variances along the axes
    rest: float = Field(gt=0)  # σ², variance along every other direction
    threshold: float  # a text that is farther away is unlike
    false_alarms: float = Field(gt=0, lt=1)
    n: int  # texts that decided the threshold; as many others decided the rest

    def distances(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, width) -> (n,) squared distances."""
        means, axes = _unpacked(self.means, self.width), _unpacked(self.axes, self.width)
        found = np.full(len(embeddings), np.inf)
        for mean in means:
            off = np.asarray(embeddings, dtype=np.float64) - mean
            along = off @ axes.T
            beyond = np.maximum(0.0, (off**2).sum(axis=1) - (along**2).sum(axis=1))
            found = np.minimum(found, (along**2 / self.spread).sum(axis=1) + beyond / self.rest)
        return found


class Writing(_Closed):
    """Letters as a chain, each drawn given the one before, and the strangeness from which on a text is in another language.

    z = Σ (log p(b|a) − E[log p(·|a)]) / √Σ Var[log p(·|a)] over neighbouring letters a, b: the same scale for texts of every
    length. A text without letters is in no language, and never strange.
    """

    letters: str  # symbol number 2 + i is letter i; 0 is any gap between words, 1 any letter that is not here
    counts: str  # (symbols, symbols) float32, base64: how often b follows a
    threshold: float  # a text with a larger −z is strange
    false_alarms: float = Field(gt=0, lt=1)
    n: int  # texts that decided the threshold; as many others decided the rest

    def strangeness(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) −z of each text."""
        size = len(self.letters) + 2
        counts = _unpacked(self.counts, size).astype(np.float64)
        single = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * size)
        given = (counts + _PULL * single) / (counts.sum(axis=1, keepdims=True) + _PULL)
        surprise = np.log(given)
        expected = (given * surprise).sum(axis=1)
        variance = (given * surprise**2).sum(axis=1) - expected**2
        numbers = _Numbers(self.letters)
        found = np.zeros(len(texts))
        for row, text in enumerate(texts):
            chain = numbers.of(text)
            before, after = chain[:-1], chain[1:]
            if len(chain) > 2:
                found[row] = -(surprise[before, after] - expected[before]).sum() / max(1e-9, variance[before].sum()) ** 0.5
        return found


def fit_likeness(embeddings: np.ndarray, answers: np.ndarray, *, false_alarms: float = FALSE_ALARMS) -> Likeness | None:
    """From one half of the rows the distances, from the other half the threshold.

    Args:
        embeddings: (n, width) of texts of the known kind, in an order that means nothing.
        answers: (n,) what the classifier says of them; no true label is looked at.
        false_alarms: share of such texts that may be stopped.

    Returns:
        None: fewer texts than can tell so small a share.
    """
    half = len(embeddings) // 2
    if _place(len(embeddings) - half, false_alarms) is None:
        return None
    rows, said = np.asarray(embeddings[:half], dtype=np.float64), answers[:half]
    means = np.stack([rows[said == number].mean(axis=0) for number in np.unique(said)])
    off = rows - means[np.searchsorted(np.unique(said), said)]
    width = rows.shape[1]
    _, singular, axes = np.linalg.svd(off, full_matrices=False)
    variances = singular**2 / len(off)
    kept = max(1, min(AXES, width // 2, half // 8))
    rest = max(float(variances[kept:].sum()) / (width - kept) if width > kept else 0.0, 1e-6 * float(variances[0]), 1e-12)
    fitted = Likeness(
        width=width,
        means=_packed(means),
        axes=_packed(axes[:kept]),
        spread=[max(float(value), rest) for value in variances[:kept]],
        rest=rest,
        threshold=0.0,
        false_alarms=false_alarms,
        n=len(embeddings) - half,
    )
    return fitted.model_copy(update={"threshold": _threshold(fitted.distances(embeddings[half:]), false_alarms)})


def fit_writing(texts: Sequence[str], *, false_alarms: float = FALSE_ALARMS) -> Writing | None:
    """From one half of the texts the letters and their pairs, from the other half the threshold; arguments as above.

    Returns:
        None: fewer texts than can tell so small a share, or texts without letters.
    """
    half = len(texts) // 2
    if _place(len(texts) - half, false_alarms) is None:
        return None
    frequent = Counter(letter for text in texts[:half] for letter in map(_letter, text.lower()) if letter != " ")
    letters = "".join(letter for letter, _ in frequent.most_common(MOST_LETTERS))
    if not letters:
        return None
    numbers, counts = _Numbers(letters), np.zeros((len(letters) + 2, len(letters) + 2), dtype=np.float32)
    for text in texts[:half]:
        chain = numbers.of(text)
        np.add.at(counts, (chain[:-1], chain[1:]), 1)
    fitted = Writing(letters=letters, counts=_packed(counts), threshold=0.0, false_alarms=false_alarms, n=len(texts) - half)
    return fitted.model_copy(update={"threshold": _threshold(fitted.strangeness(texts[half:]), false_alarms)})


def _letter(character: str) -> str:
    """Itself; a blank for what is none, and one character for all of a script that has thousands."""
    if not (character.isalpha() or unicodedata.category(character).startswith("M")):
        return " "
    if character.isascii():
        return character
    script = unicodedata.name(character, "?").partition(" ")[0]
    return {"CJK": "\u4e00", "HANGUL": "\uac00"}.get(script, character) if script in _MANY else character


class _Numbers(dict[str, int]):
    """The symbol number of every character, found out once."""

    def __init__(self, letters: str) -> None:
        super().__init__()
        self._own = {letter: number for number, letter in enumerate(letters, 2)} | {" ": 0}

    def __missing__(self, character: str) -> int:
        number = self[character] = self._own.get(_letter(character), 1)
        return number

    def of(self, text: str) -> np.ndarray:
        """(symbols,) with a gap at both ends and never two in a row."""
        found = np.array([0, *map(self.__getitem__, text.lower()), 0], dtype=np.int64)
        once: np.ndarray = found[np.append(True, (found[1:] != 0) | (found[:-1] != 0))]
        return once


def _place(n: int, false_alarms: float) -> int | None:
    """Which of n values in rising order is exceeded by a further one with at most this probability; None: n is too small."""
    place = math.ceil((n + 1) * (1 - false_alarms))
    return place if place <= n else None


def _threshold(values: np.ndarray, false_alarms: float) -> float:
    place = _place(len(values), false_alarms)
    assert place is not None
    return float(np.sort(values)[place - 1])


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode("ascii")


def _unpacked(packed: str, width: int) -> np.ndarray:
    found: np.ndarray = np.frombuffer(base64.b64decode(packed, validate=True), dtype="<f4").reshape(-1, width)
    return found
