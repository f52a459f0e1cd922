"""Measures of classifiers whose limits are known: perfect, constant, overconfident by a known temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, log_loss, recall_score, roc_auc_score

from fathom.limits.asked import Asked
from fathom.limits.classifier import Classifier
from fathom.limits.context import Context, Labelled
from fathom.limits.measures import abstention, accuracy, calibration, selective
from fathom.limits.policy import at_temperature, fit_policy
from fathom.limits.record import ConfusionDetail, CurveDetail, Measure, RatesDetail
from fathom.limits.statistics import (
    bootstrap_interval,
    calibration_error,
    interval_by_group,
    risk_coverage,
    smooth_calibration_error,
)

LABELS = ["a", "b", "c"]
COUNTED = [family.MEASURING for family in (accuracy, calibration, selective, abstention)]  # those that ask for no other text


class Table(Classifier):
    """Text number i is answered by row i."""

    door, name = "python", "a table"

    def __init__(self, rows: np.ndarray) -> None:
        self.labels, self.rows = LABELS[: rows.shape[1]], rows

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        return self.rows[[int(text) for text in texts]]


def context_of(rows: np.ndarray, truth: np.ndarray, groups: list[str] | None = None) -> Context:
    """The first half is for calibration, the second is reported on."""
    n, half = len(rows), len(rows) // 2
    whole = Labelled([str(number) for number in range(n)], truth, groups)
    calibrate, report = whole.take(range(half)), whole.take(range(half, n))
    policy = fit_policy(rows[:half], truth[:half], rows[half:])
    return Context(Asked(Table(rows)), report=report, calibrate=calibrate, training=None, policy=policy, quick=True)


def measured(context: Context) -> dict[str, Measure]:
    found = [measure for measuring in COUNTED for measure in measuring.run(context)]
    assert len({measure.name for measure in found}) == len(found)
    assert {measure.family for measure in found} == {measuring.name for measuring in COUNTED}
    for measure in found:
        if measure.interval is not None:
            assert measure.value is not None
            assert measure.interval[0] - 1e-9 <= measure.value <= measure.interval[1] + 1e-9, measure.name
    return {measure.name: measure for measure in found}


def honest(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are true: labels are drawn from them."""
    generator = np.random.default_rng(seed)
    rows = generator.dirichlet(np.full(3, 0.6), n)
    return rows, (generator.random(n)[:, None] > rows.cumsum(axis=1)).sum(axis=1).clip(0, 2)


def test_a_perfect_classifier() -> None:
    truth = np.arange(600) % 3
    found = measured(context_of(np.eye(3)[truth], truth))
    assert found["accuracy"].value == found["macro-f1"].value == found["weakest-label"].value == 1.0
    assert found["accuracy"].interval is not None
    assert 0.98 < found["accuracy"].interval[0] < 1  # not ±0 at 100 %
    assert found["accuracy"].worst == []
    for name in ("calibration-error", "overconfidence", "brier", "negative-log-likelihood", "aurc", "augrc"):
        assert found[name].value == 0.0, name
    assert found["smooth-calibration-error"].value == pytest.approx(0, abs=1e-12)
    assert found["coverage"].value == found["accuracy-of-answers"].value == found["set-size"].value == 1.0


def test_a_constant_classifier() -> None:
    truth = np.arange(900) % 3
    found = measured(context_of(np.tile([0.5, 0.3, 0.2], (900, 1)), truth))
    assert found["accuracy"].value == pytest.approx(1 / 3)
    assert found["accuracy"].floor is not None
    assert found["accuracy"].floor.value == pytest.approx(1 / 3)
    assert found["weakest-label"].value == 0.0
    assert found["macro-f1"].floor is not None
    assert found["macro-f1"].value == pytest.approx(found["macro-f1"].floor.value)
    assert found["calibration-error"].value == pytest.approx(0.5 - 1 / 3)
    assert found["smooth-calibration-error"].value == pytest.approx(0.5 - 1 / 3, abs=2e-3)
    assert found["overconfidence"].value == pytest.approx(100 * (0.5 - 1 / 3))
    for area, chance in (("aurc", 2 / 3), ("augrc", 1 / 3)):  # it ranks nothing
        assert found[area].value == pytest.approx(chance)
        assert found[area].floor is not None
        assert found[area].floor.value == pytest.approx(chance)
    assert found["accuracy-of-answers"].status == "not measurable"
    assert "no threshold" in str(found["accuracy-of-answers"].reason)
    assert found["set-coverage"].value is not None


def test_an_honest_classifier_lies_at_its_floor_and_an_overconfident_one_above() -> None:
    rows, truth = honest()
    good = measured(context_of(rows, truth))
    bad = measured(context_of(at_temperature(rows, 0.4), truth))
    for name in ("calibration-error", "smooth-calibration-error"):
        floor, value = good[name].floor, good[name].value
        assert floor is not None
        assert value is not None
        assert value < 2 * floor.value
        assert bad[name].interval is not None
        assert bad[name].floor is not None
        assert bad[name].interval[0] > 2 * bad[name].floor.value
    assert good["overconfidence"].interval is not None
    assert good["overconfidence"].interval[0] < 0 < good["overconfidence"].interval[1]
    assert bad["overconfidence"].interval is not None
    assert bad["overconfidence"].interval[0] > 5
    assert good["accuracy"].value == bad["accuracy"].value
    curve = good["calibration-error"].detail
    assert isinstance(curve, CurveDetail)
    assert sum(point.n or 0 for point in curve.lines[0].points) == 1500


