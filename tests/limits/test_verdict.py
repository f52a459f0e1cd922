"""The verdict scolds what is at fault and praises what is not, in both languages, and reads intervals rather than values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fathom.data import Example
from fathom.limits.record import Limits, Measure
from fathom.limits.verdict import beats_words, broken_promise, judge, verdict, worst_limits
from fathom.pipeline.limits import audit
from tests.limits.test_record import measure, record

GOOD_WORDS, BAD_WORDS = ("joy", "warm", "wonderful", "great"), ("dull", "waste", "bad", "terrible")


def examples(n: int = 1600) -> list[Example]:
    return [
        Example(f"text {number} is {(BAD_WORDS, GOOD_WORDS)[number % 2][number % 7 % 4]}", ("bad", "good")[number % 2])
        for number in range(n)
    ]


CORE = ["accuracy", "calibration", "selective", "abstention"]  # families that need nothing but these texts and their answers


class Rule:
    """Answers by the number in the text: (label number, confidence). Other texts have a number of their own."""

    labels = ("bad", "good")

    def __init__(self, answer: Callable[[int], tuple[int, float]]) -> None:
        self._answer = answer

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.empty((len(texts), 2))
        for place, text in enumerate(texts):
            found = re.match(r"text (\d+) ", text)
            label, confidence = self._answer(int(found[1]) if found else int(hashlib.sha256(text.encode()).hexdigest()[:6], 16))
            rows[place, label], rows[place, 1 - label] = confidence, 1 - confidence
        return rows


def noise(number: int) -> float:
    """Uniform in [0, 1), and always the same for a number."""
    return float(np.random.default_rng(number).random())


PERFECT = Rule(lambda number: (number % 2, 0.995))
CONSTANT = Rule(lambda number: (1, 0.8))
HONEST = Rule(
    lambda number: (number % 2 if noise(number) < 0.6 + number % 100 / 250 else 1 - number % 2, 0.6 + number % 100 / 250)
)
BOASTFUL = Rule(lambda number: (number % 2 if noise(number) < 0.75 else 1 - number % 2, 0.98))
BLIND = Rule(lambda number: (number % 2 if noise(number) < 0.85 else 1 - number % 2, 0.6 + noise(number + 10**6) / 3))


def limits(measures: Sequence[dict[str, Any]], **changes: Any) -> Limits:
    return Limits.model_validate(record(measures=list(measures), **changes))


def rate(name: str, value: float, low: float, high: float, floor: float | None = None, **changes: Any) -> dict[str, Any]:
    against = {} if floor is None else {"floor": {"value": floor, "what": "chance"}}
    return measure(name=name, title=name, value=value, interval=(low, high), n=100, **{"family": name, **against, **changes})


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"value": 0.8, "interval": (0.7, 0.9), "floor": {"value": 0.6, "what": "x"}}, "better"),
        ({"value": 0.8, "interval": (0.7, 0.9), "floor": {"value": 0.71, "what": "x"}}, "chance"),
        ({"value": 0.5, "interval": (0.4, 0.6), "floor": {"value": 0.71, "what": "x"}}, "chance"),
        ({"value": 0.65, "interval": (0.62, 0.68), "floor": {"value": 0.5, "what": "x"}}, "weak"),
        ({"value": 1.0, "interval": (0.9, 1.0), "floor": {"value": 0.95, "what": "x"}}, "fine"),
        ({"value": 0.8, "interval": (0.7, 0.9)}, "open"),
        ({"value": 0.3, "interval": (0.2, 0.4), "better": "lower", "floor": {"value": 0.25, "what": "x"}}, "fine"),
        ({"value": 0.3, "interval": (0.28, 0.4), "better": "lower", "floor": {"value": 0.1, "what": "x"}}, "fault"),
        ({"value": 0.13, "interval": (0.12, 0.4), "better": "lower", "floor": {"value": 0.1, "what": "x"}}, "slight"),
        (
            {"value": 0.3, "interval": (0.2, 0.4), "better": "lower", "floor": {"value": 0.3, "what": "x", "faultless": False}},
            "chance",
        ),
        (
            {"value": 0.3, "interval": (0.2, 0.4), "better": "lower", "floor": {"value": 0.5, "what": "x", "faultless": False}},
            "better",
        ),
        (
            {
                "value": 0.4,
                "interval": (0.3, 0.45),
                "better": "lower",
                "floor": {"value": 0.5, "what": "x", "faultless": False},
            },
            "weak",
        ),
        (
            {
                "value": 0.0,
                "interval": (0.0, 0.1),
                "better": "lower",
                "floor": {"value": 0.05, "what": "x", "faultless": False},
            },
            "fine",
        ),
        ({"value": 0.8, "interval": (0.75, 0.85), "floor": {"value": 0.9, "what": "x", "faultless": True}}, "fault"),
        ({"value": 0.88, "interval": (0.85, 0.91), "floor": {"value": 0.9, "what": "x", "faultless": True}}, "fine"),
        (
            {"value": 9.0, "interval": (6.0, 12.0), "unit": "points", "better": "neither", "floor": {"value": 0, "what": "x"}},
            "differs",
        ),
        (
            {
                "value": -9.0,
                "interval": (-12.0, -6.0),
                "unit": "points",
                "better": "neither",
                "floor": {"value": 0, "what": "x"},
            },
            "differs",
        ),
        (
            {"value": 2.0, "interval": (-1.0, 5.0), "unit": "points", "better": "neither", "floor": {"value": 0, "what": "x"}},
            "fine",
        ),
        (
            {"value": 2.0, "interval": (1.0, 3.0), "unit": "seconds", "better": "lower", "floor": {"value": 0.1, "what": "x"}},
            "open",
        ),
        ({"value": 0.2, "status": "contaminated", "reason": "seen"}, "memory"),
        ({"value": None, "status": "not measurable", "reason": "no door"}, "missing"),
    ],
)
def test_a_measure_is_judged_by_its_interval(changes: dict[str, Any], state: str) -> None:
    assert judge(Measure.model_validate(measure(**changes))).state == state


def test_a_perfect_classifier_is_not_scolded() -> None:
    found = audit(PERFECT, only=CORE, data=examples(), train=None)
    said = verdict(found)
    assert worst_limits(found) == []
    assert said.named == ()
    assert "All texts like these: at least 95 % of its answers are right" in said.trust.replace("\u00a0", " ")
    assert said.distrust == "Texts unlike those of the examples; of the limits that were measured, none stands out."
    assert "fathom predict --policy" in said.do
    assert not {judge(one).state for one in found.measures} & {"chance", "fault", "weak"}


def test_a_constant_classifier_is_trusted_with_nothing() -> None:
    found = audit(CONSTANT, only=CORE, data=examples())
    said = verdict(found)
    assert said.trust.startswith("Nothing yet")
    assert "weakest-label" in said.named
    assert said.do.startswith("Check the labels")
    chinese = verdict(found, "zh")
    assert chinese.trust.startswith("暂时什么都不能")
    assert "最常见的标签" in chinese.trust


def test_an_honest_classifier_has_no_fault_of_its_confidence() -> None:
    found = audit(HONEST, only=CORE, data=examples(4000))
    assert "calibration-error" not in verdict(found).named
    assert "aurc" not in verdict(found).named
    assert judge(found.measure("overconfidence")).state == "fine"  # type: ignore[arg-type]


def test_a_boastful_classifier_is_told_so() -> None:
    found = audit(BOASTFUL, only=CORE, data=examples())
    said = verdict(found)
    assert "calibration" in {one.family for one in worst_limits(found)}
    assert set(said.named) <= {"calibration-error", "overconfidence", "aurc"}
    assert "its confidence" in said.distrust.lower()


def test_a_confidence_that_says_nothing_is_told_so() -> None:
    said = verdict(audit(BLIND, only=CORE, data=examples()))
    assert "aurc" in said.named
    assert "leaving out what it is unsure of" in said.distrust.lower()


def test_a_bag_of_words_that_does_as_well_is_recommended() -> None:
    data = examples()
    found = audit(PERFECT, only=CORE, data=data[:800], train=data[800:])
    assert beats_words(found) is None
    said = verdict(found)
    assert said.do.startswith("Use the bag of words")
    assert worst_limits(found) == []
    better = audit(HONEST, only=CORE, data=[Example(f"text {e.text.split()[1]} is", e.label) for e in data], train=data[:50])
    assert beats_words(better) is True
    assert "better than a bag of words" in verdict(better).trust


def test_the_worst_limits_come_first_one_a_family_at_most_three() -> None:
    found = limits(
        [
            rate("a", 0.3, 0.25, 0.35, 0.1, better="lower"),
            rate("b", 0.9, 0.85, 0.95, 0.1, better="lower"),
            rate("b-too", 0.8, 0.75, 0.85, 0.1, better="lower", family="b"),
            rate("c", 0.5, 0.45, 0.55, 0.1, better="lower"),
            rate("d", 0.4, 0.35, 0.45, 0.1, better="lower"),
            rate("memory", 1.0, 1.0, 1.0, 0.1, better="lower", status="contaminated", reason="seen"),
        ]
    )
    said = verdict(found)
    assert said.named == ("b", "c", "d")
    assert said.distrust.index("B:") < said.distrust.index("c:") < said.distrust.index("d:")


def test_contaminated_figures_count_for_nothing() -> None:
    seen = {"status": "contaminated", "reason": "seen"}
    found = limits([rate("accuracy", 0.99, 0.98, 1.0, 0.5, **seen), rate("e", 0.9, 0.8, 0.95, 0.1, better="lower", **seen)])
    said = verdict(found)
    assert said.trust.startswith("Nothing yet: it has seen these texts")
    assert said.named == ()
    assert said.do.startswith("Measure it again")


def test_a_promise_that_was_not_kept_comes_before_everything() -> None:
    found = limits(
        [
            rate("accuracy", 0.8, 0.75, 0.85, 0.5),
            rate("accuracy-of-answers", 0.85, 0.8, 0.9, 0.8),
            rate("coverage", 0.6, 0.5, 0.7),
            rate("e", 0.9, 0.8, 0.95, 0.1, better="lower"),
        ],
        policy={
            "temperature": 1.0,
            "threshold": {
                **{"value": 0.8, "target": 0.95, "confidence": 0.95, "n": 500, "kept": 300, "right": 294, "lower_bound": 0.96},
                "guarantee": "x",
            },
            "conformal": {"alpha": 0.1, "quantile": 0.5, "n": 500, "guarantee": "x"},
        },
    )
    assert broken_promise(found) is not None
    said = verdict(found)
    assert said.distrust.startswith("Its policy, which promised that 95")
    assert said.distrust.count("policy") == 1
    assert said.do.startswith("Do not rely on the policy")


def test_nothing_that_was_not_measured_is_made_up() -> None:
    said = verdict(limits([]))
    assert "accuracy was not measured" in said.trust
    assert "leave --only away" in said.do
    assert "{" not in "".join((said.trust, said.distrust, said.do))
