"""Figures of groups that the data name, beside fairlearn and scikit-learn; what areas find and do not find."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, equalized_odds_difference
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from fathom.limits.asked import Asked
from fathom.limits.classifier import Classifier
from fathom.limits.context import Context, Labelled
from fathom.limits.measures.groups import AREAS, equalised_odds_gap, measure_groups, subgroup_areas
from fathom.limits.policy import fit_policy
from fathom.limits.record import Measure, Rate, RatesDetail
from tests.limits.made import by_name

SHOPS = 4
NAMES = [name for name, _ in AREAS]


class Table(Classifier):
    """Text number i is answered by row i."""

    door, name = "python", "a table"

    def __init__(self, rows: np.ndarray) -> None:
        self.labels, self.rows = ["bad", "good", "odd"][: rows.shape[1]], rows

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        return self.rows[[int(text) for text in texts]] if texts[0].isdigit() else np.tile(self.rows[0], (len(texts), 1))


def measured(rows: np.ndarray, truth: np.ndarray, shop: np.ndarray) -> dict[str, Measure]:
    report = Labelled([str(number) for number in range(len(rows))], truth, [f"shop {number}" for number in shop])
    policy = fit_policy(rows, truth, rows)
    context = Context(Asked(Table(rows)), report=report, calibrate=report, training=None, policy=policy, quick=True)
    found = measure_groups(context)
    return by_name([measure for measure in found if measure.name not in ("counterfactual-gap", "term-shift")])


def rates(measure: Measure) -> list[Rate]:
    assert isinstance(measure.detail, RatesDetail)
    return measure.detail.rates


def drawn(n: int = 1200, labels: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = generator.dirichlet(np.full(labels, 0.7), n)
    truth = (generator.random(n)[:, None] > rows.cumsum(axis=1)).sum(axis=1).clip(0, labels - 1)
    return rows, truth, generator.integers(SHOPS, size=n)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gaps_and_rates_are_fairlearns(seed: int) -> None:
    rows, truth, shop = drawn(600, seed=seed)
    answers = rows.argmax(axis=1)
    found = measured(rows, truth, shop)
    odds = equalized_odds_difference(truth, answers, sensitive_features=shop)
    assert found["equalised-odds"].value == pytest.approx(100 * odds)
    theirs = MetricFrame(
        metrics={"accuracy": accuracy_score, "good": recall_score, "bad": lambda a, b: recall_score(a, b, pos_label=0)},
        y_true=truth,
        y_pred=answers,
        sensitive_features=[f"shop {number}" for number in shop],
    )
    assert found["subgroup-gap"].value == pytest.approx(100 * theirs.difference()["accuracy"])
    assert {rate.name: rate.value for rate in rates(found["subgroup-gap"])} == pytest.approx(
        theirs.by_group["accuracy"].to_dict()
    )
    for rate in rates(found["equalised-odds"]):
        name, label = rate.name.removesuffix(" found").split(": ")
        assert rate.value == pytest.approx(theirs.by_group.loc[name, label])


def test_odds_of_three_labels_are_the_worst_of_each_against_the_rest() -> None:
    rows, truth, shop = drawn(900, labels=3)
    answers = rows.argmax(axis=1)
    theirs = [equalized_odds_difference(truth == label, answers == label, sensitive_features=shop) for label in range(3)]
    assert equalised_odds_gap(shop, truth, answers) == pytest.approx(max(theirs))


def test_areas_are_scikit_learns_of_the_texts_that_borkan_names() -> None:
    rows, positive, shop = drawn()
    score, member = rows[:, 1].round(2), shop == 1
    positive = positive.astype(bool)
    of_texts = (member, (~member & positive) | (member & ~positive), (member & positive) | (~member & ~positive))
    expected = [roc_auc_score(positive[own], score[own]) for own in of_texts]
    assert subgroup_areas(score, positive, member) == pytest.approx(expected)


def test_areas_of_three_labels_are_of_each_against_the_rest() -> None:
    rows, truth, shop = drawn(labels=3)
    found = measured(rows, truth, shop)["subgroup-auc"]
    each = [roc_auc_score(truth[shop == s] == k, rows[shop == s, k]) for k in range(3) for s in range(SHOPS)]
    assert [rate.value for rate in rates(found)] == pytest.approx(each)
    assert found.value == pytest.approx(min(each))
    assert "positive: bad, good, odd, each against the rest" in found.assumptions


def moved(change: Callable[[np.ndarray, np.ndarray], np.ndarray], seed: int = 3) -> dict[str, Measure]:
    """Shop 1's scores are changed: of their logit and of noise."""
    rows, truth, shop = drawn(2000, seed=seed)
    logit = np.log(rows[:, 1] + 1e-9) - np.log(rows[:, 0] + 1e-9)
    noise = np.random.default_rng(seed).normal(scale=logit.std(), size=len(logit))
    good = 1 / (1 + np.exp(-np.where(shop == 1, change(logit, noise), logit).clip(-30, 30)))
    return measured(np.stack([1 - good, good], axis=1), truth, shop)


def low(measure: Measure) -> bool:
    assert measure.interval is not None
    assert measure.floor is not None
    return measure.interval[1] < measure.floor.value


def worst(measure: Measure) -> str:
    return min(rates(measure), key=lambda rate: rate.value).name


def test_a_group_that_is_ranked_badly_is_found_by_its_own_area() -> None:
    found = moved(lambda logit, noise: noise)
    assert low(found["subgroup-auc"])
    assert worst(found["subgroup-auc"]) == "shop 1: good"
    assert found["subgroup-auc"].value == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("shift", "telling", "other"), [(3.0, "bpsn-auc", "bnsp-auc"), (-3.0, "bnsp-auc", "bpsn-auc")])
def test_a_group_whose_scores_lie_higher_or_lower_is_found_across_groups_and_not_within(
    shift: float, telling: str, other: str
) -> None:
    found = moved(lambda logit, noise: logit + shift)
    assert not low(found["subgroup-auc"])
    assert low(found[telling])
    assert worst(found[telling]) == "shop 1: good"
    assert worst(found[other]) != "shop 1: good"


def test_groups_that_are_alike_show_nothing_in_most_draws() -> None:
    found = [moved(lambda logit, noise: logit, seed=seed) for seed in range(8)]
    for name in NAMES:
        assert sum(low(one[name]) for one in found) <= 1, name


def test_groups_without_enough_of_each_label_have_no_odds_and_no_areas() -> None:
    rows, truth, shop = drawn()
    found = measured(rows, np.where(shop == 1, 1, truth), shop)
    assert {rate.name for rate in rates(found["subgroup-gap"])} == {f"shop {number}" for number in range(SHOPS)}
    for name in ("equalised-odds", *NAMES):
        assert not any("shop 1" in rate.name for rate in rates(found[name]))
        assert found[name].n == (shop != 1).sum()
        assert any("1 of 4 groups have under 10 texts of a label" in note for note in found[name].assumptions)
    for labels in (np.ones_like(truth), np.where(shop == 0, truth, 1)):
        without = measured(rows, labels, shop)
        for name in ("equalised-odds", *NAMES):
            assert without[name].status == "not measurable"
            assert "of each label or more; two are needed" in str(without[name].reason)