def test_figures_are_scikit_learns() -> None:
    rows, truth = honest(800)
    context = context_of(rows, truth)
    found, rows, truth = measured(context), rows[400:], truth[400:]
    answers = rows.argmax(axis=1)
    assert found["macro-f1"].value == pytest.approx(f1_score(truth, answers, average="macro"))
    assert found["negative-log-likelihood"].value == pytest.approx(log_loss(truth, rows))
    assert found["brier"].value == pytest.approx(brier_score_loss(truth, rows, scale_by_half=False))
    recalls = found["weakest-label"].detail
    assert isinstance(recalls, RatesDetail)
    np.testing.assert_allclose([rate.value for rate in recalls.rates], recall_score(truth, answers, average=None))
    counts = found["accuracy"].detail
    assert isinstance(counts, ConfusionDetail)
    assert np.trace(np.array(counts.counts)) == (answers == truth).sum()
    shown = found["accuracy"].worst
    assert [example.confidence for example in shown] == sorted((e.confidence for e in shown), reverse=True)
    assert all(example.answer != example.truth for example in shown)


@pytest.mark.parametrize("rounded", [None, 1])
def test_augrc_is_what_traub_derives_from_auroc(rounded: int | None) -> None:
    rows, truth = honest(700)
    confidence = rows.max(axis=1) if rounded is None else rows.max(axis=1).round(rounded)
    right = rows.argmax(axis=1) == truth
    accuracy, auroc = right.mean(), roc_auc_score(right, confidence)
    found = risk_coverage(confidence, right)
    assert found.augrc == pytest.approx((1 - auroc) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2)
    assert found.oracle_augrc == pytest.approx((1 - accuracy) ** 2 / 2)
    assert found.oracle_aurc < found.aurc < 1 - accuracy
    order = np.random.default_rng(0).permutation(700)
    assert risk_coverage(confidence[order], right[order]).aurc == pytest.approx(found.aurc)  # ties have no order


def test_aurc_by_hand() -> None:
    found = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert found.risk.tolist() == [0, 1 / 2, 1 / 3, 1 / 2]
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert found.oracle_aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)


def reflected(confidence: np.ndarray, right: np.ndarray) -> float:
    """smECE by its definition: images at every reflection, a fine sum for the integral, bisection for σ."""
    grid = (np.arange(1000) + 0.5) / 1000

    def smoothed(sigma: float) -> float:
        total = np.zeros_like(grid)
        for image in range(-2, 3):
            for sign in (1, -1):
                centre = 2 * image + sign * confidence
                total += (
                    (right - confidence) * np.exp(-0.5 * ((grid[:, None] - centre) / sigma) ** 2) / (sigma * (2 * np.pi) ** 0.5)
                ).sum(axis=1)
        return float(np.abs(total / len(confidence)).mean())

    low, high = 1e-3, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed(middle) > middle else (low, middle)
    return (low + high) / 2


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_smece_is_its_definition(shift: float) -> None:
    generator = np.random.default_rng(8)
    confidence = generator.beta(5, 1, 150) / 2 + 0.5
    confidence[:5] = 1.0  # at the border, where the kernel is reflected
    right = generator.random(150) < confidence - shift
    assert smooth_calibration_error(confidence, right) == pytest.approx(reflected(confidence, right), abs=2e-3)


def test_smece_of_one_confidence_is_the_gap() -> None:
    right = np.arange(1000) < 600
    for confidence in (0.9, 1.0):
        assert smooth_calibration_error(np.full(1000, confidence), right) == pytest.approx(confidence - 0.6, abs=2e-3)
    assert smooth_calibration_error(np.full(10, 0.5), np.arange(10) < 5) == pytest.approx(0, abs=1e-9)
    assert smooth_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0.0


def test_ece_at_full_confidence_is_the_textbooks() -> None:
    assert calibration_error(np.array([1.0, 0.95]), np.array([False, True])) == pytest.approx((1 + 0.05) / 2)


def covers(interval: Callable[[np.ndarray], tuple[float, float]], draw: Callable[[], np.ndarray], truth: float) -> float:
    hits = [low <= truth <= high for low, high in (interval(draw()) for _ in range(200))]
    return float(np.mean(hits))


def test_bootstrap_interval_covers_and_draws_whole_groups() -> None:
    generator = np.random.default_rng(9)

    def plain(values: np.ndarray) -> tuple[float, float]:
        return bootstrap_interval(len(values), lambda rows: float(values[rows].mean()), draws=200)

    assert covers(plain, lambda: generator.normal(size=80), 0.0) > 0.88
    values = np.repeat(generator.normal(size=30), 10)
    groups = [str(number // 10) for number in range(300)]
    found = bootstrap_interval(300, lambda rows: float(values[rows].mean()), groups=groups, draws=800)
    np.testing.assert_allclose(found, interval_by_group(values, groups), atol=0.08)
    alone = bootstrap_interval(300, lambda rows: float(values[rows].mean()), draws=800)
    assert found[1] - found[0] > 2 * (alone[1] - alone[0])


def test_groups_widen_intervals() -> None:
    rows, truth = honest(1200)
    groups = [str(number // 40) for number in range(1200)]
    for start in range(0, 1200, 40):  # in each group, all answers are right or all are wrong
        best = rows[start : start + 40].argmax(axis=1)
        truth[start : start + 40] = best if (start // 40) % 3 else (best + 1) % 3
    alone, grouped = measured(context_of(rows, truth)), measured(context_of(rows, truth, groups))
    for name in ("accuracy", "brier", "aurc", "calibration-error"):
        narrow, wide = alone[name].interval, grouped[name].interval
        assert narrow is not None
        assert wide is not None
        assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0]), name
    assert any("groups of texts" in assumption for assumption in grouped["accuracy"].assumptions)
