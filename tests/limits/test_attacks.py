"""Attacks find a weakness that is there within their budget, and none where there is none."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Context
from fathom.limits.measures.attacks import MOST_WORDS, Plan, greedy, measure_attacks, misspelt, run_attacks
from fathom.limits.record import Measure, RatesDetail
from fathom.limits.substitutes import SUBSTITUTES, substitutes_of
from tests.limits.made import Ruled, by_name, context_of

TEXTS = [f"We spoke about the {'wonderful' if n % 2 else 'terrible'} film for {n} days and nights in Rome" for n in range(60)]
TRUTH = [n % 2 for n in range(60)]


def keyed(text: str) -> float:
    """Reads one word of each side, and leans to neither without."""
    return 0.9 if "wonderful" in text else 0.1 if "terrible" in text else 0.45


def measured(context: Context) -> dict[str, Measure]:
    return by_name(measure_attacks(context))


def test_one_that_hangs_on_a_word_is_turned_by_one_change() -> None:
    classifier = Ruled(keyed)
    found = measured(context_of(classifier, TEXTS, TRUTH))
    for kind in ("attack-characters", "attack-words"):
        measure = found[kind]
        assert measure.value == pytest.approx(0.5), "without its word it says bad, so only what is good is turned"
        assert measure.interval is not None
        assert isinstance(measure.detail, RatesDetail)
        assert [rate.value for rate in measure.detail.rates] == [
            0.0,
            pytest.approx(0.5),
            pytest.approx(0.5),
            pytest.approx(0.5),
        ]
        worst = measure.worst[0]
        assert (worst.truth, worst.answer) == ("good", "bad")
        assert "1 of 12 words" in str(worst.note)
        assert "wonderful" in worst.text
        assert "wonderful" not in str(worst.changed)
    floor = found["attack-characters"].floor
    assert floor is not None
    assert floor.value < 0.35, "changes at random seldom find the word"
    changed = Counter(re.findall(r"[^\W\d_]+", str(found["attack-words"].worst[0].changed))) - Counter(
        re.findall(r"[^\W\d_]+", found["attack-words"].worst[0].text)
    )
    assert set(changed) <= set(substitutes_of("wonderful", "en"))


def test_one_that_reads_nothing_cannot_be_turned() -> None:
    found = measured(context_of(Ruled(lambda text: 0.9), TEXTS, TRUTH))
    assert {measure.value for measure in found.values()} == {0.0}
    assert {measure.n for measure in found.values()} == {30}  # of those that it answers rightly
    assert all(measure.worst == [] for measure in found.values())


def test_one_that_reads_past_spelling_falls_to_synonyms_alone() -> None:
    def shape(text: str) -> float:
        return (
            0.9
            if re.search(r"w\w*[ond]\w+l\b", text)
            else 0.1
            if re.search(r"\bt\w*[ri]\w*e\b", text.replace("the ", ""))
            else 0.45
        )

    found = measured(context_of(Ruled(shape), TEXTS, TRUTH, quick=True))
    assert found["attack-characters"].value == 0.0
    assert found["attack-words"].value is not None
    assert found["attack-words"].value > 0.2


def test_nothing_is_turned_where_nothing_is_right() -> None:
    with pytest.raises(NotMeasurableError, match="answers none of these texts rightly"):
        measure_attacks(context_of(Ruled(lambda text: 0.9), TEXTS, [0] * 60))


def plan_of(text: str, options: dict[str, list[str]], seed: int = 0) -> Plan:
    spans = [found.span() for found in re.finditer(r"\w+", text)]
    return Plan.of(text, spans, lambda word, _: options.get(word, []), np.random.default_rng(seed))


def test_the_budget_of_words_and_queries_is_kept() -> None:
    text = " ".join(f"w{n}" for n in range(40))
    plan = plan_of(text, {f"w{n}": [f"{n}a", f"{n}b", f"{n}c"] for n in range(40)})
    assert plan.most == int(MOST_WORDS * 40) == 8

    def stubborn(texts: list[str]) -> np.ndarray:
        """Each changed word helps, and never enough."""
        good = np.array([0.6 + 0.001 * text.count("w") for text in texts])
        return np.stack([1 - good, good], axis=1)

    asked = []

    def ask(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return stubborn(list(texts))

    enough, few = (run_attacks([greedy(plan, 1, 0.64, queries)], ask)[0] for queries in (100, 20))  # type: ignore[arg-type]
    assert (enough.flipped, enough.changed, enough.queries) == (False, 8, 40 + 8 * 3)
    assert (few.flipped, few.queries) == (False, 20)
    assert few.changed == 4  # of 20 queries half were spent on finding words
    assert len(asked) == enough.queries + few.queries
    assert sum(word not in enough.text.split() for word in text.split()) == 8


def test_the_most_important_word_is_changed_first_and_in_the_worst_way() -> None:
    plan = plan_of("a b c", {"a": ["x"], "b": ["y", "z"], "c": ["x"]})

    def ask(texts: object) -> np.ndarray:
        good = np.array([0.9 - 0.1 * ("a" not in t) - 0.3 * ("b" not in t) - 0.2 * ("z" in t) for t in texts])  # type: ignore[attr-defined]
        return np.stack([1 - good, good], axis=1)

    outcome = run_attacks([greedy(plan, 1, 0.9, 100)], ask)[0]
    assert (outcome.flipped, outcome.text, outcome.changed, outcome.queries) == (True, "a z c", 1, 3 + 2)


def test_attacks_side_by_side_are_the_same_as_one_by_one() -> None:
    plans = [plan_of(f"{'a ' * n}b c", {"a": ["x"], "b": ["y"], "c": []}) for n in range(5)] + [plan_of("q", {})]

    def ask(texts: object) -> np.ndarray:
        good = np.array([0.9 if "b" in t else 0.2 for t in texts]).reshape(-1)  # type: ignore[attr-defined]
        return np.stack([1 - good, good], axis=1)

    together = run_attacks([greedy(plan, 1, 0.9, 50) for plan in plans], ask)
    assert together == [run_attacks([greedy(plan, 1, 0.9, 50)], ask)[0] for plan in plans]
    assert [outcome.flipped for outcome in together] == [True] * 5 + [False]
    assert together[-1].queries == 0


def test_misspelt_words_keep_their_ends_and_short_words_their_letters() -> None:
    for seed in range(30):
        for word in ("wonderful", "Film", "WARM", "good"):
            options = misspelt(word, np.random.default_rng(seed))
            assert options
            assert word not in options
            assert all(option[0] == word[0] and option[-1] == word[-1] for option in options)
            assert all(abs(len(option) - len(word)) <= 1 for option in options)
    assert misspelt("not", np.random.default_rng(0)) == misspelt("it's", np.random.default_rng(0)) == []
    chinese = misspelt("房间", np.random.default_rng(0))
    assert chinese
    assert all(len(option) == 2 and sum(a != b for a, b in zip(option, "房间", strict=True)) == 1 for option in chinese)


def test_substitutes_go_both_ways_and_deny_nothing() -> None:
    for language, table in SUBSTITUTES.items():
        for word, others in table.items():
            assert word not in others
            assert all(word in table[other] for other in others)
            assert not {word, *others} & {"not", "no", "never", "不", "没", "没有"}, language
    assert substitutes_of("Film", "en") == ["Movie", "Picture"]
    assert "MOVIE" in substitutes_of("FILM", "en")
    assert substitutes_of("unheard", "en") == []


def test_chinese_words_are_found_and_changed() -> None:
    texts = ["这家酒店的房间非常干净，我很满意", "这家酒店的房间非常糟糕，我很失望"] * 15
    found = measured(
        context_of(
            Ruled(lambda text: 0.9 if "干净" in text else 0.1 if "糟糕" in text else 0.45),
            [f"{text}{n}" for n, text in enumerate(texts)],
            [1, 0] * 15,
            language="zh",
            quick=True,
        )
    )
    for measure in found.values():
        assert measure.value is not None
        assert measure.value > 0.2
        assert "干净" in measure.worst[0].text
        assert "干净" not in str(measure.worst[0].changed)
