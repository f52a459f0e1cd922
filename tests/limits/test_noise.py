"""Noise costs what it is planted to cost, and nothing to one that reads past it."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from fathom.limits.context import Context
from fathom.limits.edits import EDITS, LOOK_ALIKES
from fathom.limits.measures.noise import RATES, measure_noise
from fathom.limits.record import CurveDetail, Measure
from tests.limits.made import Ruled, by_name, context_of

TEXTS = [f"The {'good' if number % 2 else 'bad'} and rather long story of the year {number}" for number in range(200)]
TRUTH = [number % 2 for number in range(200)]
PLAIN = {twin: sign for sign, twins in LOOK_ALIKES.items() for twin in twins}


def exact(text: str) -> float:
    """Needs the very word."""
    return 0.9 if "good" in text else 0.1


def measured(context: Context) -> dict[str, Measure]:
    return by_name(measure_noise(context))


def test_one_that_reads_nothing_loses_nothing() -> None:
    for measure in measured(context_of(Ruled(lambda text: 0.9), TEXTS, TRUTH, quick=True)).values():
        assert measure.value == 0.0
        assert measure.interval is not None
        assert measure.interval[0] < 0 < measure.interval[1]
        assert measure.worst == []


def test_one_that_needs_the_very_word_loses_what_is_computed_by_hand() -> None:
    found = measured(context_of(Ruled(exact), TEXTS, TRUTH))
    assert set(found) == {f"noise-{kind}" for kind in EDITS}
    for kind, places in (("noise-case", 4), ("noise-homoglyph", 2)):  # all letters of "good" have a case, two have a twin
        lost = 100 * 0.5 * (1 - np.trapezoid([(1 - rate) ** places for rate in RATES], RATES) / RATES[-1])
        measure = found[kind]
        assert measure.interval is not None
        assert measure.interval[0] < lost < measure.interval[1]
        assert measure.interval[0] > 0
        curve = measure.detail
        assert isinstance(curve, CurveDetail)
        assert [point.x for point in curve.lines[0].points] == list(RATES)
        assert curve.lines[0].points[0].y == 1.0
        assert all(point.interval is not None and point.interval[0] < point.y for point in curve.lines[0].points)
    worst = found["noise-keyboard"].worst[0]
    assert "good" in worst.text
    assert "good" not in str(worst.changed)
    assert (worst.truth, worst.answer) == ("good", "bad")


def test_only_what_is_planted_is_found() -> None:
    folded = measured(context_of(Ruled(lambda text: exact(text.lower())), TEXTS, TRUTH, quick=True))
    assert folded["noise-case"].value == 0.0
    assert folded["noise-homoglyph"].value is not None
    assert folded["noise-homoglyph"].value > 0
    plain = measured(
        context_of(Ruled(lambda text: exact("".join(PLAIN.get(sign, sign) for sign in text))), TEXTS, TRUTH, quick=True)
    )
    assert plain["noise-homoglyph"].value == 0.0
    assert plain["noise-case"].value is not None
    assert plain["noise-case"].value > 0


def test_texts_are_drawn_by_length_and_figures_are_the_same_again() -> None:
    first, second = (context_of(Ruled(exact), TEXTS, TRUTH, quick=True) for _ in range(2))
    assert measured(first) == measured(second)
    assert any("40 of 200" in note for note in first.sampled)
    long = context_of(Ruled(exact), [text + " word" * 1000 for text in TEXTS], TRUTH, quick=True)
    found = measured(long)
    assert {measure.n for measure in found.values()} == {8}
    assert any("rates 0 %, 5 %, 20 % with 1 seeds" in note for note in long.sampled)


def test_chinese_has_no_case_and_few_look_alikes() -> None:
    texts = ["酒店的房间很好，服务也不错，早餐值得推荐", "酒店的房间很差，服务不行，早餐也不值得"] * 20
    found = measured(context_of(Ruled(lambda text: float("很好" in text)), texts, [1, 0] * 20, language="zh", quick=True))
    assert found["noise-case"].status == found["noise-homoglyph"].status == "not measurable"
    assert "of the characters" in str(found["noise-case"].reason)
    assert found["noise-keyboard"].value is not None
    assert found["noise-keyboard"].value > 0
    assert unicodedata.normalize("NFKC", "⼲") == "干"


def test_groups_widen_the_interval() -> None:
    words = [f"story of the {'good' if n < 100 else 'great'} year {n}" for n in range(200)]
    rule = Ruled(lambda text: 0.9 if "good" in text or "year" not in text.lower() or "great" in text.lower() else 0.1)
    alone = measured(context_of(rule, words, [1] * 200, quick=True))["noise-case"]
    grouped = measured(context_of(rule, words, [1] * 200, quick=True, groups=["a"] * 100 + ["b"] * 100))["noise-case"]
    assert alone.value == pytest.approx(grouped.value)
    assert alone.interval is not None
    assert grouped.interval is not None
    assert grouped.interval[1] >= alone.interval[1]
    assert any("groups" in note for note in grouped.assumptions)
