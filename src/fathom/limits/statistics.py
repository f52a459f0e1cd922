"""The statistics behind every figure: intervals, paired tests and calibration, each with its formula and source.

Arrays are numpy; n texts, K labels. `probabilities` is (n, K) with rows that sum to 1, `labels` is (n,) class numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import dct, idct
from scipy.optimize import brentq, minimize_scalar
from scipy.special import bdtr, log_softmax
from scipy.stats import beta, binomtest, norm, rankdata, t

Interval = tuple[float, float]


def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """The Wilson score interval of a rate (Wilson 1927):

    (p̂ + z²/2n ± z √(p̂q̂/n + z²/4n²)) / (1 + z²/n), which stays inside [0, 1] and does not shrink to nothing at 0 or 1.
    """
    if n == 0:
        return (0.0, 1.0)
    found = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return (float(found.low), float(found.high))


def area(positive: np.ndarray, negative: np.ndarray) -> float:
    """AUROC: P(a positive's score is above a negative's), ties counting half (Mann and Whitney 1947).

    Args:
        positive: (m,) scores, m ≥ 1.
        negative: (n,) scores, n ≥ 1.
    """
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))


def auroc(positive: np.ndarray, negative: np.ndarray) -> tuple[float, Interval]:
    """`area` and its 95 % interval.

    Wilson's interval for min(m, n) draws: no distribution of scores gives a variance above A(1 − A)/min(m, n) (Cortes and
    Mohri 2004, "Confidence intervals for the area under the ROC curve"), and it does not shrink to nothing at 1.

    Args:
        positive: (m,) scores, m ≥ 1.
        negative: (n,) scores, n ≥ 1.
    """
    value, fewer = area(positive, negative), min(len(positive), len(negative))
    low, high = wilson(round(value * fewer), fewer)
    return value, (min(low, value), max(high, value))


def difference_interval(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """95 % interval of the difference of two independent rates, from their Wilson intervals (Newcombe 1998, method 10).

    Args:
        first: how many of how many.
        second: the same of the other; the difference is the first rate minus this.
    """
    (a, m), (b, n) = first, second
    p, q = a / m, b / n
    (p_low, p_high), (q_low, q_high) = wilson(a, m), wilson(b, n)
    return (
        p - q - float(np.hypot(p - p_low, q_high - q)),
        p - q + float(np.hypot(p_high - p, q - q_low)),
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """(n,) p-values for many tests at once: the chance of any false alarm among all stays under the level (Holm 1979)."""
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    found = np.empty(n)
    found[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * (n - np.arange(n))))
    return found


@dataclass(frozen=True)
class PairedTest:
    """Two classifiers on the same texts: A's accuracy minus B's."""

    difference: float
    interval: Interval  # 95 %
    only_a: int  # texts that only A answered rightly
    only_b: int
    p_value: float  # exact McNemar test, two-sided: how surprising the split of the disagreements is if both are equal


def paired_test(a_correct: np.ndarray, b_correct: np.ndarray, confidence: float = 0.95) -> PairedTest:
    """Exact McNemar test (1947) and the Bonett–Price interval (2012) of the difference of two paired rates.

    With b and c the texts that only one of the two answered rightly, p₁ = (b + 1)/(n + 2) and p₂ = (c + 1)/(n + 2):
    p₁ − p₂ ± z √((p₁ + p₂ − (p₁ − p₂)²)/(n + 2)).

    Args:
        a_correct: (n,) booleans.
        b_correct: (n,) booleans, of the same texts.
    """
    a, b = np.asarray(a_correct, dtype=bool), np.asarray(b_correct, dtype=bool)
    n, only_a, only_b = len(a), int((a & ~b).sum()), int((b & ~a).sum())
    disagreements = only_a + only_b
    p_value = float(binomtest(only_a, disagreements, 0.5).pvalue) if disagreements else 1.0
    p1, p2 = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = float(norm.ppf((1 + confidence) / 2)) * ((p1 + p2 - (p1 - p2) ** 2) / (n + 2)) ** 0.5
    interval = (max(-1.0, p1 - p2 - half), min(1.0, p1 - p2 + half))
    return PairedTest((only_a - only_b) / n if n else 0.0, interval, only_a, only_b, p_value)


def interval_by_group(values: np.ndarray, groups: Sequence[str], draws: int = 2000, seed: int = 0) -> Interval:
    """95 % interval of the mean of `values` when whole groups are drawn, not single texts (percentile cluster bootstrap).

    Texts of one group (one film, one author) resemble each other, which an interval for independent texts does not know
    (Miller 2024, 2411.00640). Where this interval is much wider than that one, believe this one.

    Args:
        values: (n,) numbers, such as right (1) and wrong (0), or their difference between two models.
        groups: (n,) names.
        draws: samples; each draws as many groups as there are, with replacement.
    """
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    sizes, sums = np.bincount(places), np.bincount(places, weights=np.asarray(values, dtype=np.float64))
    drawn = np.random.default_rng(seed).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=draws)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), (0.025, 0.975))
    return (float(low), float(high))


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Student's interval of a mean (1908): m ± t s/√n, with t of n − 1 degrees of freedom.

    Args:
        values: (n,) independent numbers, at least two.
    """
    found = np.asarray(values, dtype=np.float64)
    half = float(t.ppf((1 + confidence) / 2, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5)
    return (float(found.mean()) - half, float(found.mean()) + half)


def crossed_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Interval of the mean of a table whose rows and columns were both drawn, such as prompts by texts.

    Neither the texts nor the prompts are all that there are, and each text is answered behind each prompt; an interval
    that knows of one of them only is too narrow (Clark 1973, "The language-as-fixed-effect fallacy"):
    m ± t √(s²ᵣ/R + s²ᶜ/C) with the variances of the R row means and of the C column means, and the degrees of freedom of
    Satterthwaite (1946). What varies from cell to cell is in both terms, which errs to the wide side.

    Args:
        values: (R, C) numbers. With one row, or one column, the interval is that of the other alone.
    """
    found = np.asarray(values, dtype=np.float64)
    means = [side for side in (found.mean(axis=1), found.mean(axis=0)) if len(side) > 1]
    parts = [(float(side.var(ddof=1)) / len(side), len(side) - 1) for side in means]
    variance, middle = sum(part for part, _ in parts), float(found.mean())
    if variance == 0:
        return (middle, middle)
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    half = float(t.ppf((1 + confidence) / 2, freedom)) * variance**0.5
    return (middle - half, middle + half)


def fit_temperature(logits: np.ndarray, labels: np.ndarray, text_of: np.ndarray | None = None) -> float:
    """The T that minimises the mean negative log-likelihood of softmax(logits / T) (Guo et al. 2017, 1706.04599).

    The likelihood is of labels that are right with (n + 1) / (n + 2), as one more right and one more wrong answer would
    make them (Platt 1999): a few texts, all answered rightly, are no reason for certainty.

    Args:
        logits: (n, K).
        labels: (n,).
        text_of: where a text is answered by the mean of its windows' probabilities: (windows,) the text of each, counted
            from 0 without gaps; the logits are then (windows, K).

    Returns:
        T between 0.05 and 20; 1.0 where there is nothing to fit on.
    """
    if not len(labels):
        return 1.0
    scores = np.asarray(logits, dtype=np.float64)
    doubt = 1 / (len(labels) + 2)
    targets = np.full((len(labels), scores.shape[1]), doubt / (scores.shape[1] - 1))
    targets[np.arange(len(labels)), labels] = 1 - doubt
    starts = None if text_of is None else np.unique(text_of, return_index=True)[1]  # windows of a text stand together
    windows = None if text_of is None else np.log(np.bincount(text_of))[:, None]

    def loss(log_temperature: float) -> float:
        found = log_softmax(scores / np.exp(log_temperature), axis=1)
        if starts is not None:
            found = np.logaddexp.reduceat(found, starts, axis=0) - windows
        return -float((targets * found).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """−mean log p(label), in nats."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return -float(np.mean(np.log(np.clip(chosen, np.finfo(np.float64).tiny, None))))


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean Σₖ (pₖ − 1[k = label])² (Brier 1950): 0 is perfect, 2 is certain and wrong."""
    target = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - target) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers of about the same confidence."""

    confidence: float  # mean
    accuracy: float
    interval: Interval  # of the accuracy, 95 %
    n: int


def reliability_curve(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> list[ReliabilityBin]:
    """Answers cut by confidence into at most `bins` parts of (nearly) equal size, the least confident first."""
    return [
        ReliabilityBin(
            float(confidence[rows].mean()),
            float(correct[rows].mean()),
            wilson(int(correct[rows].sum()), len(rows)),
            len(rows),
        )
        for rows in _equal_mass(confidence, bins)
    ]


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Top-label expected calibration error with equal-mass bins: Σ (n_b/n) |accuracy_b − confidence_b|.

    Naeini et al. (2015) for the measure, Kumar et al. (2019, 1909.10155) for bins of equal size. 0.0 without texts.

    Args:
        confidence: (n,) probability of the answer that was given.
        correct: (n,) booleans.
    """
    gaps = np.asarray(correct, dtype=np.float64) - confidence
    return sum(abs(float(gaps[rows].sum())) for rows in _equal_mass(confidence, bins)) / max(1, len(gaps))


def calibration_floor(confidence: np.ndarray, bins: int = 15, draws: int = 200, seed: int = 0) -> Interval:
    """What `calibration_error` reads for a perfectly calibrated model with these confidences: median and 95th percentile.

    The error is a sum of absolute values, so chance alone makes it positive; only what lies above this floor is a fault.
    """
    generator = np.random.default_rng(seed)
    parts = [np.asarray(confidence)[rows] for rows in _equal_mass(confidence, bins)]
    found = [
        sum(abs(float(((generator.random(len(part)) < part) - part).sum())) for part in parts) / max(1, len(confidence))
        for _ in range(draws)
    ]
    return (float(np.median(found)), float(np.quantile(found, 0.95)))


def _equal_mass(values: np.ndarray, bins: int) -> list[np.ndarray]:
    """Row numbers cut into at most `bins` parts of nearly equal size, by value; equal values stay together.

    If they did not, the order of the rows would decide who falls into which bin, and a constant confidence over rows that
    are sorted by label would look badly calibrated.
    """
    if not len(values):
        return []
    edges = np.unique(np.sort(values)[np.arange(1, bins) * len(values) // bins])
    places = np.searchsorted(edges, values, side="right")
    return [rows for place in range(len(edges) + 1) if len(rows := np.flatnonzero(places == place))]


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts: row the true label, column the answer."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


@dataclass(frozen=True)
class ClassScores:
    """One label's share of right answers, seen from both sides."""

    precision: float  # of the answers that say this label, how many are right
    recall: float  # of the texts with this label, how many are found
    f1: float  # their harmonic mean
    n: int  # texts with this label


def class_scores(counts: np.ndarray) -> list[ClassScores]:
    """Precision, recall and F1 of each label, from a confusion matrix; 0 where there is nothing to divide by."""
    right, said, true = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)

    def rate(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    return [
        ClassScores(rate(int(r), int(s)), rate(int(r), int(t)), rate(2 * int(r), int(s) + int(t)), int(t))
        for r, s, t in zip(right, said, true, strict=True)
    ]


@dataclass(frozen=True)
class LengthBin:
    """Texts of about the same length."""

    shortest: int
    longest: int
    accuracy: float
    interval: Interval
    n: int


def accuracy_by_length(lengths: np.ndarray, correct: np.ndarray, bins: int = 6) -> list[LengthBin]:
    """Accuracy of at most `bins` groups of nearly equal size, the shortest texts first; equal lengths never part."""
    return [
        LengthBin(
            int(lengths[rows].min()),
            int(lengths[rows].max()),
            float(correct[rows].mean()),
            wilson(int(correct[rows].sum()), len(rows)),
            len(rows),
        )
        for rows in _equal_mass(lengths, bins)
    ]


def bootstrap_interval(
    n: int,
    statistic: Callable[[np.ndarray], float],
    *,
    groups: Sequence[str] | None = None,
    pivotal: bool = False,
    draws: int = 500,
    seed: int = 0,
) -> Interval:
    """95 % bootstrap interval of anything that is computed from rows (Efron 1979).

    Args:
        n: rows.
        statistic: of row numbers, drawn with replacement.
        groups: (n,) names; whole groups are drawn then.
        pivotal: mirror the percentiles at the value, 2θ − q: for measures that noise moves upward, such as a calibration
            error, the plain percentiles would lie above the value (Davison and Hinkley 1997, 5.2).
        draws: samples.
    """
    generator = np.random.default_rng(seed)
    if groups is None:
        members = [np.array([row]) for row in range(n)]
    else:
        _, places = np.unique(np.asarray(groups), return_inverse=True)
        members = np.split(np.argsort(places, kind="stable"), np.cumsum(np.bincount(places))[:-1])
    found = []
    for _ in range(draws):
        drawn = generator.integers(len(members), size=len(members))
        found.append(statistic(drawn if groups is None else np.concatenate([members[place] for place in drawn])))
    low, high = (float(value) for value in np.quantile(found, (0.025, 0.975)))
    if pivotal:
        value = statistic(np.arange(n))
        low, high = 2 * value - high, 2 * value - low
    return (low, high)


def smooth_calibration_error(confidence: np.ndarray, correct: np.ndarray, points: int = 2000) -> float:
    """smECE, a calibration error without bins (Błasiok and Nakkiran 2024, 2309.12236, with its reflected Gaussian kernel).

    The residuals correct − confidence are smoothed over the confidence with a Gaussian of width σ, reflected at 0 and 1;
    E(σ) = ∫₀¹ |1/n Σᵢ (correctᵢ − confidenceᵢ) K_σ(t, confidenceᵢ)| dt falls with σ, and smECE is the σ with E(σ) = σ. Below
    ten steps of the grid, where σ would be no longer than rounding, E there is the answer.

    Args:
        confidence: (n,) in [0, 1].
        correct: (n,) booleans.
        points: of the grid over [0, 1].
    """
    if not len(confidence):
        return 0.0
    step = 1 / (points - 1)
    place = np.asarray(confidence, dtype=np.float64) / step
    left = np.clip(place.astype(np.int64), 0, points - 2)
    residual = (np.asarray(correct, dtype=np.float64) - confidence) / len(confidence)
    sums = np.bincount(left, residual * (left + 1 - place), points) + np.bincount(left + 1, residual * (place - left), points)
    inside = np.ones(points)
    inside[[0, -1]] = 0.5  # of the step around an end, half lies in [0, 1]; what lies beyond is reflected into it
    # a reflected Gaussian is a convolution of the even extension: a product in the cosine transform
    waves, frequencies = dct(sums / inside, type=1), np.arange(points) * np.pi

    def smoothed(sigma: float) -> float:
        return float(np.abs(idct(waves * np.exp(-0.5 * (frequencies * sigma) ** 2), type=1)) @ inside)

    finest = 10 * step
    if smoothed(finest) <= finest:
        return smoothed(finest)
    return float(brentq(lambda sigma: smoothed(sigma) - sigma, finest, 1.0, xtol=1e-5))


@dataclass(frozen=True)
class RiskCoverage:
    """What is gained by answering only where the confidence is high (El-Yaniv and Wiener 2010)."""

    coverage: np.ndarray  # (n,) 1/n, 2/n, …, 1: the share that is answered, the most confident first
    risk: np.ndarray  # (n,) of those, the share that is wrong
    aurc: float  # mean risk over all coverages (Geifman and El-Yaniv 2018)
    augrc: float  # area of coverage · risk over coverage: mean risk of an error that is not caught (Traub 2024, 2407.01032)
    oracle_aurc: float  # if all wrong answers were less confident than all right ones
    oracle_augrc: float


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> RiskCoverage:
    """The curve and its areas. Equal confidences share their errors, as any order among them is as good as another.

    For the areas without order, which a confidence that says nothing gives, see: AURC is the error rate, AUGRC half of it.
    AUGRC = (1 − AUROC) · acc · (1 − acc) + (1 − acc)²/2, with the AUROC of confidence for right against wrong.

    Args:
        confidence: (n,), n ≥ 1.
        correct: (n,) booleans.
    """
    n = len(confidence)
    _, tie, size = np.unique(-np.asarray(confidence), return_inverse=True, return_counts=True)
    share = np.bincount(tie, weights=~np.asarray(correct, dtype=bool)) / size  # errors a text of each tie
    errors = np.cumsum(np.repeat(share, size))  # among the 1, 2, … most confident
    kept = np.arange(1, n + 1)
    total = float(errors[-1])
    oracle = np.maximum(0.0, kept - (n - total))

    def areas(found: np.ndarray) -> tuple[float, float]:
        before = np.concatenate([[0.0], found[:-1]])
        return float((found / kept).mean()), float((found + before).sum() / (2 * n * n))

    aurc, augrc = areas(errors)
    oracle_aurc, oracle_augrc = areas(oracle)
    return RiskCoverage(kept / n, errors / kept, aurc, augrc, oracle_aurc, oracle_augrc)


def exact_lower_bound(correct: int, n: int, confidence: float = 0.95) -> float:
    """The rate that so many right answers exclude anything below, one-sided (Clopper and Pearson 1934); 0 without texts."""
    return float(beta.ppf(1 - confidence, correct, n - correct + 1)) if correct else 0.0


def exact_tail(errors: int, n: int, rate: float) -> float:
    """P(at most `errors` among n), if each happens with `rate`: the p-value of "errors are at least this frequent"."""
    return float(bdtr(errors, n, rate))
