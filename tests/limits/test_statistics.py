"""Known answers, other libraries' answers, and what must hold for any data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binom, binomtest, ttest_1samp
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, precision_recall_fscore_support

from fathom.limits.statistics import (
    accuracy_by_length,
    brier,
    calibration_error,
    calibration_floor,
    class_scores,
    confusion,
    crossed_interval,
    fit_temperature,
    interval_by_group,
    mean_interval,
    negative_log_likelihood,
    paired_test,
    reliability_curve,
    wilson,
)


def a_sample(n: int = 2000, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, their probabilities, and labels drawn from exactly these probabilities."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, classes))
    probabilities = softmax(logits, axis=1)
    labels = (probabilities.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(max=classes - 1)
    return logits, probabilities, labels


def correct_of(right: list[int], n: int) -> np.ndarray:
    found = np.zeros(n, dtype=bool)
    found[right] = True
    return found


def test_wilson_is_the_textbook_formula() -> None:
    n, p, z = 100, 0.82, 1.959963984540054
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert wilson(82, 100) == pytest.approx(((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)))


def test_wilson_does_not_shrink_to_nothing_at_the_ends() -> None:
    assert wilson(50, 50) == pytest.approx((0.92865, 1.0), abs=1e-5)
    assert wilson(0, 50) == pytest.approx((0.0, 0.07135), abs=1e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_and_mirrors(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert wilson(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    narrower = wilson(correct, n, confidence=0.8)
    assert low <= narrower[0] <= narrower[1] <= high


def test_wilson_covers_what_it_promises() -> None:
    n, rate = 200, 0.9
    covered = sum(binom.pmf(k, n, rate) for k in range(n + 1) if wilson(k, n)[0] <= rate <= wilson(k, n)[1])
    assert covered == pytest.approx(0.95, abs=0.02)


def test_paired_test_gives_the_published_interval() -> None:
    """Airway reactivity before and after treatment: 1 and 7 of 21 changed (Fagerland, Lydersen and Laake 2014)."""
    found = paired_test(correct_of([0, 1], 21), correct_of([0, *range(2, 9)], 21))
    assert (found.only_a, found.only_b) == (1, 7)
    assert found.difference == pytest.approx(-6 / 21)
    assert found.interval == pytest.approx((-0.508, -0.013), abs=1e-3)
    assert found.p_value == pytest.approx(2 * binom.cdf(1, 8, 0.5))


def test_paired_test_of_equals_finds_nothing() -> None:
    found = paired_test(correct_of([0, 3], 10), correct_of([0, 3], 10))
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.interval[0] < 0 < found.interval[1]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_paired_test_mirrors(answers: list[tuple[bool, bool]]) -> None:
    a, b = (np.array(side) for side in zip(*answers, strict=True))
    one, other = paired_test(a, b), paired_test(b, a)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.difference == pytest.approx(-other.difference)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.p_value == pytest.approx(binomtest(min(one.only_a, one.only_b), max(1, one.only_a + one.only_b)).pvalue)


def test_paired_test_covers_what_it_promises() -> None:
    generator = np.random.default_rng(0)
    n, draws, covered = 400, 1000, 0
    for _ in range(draws):
        which = generator.choice(4, size=n, p=[0.7, 0.12, 0.06, 0.12])
        low, high = paired_test((which == 0) | (which == 1), (which == 0) | (which == 2)).interval
        covered += low <= 0.06 <= high
    assert abs(covered / draws - 0.95) < 4 * (0.95 * 0.05 / draws) ** 0.5


def test_interval_by_group_of_single_texts_is_that_of_independent_ones() -> None:
    correct = np.arange(1000) < 800
    low, high = interval_by_group(correct, [str(number) for number in range(1000)])
    assert (low, high) == pytest.approx(wilson(800, 1000), abs=0.004)


def test_interval_by_group_is_wide_where_a_group_stands_or_falls_together() -> None:
    correct = np.repeat(np.arange(50) < 40, 20)
    groups = [str(number // 20) for number in range(1000)]
    low, high = interval_by_group(correct, groups)
    assert (low, high) == pytest.approx(wilson(40, 50), abs=0.03)
    assert interval_by_group(correct, groups) == (low, high), "the same every time"


def test_brier_and_likelihood_agree_with_scikit_learn() -> None:
    _, probabilities, labels = a_sample()
    assert brier(probabilities, labels) == pytest.approx(brier_score_loss(labels, probabilities, scale_by_half=False))
    assert negative_log_likelihood(probabilities, labels) == pytest.approx(log_loss(labels, probabilities))


def test_likelihood_of_a_certain_and_wrong_answer_is_finite() -> None:
    assert 700 < negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) < 750
    assert brier(np.array([[1.0, 0.0]]), np.array([1])) == 2.0


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.87])
def test_fit_temperature_finds_a_planted_one(temperature: float) -> None:
    logits, _, labels = a_sample(20_000)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_fit_temperature_agrees_with_another_optimiser_of_the_same_loss() -> None:
    logits, _, labels = a_sample(500)
    classes = logits.shape[1]
    # every text once with each label, weighted: how scikit-learn spells labels that are right with 501 / 502 only
    every = np.tile(np.arange(classes), len(labels))
    weights = np.where(every == np.repeat(labels, classes), 501 / 502, 1 / 502 / (classes - 1))

    def loss(temperature: float) -> float:
        return float(log_loss(every, np.repeat(softmax(logits / temperature, axis=1), classes, axis=0), sample_weight=weights))

    found = minimize_scalar(loss, bracket=(0.5, 1.0, 2.0))
    assert fit_temperature(logits, labels) == pytest.approx(found.x, rel=1e-4)


@pytest.mark.parametrize("n", [1, 8, 100])
def test_fit_temperature_takes_a_few_right_answers_for_no_certainty(n: int) -> None:
    logits = np.tile([3.0, 0.0], (n, 1))
    confidence = softmax(logits / fit_temperature(logits, np.zeros(n, dtype=int)), axis=1).max()
    assert confidence == pytest.approx((n + 1) / (n + 2), abs=1e-4)


def test_fit_temperature_of_windows_is_that_of_their_mean() -> None:
    logits, _, labels = a_sample(200)
    assert fit_temperature(logits, labels, np.arange(200)) == pytest.approx(fit_temperature(logits, labels), rel=1e-6)
    twice = np.repeat(logits, 2, axis=0)
    assert fit_temperature(twice, labels, np.repeat(np.arange(200), 2)) == pytest.approx(
        fit_temperature(logits, labels), rel=1e-6
    )
    text_of, targets = np.repeat(np.arange(100), 2), labels[::2]

    def loss(temperature: float) -> float:
        mean = softmax(logits / temperature, axis=1).reshape(100, 2, -1).mean(axis=1)
        right = mean[np.arange(100), targets]
        wrong = np.log(mean).sum(axis=1) - np.log(right)
        return -float((101 / 102 * np.log(right) + wrong / 102 / (mean.shape[1] - 1)).mean())

    found = minimize_scalar(loss, bracket=(0.5, 1.0, 2.0))
    assert fit_temperature(logits, targets, text_of) == pytest.approx(found.x, rel=1e-3)


def test_fit_temperature_stays_in_bounds_where_every_answer_is_wrong_or_there_is_none() -> None:
    assert fit_temperature(np.array([[3.0, 0.0], [0.0, 3.0]]), np.array([1, 0])) == pytest.approx(20.0, rel=1e-3)
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=int)) == 1.0


def test_calibration_error_of_two_points_is_the_textbook_one() -> None:
    confidence, correct = np.array([1.0, 0.95]), np.array([True, False])
    assert calibration_error(confidence, correct, bins=2) == pytest.approx(0.475)
    assert calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0.0


@given(
    arrays.arrays(np.float64, st.integers(1, 80), elements=st.floats(0.25, 1.0)), st.integers(1, 20), st.integers(0, 2**32 - 1)
)
def test_calibration_error_is_what_the_curve_shows(confidence: np.ndarray, bins: int, seed: int) -> None:
    correct = np.random.default_rng(seed).random(len(confidence)) < 0.6
    curve = reliability_curve(confidence, correct, bins)
    assert len(curve) <= bins
    assert sum(part.n for part in curve) == len(confidence)
    assert all(before.confidence <= after.confidence + 1e-12 for before, after in pairwise(curve))
    shown = sum(part.n * abs(part.accuracy - part.confidence) for part in curve) / len(confidence)
    error = calibration_error(confidence, correct, bins)
    assert error == pytest.approx(shown, abs=1e-12)
    assert abs(correct.mean() - confidence.mean()) - 1e-12 <= error <= 1


def test_reliability_curve_parts_distinct_confidences_evenly() -> None:
    curve = reliability_curve(np.linspace(0.5, 1, 100), np.ones(100, dtype=bool), bins=15)
    assert len(curve) == 15
    assert {part.n for part in curve} == {6, 7}


def test_calibration_error_does_not_depend_on_the_order_of_the_rows() -> None:
    constant, correct = np.full(1000, 0.6), np.arange(1000) < 600
    assert calibration_error(constant, correct) == pytest.approx(0.0)
    assert calibration_error(constant, correct[::-1]) == pytest.approx(0.0)


def test_calibration_floor_holds_a_calibrated_model_and_not_an_overconfident_one() -> None:
    logits, probabilities, labels = a_sample(3000)
    floor, ceiling = calibration_floor(probabilities.max(1))
    assert 0 < floor < ceiling
    assert calibration_error(probabilities.max(1), probabilities.argmax(1) == labels) <= ceiling
    sharper = softmax(3 * logits, axis=1)
    error = calibration_error(sharper.max(1), sharper.argmax(1) == labels)
    assert error > 2 * calibration_floor(sharper.max(1))[1]


def test_calibration_floor_falls_with_the_number_of_texts() -> None:
    few, many = (calibration_floor(a_sample(n)[1].max(1))[0] for n in (100, 10_000))
    assert few > 5 * many


def test_confusion_and_class_scores_agree_with_scikit_learn() -> None:
    _, probabilities, labels = a_sample(300, classes=4)
    predicted = probabilities.argmax(1)
    counts = confusion(predicted, labels, 4)
    assert (counts == confusion_matrix(labels, predicted)).all()
    expected = precision_recall_fscore_support(labels, predicted)
    scores = class_scores(counts)
    for name, column in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        assert [getattr(score, name) for score in scores] == pytest.approx(list(column))


def test_class_scores_of_a_label_that_nobody_says_are_zero() -> None:
    never_said = class_scores(confusion(np.array([0, 0]), np.array([0, 1]), 3))
    assert [(score.precision, score.recall, score.f1, score.n) for score in never_said] == [
        (0.5, 1.0, pytest.approx(2 / 3), 1),
        (0.0, 0.0, 0.0, 1),
        (0.0, 0.0, 0.0, 0),
    ]


@given(st.lists(st.integers(1, 30), max_size=200), st.integers(1, 8))
def test_accuracy_by_length_parts_no_equal_lengths_and_loses_no_text(lengths: list[int], bins: int) -> None:
    correct = np.arange(len(lengths)) % 3 > 0
    found = accuracy_by_length(np.array(lengths, dtype=np.int64), correct, bins)
    assert len(found) <= bins
    assert sum(part.n for part in found) == len(lengths)
    assert sum(round(part.n * part.accuracy) for part in found) == correct.sum()
    assert all(before.longest < after.shortest for before, after in pairwise(found))


def test_accuracy_by_length_finds_the_length_that_fails() -> None:
    lengths = np.arange(600)
    found = accuracy_by_length(lengths, lengths < 500, bins=6)
    assert [part.accuracy for part in found] == [1.0] * 5 + [0.0]
    assert [part.n for part in found] == [100] * 6


@given(arrays.arrays(np.float64, st.integers(2, 12), elements=st.floats(-5, 5)).filter(lambda values: values.std() > 1e-6))
def test_mean_interval_is_students(values: np.ndarray) -> None:
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high))


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 8)), elements=st.floats(-1, 1)))
def test_crossed_interval_holds_the_mean_and_does_not_depend_on_which_side_is_which(values: np.ndarray) -> None:
    low, high = crossed_interval(values)
    assert low <= values.mean() + 1e-12
    assert values.mean() <= high + 1e-12
    assert crossed_interval(values.T) == pytest.approx((low, high))


def test_crossed_interval_of_one_row_is_that_of_its_columns() -> None:
    values = np.array([[1.0, 0.0, 1.0, 1.0, 0.0, 1.0]])
    assert crossed_interval(values) == pytest.approx(mean_interval(values[0]))
    assert crossed_interval(np.ones((3, 4))) == (1.0, 1.0)


def test_crossed_interval_covers_where_one_side_alone_does_not() -> None:
    """Tables with a part for each row, a part for each column and a rest: whose mean over all possible tables is 0."""
    generator = np.random.default_rng(0)
    crossed, rows, columns = [], [], []
    for _ in range(600):
        values = generator.normal(size=(6, 1)) * 0.3 + generator.normal(size=(1, 40)) + generator.normal(size=(6, 40)) * 0.5
        found = crossed_interval(values), mean_interval(values.mean(axis=1)), mean_interval(values.mean(axis=0))
        for hits, (low, high) in zip((crossed, rows, columns), found, strict=True):
            hits.append(low <= 0 <= high)
    assert 0.93 <= np.mean(crossed) <= 0.98
    assert np.mean(rows) < 0.88
    assert np.mean(columns) < 0.93
