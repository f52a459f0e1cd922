"""The policy keeps what it promises: by simulation, and beside MAPIE and crepes."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier
from crepes.extras import hinge
from mapie.classification import SplitConformalClassifier
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin

from fathom.errors import SettingsError
from fathom.limits.policy import (
    Gates,
    NoThreshold,
    Policy,
    Threshold,
    at_temperature,
    conformal_sets,
    decide,
    fit_conformal,
    fit_policy,
    fit_threshold,
    labels_needed,
    threshold_steps,
)
from fathom.limits.statistics import exact_lower_bound, exact_tail

DRAWS = 1000


def confidences(generator: np.random.Generator, n: int, sharpness: float) -> np.ndarray:
    """Of a calibrated classifier with two labels: right with probability c, c between 1/2 and 1."""
    drawn: np.ndarray = generator.beta(sharpness, 1, n) / 2 + 0.5
    return drawn


def accuracy_above(threshold: float, sharpness: float) -> float:
    """The true share of right answers where c ≥ threshold: E[c | c ≥ t], with c = (1 + b)/2 and b from Beta(s, 1)."""
    least = max(0.0, 2 * threshold - 1)
    mean = sharpness / (sharpness + 1) * (1 - least ** (sharpness + 1)) / (1 - least**sharpness)
    return (1 + float(mean)) / 2


@pytest.mark.parametrize(("sharpness", "n"), [(3.0, 600), (8.0, 600), (15.0, 300)])
def test_threshold_keeps_its_promise_in_a_thousand_calibration_splits(sharpness: float, n: int) -> None:
    generator, broken, found = np.random.default_rng(1), 0, 0
    for _ in range(DRAWS):
        top, others = confidences(generator, n, sharpness), confidences(generator, n, sharpness)
        steps = threshold_steps(others, n, target=0.95, confidence=0.95)
        fitted = fit_threshold(top, generator.random(n) < top, steps, target=0.95, confidence=0.95)
        if isinstance(fitted, Threshold):
            found += 1
            broken += accuracy_above(fitted.value, sharpness) < 0.95
            assert fitted.lower_bound >= 0.95
    assert found > 0
    # a share of 5 % may break it; so many more than that would come by chance once in a thousand runs
    assert broken <= binom.ppf(0.999, DRAWS, 0.05)


def test_threshold_is_not_won_by_looking_at_many() -> None:
    """Where no threshold is good enough, all of them together are wrongly certified in at most 5 % of the splits."""
    generator, wrongly = np.random.default_rng(2), 0
    for _ in range(DRAWS):
        top = generator.random(500) / 2 + 0.5  # says nothing: every answer is right with probability 0.949
        steps = threshold_steps(generator.random(500) / 2 + 0.5, 500, target=0.95, confidence=0.95)
        fitted = fit_threshold(top, generator.random(500) < 0.949, steps, target=0.95, confidence=0.95)
        wrongly += isinstance(fitted, Threshold)
    assert binom.ppf(0.001, DRAWS, 0.02) <= wrongly <= binom.ppf(0.999, DRAWS, 0.05)


def test_threshold_steps_fall_and_are_decided_by_no_label() -> None:
    steps = threshold_steps(np.random.default_rng(0).random(900), 900, target=0.95, confidence=0.95)
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 0.0
    assert len(steps) <= 50
    assert threshold_steps(np.full(50, 0.9), 10, target=0.95, confidence=0.95) == [0.9, 0.0]
    assert threshold_steps(np.full(500, 0.9), 500, target=0.95, confidence=0.95) == [0.9, 0.0]


def test_power_of_one_threshold_is_as_computed_elsewhere() -> None:
    """One threshold at 90 % confidence: 500 labels certify 0.95 where the truth is 0.97 in 82 %; 2,000 0.99, 0.995, 87 %."""
    for n, target, truth, power in ((500, 0.95, 0.97, 0.82), (2000, 0.99, 0.995, 0.87)):
        passing = [errors for errors in range(n) if exact_tail(errors, n, 1 - target) <= 0.1]
        assert binom.cdf(max(passing), n, 1 - truth) == pytest.approx(power, abs=0.01)


def test_labels_needed_gives_the_power_that_it_says() -> None:
    needed = labels_needed(0.97, 0.5, target=0.95, confidence=0.95)
    assert needed is not None
    kept = needed // 2
    assert 600 < kept < 700
    generator, proved = np.random.default_rng(3), 0
    for _ in range(DRAWS):
        proved += exact_tail(int((generator.random(kept) >= 0.97).sum()), kept, 0.05) <= 0.05
    assert proved >= binom.ppf(0.001, DRAWS, 0.8)
    assert labels_needed(0.95, 0.5, target=0.95, confidence=0.95) is None
    assert labels_needed(0.9501, 0.5, target=0.95, confidence=0.95) is None  # more than a million
    assert labels_needed(1.0, 1.0, target=0.95, confidence=0.95) == 59  # log 0.05 / log 0.95


def test_exact_bound_is_the_other_side_of_the_test() -> None:
    for correct, n in ((59, 59), (58, 59), (480, 500), (1, 3)):
        bound = exact_lower_bound(correct, n)
        assert exact_tail(n - correct, n, 1 - bound) == pytest.approx(0.05)
    assert exact_lower_bound(0, 10) == 0.0


def test_too_few_labels_are_said_with_how_many_it_takes() -> None:
    right = np.ones(40, dtype=bool)
    fitted = fit_threshold(np.linspace(0.6, 1, 40), right, [0.5, 0.0], target=0.95, confidence=0.95)
    assert isinstance(fitted, NoThreshold)
    assert (fitted.labels_needed, fitted.n) == (59, 40)
    assert "40 labels are too few to prove 95 %" in fitted.reason
    fitted = fit_threshold(np.full(200, 0.9), np.arange(200) % 2 == 0, [0.5], target=0.95, confidence=0.95)
    assert isinstance(fitted, NoThreshold)
    assert fitted.labels_needed is None
    assert "at no threshold" in fitted.reason


def test_conformal_sets_cover_as_promised_over_a_thousand_splits() -> None:
    generator, covered = np.random.default_rng(4), []
    for _ in range(DRAWS):
        probabilities = generator.dirichlet(np.ones(4) * 0.5, 200)
        truth = (generator.random(200)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 3)
        fitted = fit_conformal(probabilities[:100], truth[:100], alpha=0.1)
        covered.append(conformal_sets(fitted, probabilities[100:])[np.arange(100), truth[100:]].mean())
    error = np.std(covered) / DRAWS**0.5
    assert 0.9 - 3 * error <= np.mean(covered) <= 0.9 + 1 / 101 + 3 * error


def test_conformal_sets_are_mapies() -> None:
    generator = np.random.default_rng(5)
    probabilities = generator.dirichlet(np.ones(5), 300)
    truth = np.array([generator.choice(5, p=row) for row in probabilities])

    class Given(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(5)

        def fit(self, X: np.ndarray, y: np.ndarray) -> Given:  # noqa: N803
            return self

        def predict_proba(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            return probabilities[np.asarray(X)[:, 0].astype(int)]

        def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            best: np.ndarray = self.predict_proba(X).argmax(axis=1)
            return best

        def __sklearn_is_fitted__(self) -> bool:
            return True

    rows = np.arange(300)[:, None]
    for alpha in (0.05, 0.1, 0.3):
        theirs = SplitConformalClassifier(Given(), confidence_level=1 - alpha, conformity_score="lac", prefit=True)
        theirs.conformalize(rows[:120], truth[:120])
        _, sets = theirs.predict_set(rows[120:])
        ours = conformal_sets(fit_conformal(probabilities[:120], truth[:120], alpha=alpha), probabilities[120:])
        assert (ours == sets[:, :, 0]).all()


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("n", [15, 120, 133])  # (n + 1)(1 − α) is never whole, where a strict bound and a loose one part
def test_conformal_sets_are_crepes(alpha: float, n: int) -> None:
    generator = np.random.default_rng(n)
    probabilities = generator.dirichlet(np.ones(5), n + 200)
    truth = np.array([generator.choice(5, p=row) for row in probabilities])
    theirs = ConformalClassifier().fit(hinge(probabilities[:n], np.arange(5), truth[:n]))
    sets = theirs.predict_set(hinge(probabilities[n:]), confidence=1 - alpha, smoothing=False)
    ours = conformal_sets(fit_conformal(probabilities[:n], truth[:n], alpha=alpha), probabilities[n:])
    assert (ours == sets.astype(bool)).all()


def test_conformal_sets_hold_every_label_where_n_is_too_small() -> None:
    fitted = fit_conformal(np.array([[0.9, 0.1]] * 5), np.zeros(5, dtype=int), alpha=0.1)
    assert fitted.quantile == 1.0
    assert conformal_sets(fitted, np.array([[1.0, 0.0]])).all()


def test_temperature_undoes_a_known_overconfidence() -> None:
    generator = np.random.default_rng(6)
    honest = generator.dirichlet(np.ones(3), 4000)
    truth = (generator.random(4000)[:, None] > honest.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    sharpened = at_temperature(honest, 1 / 2.5)
    policy = fit_policy(sharpened, truth, sharpened)
    assert policy.temperature == pytest.approx(2.5, rel=0.06)
    np.testing.assert_allclose(at_temperature(sharpened, 2.5), honest, atol=1e-6)


def policy(**changes: object) -> Policy:
    generator = np.random.default_rng(7)
    top = generator.beta(6, 1, 1500) / 2 + 0.5
    truth = (generator.random(1500) > top).astype(int)
    probabilities = np.stack([top, 1 - top], axis=1)
    return fit_policy(probabilities, truth, probabilities[:700], gates=Gates(most_unread=10)).model_copy(update=changes)


def test_decide_answers_warns_and_abstains_and_says_why() -> None:
    found, labels = policy(), ["bad", "good"]
    assert isinstance(found.threshold, Threshold)
    sure = decide(found, labels, np.array([0.001, 0.999]), [])
    assert (sure.action, sure.label, sure.labels, sure.because) == ("answer", "good", ["good"], [])
    unsure = decide(found, labels, np.array([0.51, 0.49]), [])
    assert (unsure.action, unsure.label) == ("abstain", None)
    assert unsure.because[0] == "uncertain"
    stopped = found.gates.stops(["x", "y"], unread=np.array([11, 10]))
    assert stopped == [["too long"], []]
    long = decide(found, labels, np.array([0.001, 0.999]), stopped[0])
    assert (long.action, long.because) == ("abstain", ["too long"])
    with pytest.raises(SettingsError, match="cannot be obeyed without how much of each text was not read"):
        found.gates.stops(["x"])
    none = policy(threshold=NoThreshold(target=0.95, confidence=0.95, n=10, reason="too few", labels_needed=59))
    warned = decide(none, labels, np.array([0.001, 0.999]), [])
    assert (warned.action, warned.label, warned.because) == ("warn", "good", ["no guarantee"])
    both = decide(none, labels, np.array([0.5, 0.5]), ["too long"])
    assert (both.action, both.because[0]) == ("abstain", "too long")


def test_decide_abstains_exactly_below_the_threshold() -> None:
    found = policy()
    assert isinstance(found.threshold, Threshold)
    value = found.threshold.value
    assert decide(found, ["a", "b"], np.array([value, 1 - value]), []).action != "abstain"
    below = np.nextafter(value, 0)
    assert decide(found, ["a", "b"], np.array([below, 1 - below]), []).action == "abstain"


def test_threshold_keeps_its_promise_of_the_texts_that_gates_let_through() -> None:
    """A gate that lets mostly bad answers through must not inherit the promise that was made of all."""
    generator = np.random.default_rng(11)
    top = generator.random(2000) / 10 + 0.9
    through = np.arange(2000) % 2 == 0
    right = np.where(through, generator.random(2000) < 0.9, True)  # 95 % of all, 90 % of those that are answered
    steps = [0.5]
    assert isinstance(fit_threshold(top, right, steps, target=0.93, confidence=0.95), Threshold)
    assert isinstance(fit_threshold(top, right, steps, target=0.93, confidence=0.95, stopped=~through), NoThreshold)
    fitted = fit_threshold(top, right, steps, target=0.93, confidence=0.95, stopped=through)
    assert isinstance(fitted, Threshold)
    assert (fitted.kept, fitted.right, fitted.n) == (1000, 1000, 2000)
    assert "of which it answers 50 %" in fitted.guarantee
