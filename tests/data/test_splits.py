"""Splits that share no group and no text, and what two data sets share all the same."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Example, Overlap, assign_parts, normalise_for_matching, open_data, overlap, text_digest

KEYS = st.lists(st.text(max_size=3) | st.sampled_from(["film a", "film b", "film c"]), min_size=1, max_size=60)
SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


@st.composite
def fractions(draw: st.DrawFn) -> dict[str, float]:
    weights = draw(st.lists(st.integers(1, 10), min_size=1, max_size=4))
    return {f"part {number}": weight / sum(weights) for number, weight in enumerate(weights)}


@given(keys=KEYS, fractions=fractions(), seed=st.integers(0, 2**32))
def test_splits_no_key_is_in_two_parts_and_shares_are_right(keys: list[str], fractions: dict[str, float], seed: int) -> None:
    parts = assign_parts(keys, fractions, seed=seed)
    assert len(parts) == len(keys)
    assert len(set(zip(keys, parts, strict=True))) == len(set(keys))
    largest_group = max(Counter(keys).values())
    rows = Counter(parts)
    assert set(rows) <= set(fractions)
    for part, share in fractions.items():
        assert abs(rows[part] - share * len(keys)) <= largest_group + 1e-6


@given(keys=KEYS, fractions=fractions(), seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_splits_do_not_depend_on_the_order_of_rows(
    keys: list[str], fractions: dict[str, float], seed: int, order: random.Random
) -> None:
    by_key = dict(zip(keys, assign_parts(keys, fractions, seed=seed), strict=True))
    shuffled = order.sample(keys, len(keys))
    assert dict(zip(shuffled, assign_parts(shuffled, fractions, seed=seed), strict=True)) == by_key


def test_splits_of_single_rows_have_exact_shares() -> None:
    parts = assign_parts([str(number) for number in range(1000)], SHARES, seed=0)
    assert Counter(parts) == {"train": 800, "dev": 100, "test": 100}


def test_splits_seeds_differ_and_each_is_the_same_every_time() -> None:
    keys = [str(number) for number in range(200)]
    plans = [tuple(assign_parts(keys, SHARES, seed=seed)) for seed in range(20)]
    assert len(set(plans)) == 20
    assert plans == [tuple(assign_parts(keys, SHARES, seed=seed)) for seed in range(20)]
    # Also on another day and another machine: the ranking is by SHA-256 of "seed\\0key".
    test_rows = [24, 26, 33, 34, 35, 50, 58, 66, 80, 92, 110, 117, 120, 123, 126, 149, 158, 162, 181, 194]
    assert [row for row, part in enumerate(plans[0]) if part == "test"] == test_rows


def test_splits_are_no_function_of_where_a_key_stands() -> None:
    parts = assign_parts([str(number) for number in range(1000)], {"a": 0.5, "b": 0.5}, seed=3)
    assert 200 < sum(part == "a" for part in parts[:500]) < 300
    assert 200 < sum(part == "a" for part in parts[::2]) < 300


def test_splits_of_the_films_share_no_film() -> None:
    films = [example.group or "" for example in open_data("rotten-tomatoes")]
    parts = assign_parts(films, SHARES, seed=0)
    held = {part: {film for film, other in zip(films, parts, strict=True) if other == part} for part in SHARES}
    assert held["train"] | held["dev"] | held["test"] == set(films)
    assert not held["train"] & held["dev"]
    assert not held["train"] & held["test"]
    assert not held["dev"] & held["test"]
    assert abs(Counter(parts)["test"] / len(films) - 0.1) < 0.01


# --- the same text ---


def test_matching_ignores_case_markup_punctuation_and_blanks() -> None:
    copies = ["A GOOD film!", "a good<br /><br />film", "  A\tgood -- film...", "“A good” (film)", "a_good_film"]
    assert {normalise_for_matching(text) for text in copies} == {"a good film"}
    assert normalise_for_matching("很好看！") == normalise_for_matching("很好看") == "很好看"
    assert normalise_for_matching("STRASSE") == normalise_for_matching("straße")


def test_matching_keeps_what_makes_texts_different() -> None:
    texts = ["a good film", "a goodfilm", "a film", "a good film 2", "a gööd film", "好看", "不好看", "a < b and c > d"]
    assert len({normalise_for_matching(text) for text in texts}) == len(texts)


def test_digest_knows_both_texts_of_a_pair_and_no_label() -> None:
    digest = text_digest(Example("a b", "x", pair="c"))
    assert digest == text_digest(Example("A, b", "y", pair="C.", group="g"))
    others = [Example("a b"), Example("a", pair="b c"), Example("a b c"), Example("c", pair="a b"), Example("a b", pair="")]
    assert digest not in {text_digest(example) for example in others}
    assert text_digest(Example("\ud800")) == text_digest(Example("\ud800"))


def test_overlap_names_shared_rows_duplicates_and_contradictions() -> None:
    train = [Example("One.", "x"), Example("two", "y"), Example("ONE", "y"), Example("three", "x")]
    test = [Example("four", "x"), Example("one!", "x"), Example("Two", "x"), Example("four", "y"), Example("two", "y")]
    assert overlap(iter(train), iter(test)) == Overlap(
        train_rows=4, test_rows=5, shared=[1, 2, 4], train_duplicates=1, test_duplicates=2, contradictions=1
    )


def test_overlap_of_nothing_is_nothing() -> None:
    assert overlap([], []) == Overlap(0, 0, [], 0, 0, 0)
    assert overlap([Example("a")], []) == Overlap(1, 0, [], 0, 0, 0)


@given(
    train=st.lists(st.sampled_from("abcdefgh"), max_size=20),
    test=st.lists(st.sampled_from("abcdefgh"), max_size=20),
)
def test_overlap_counts_as_sets_do(train: list[str], test: list[str]) -> None:
    found = overlap((Example(text) for text in train), (Example(text) for text in test))
    assert [test[row] for row in found.shared] == [text for text in test if text in train]
    assert found.train_duplicates == len(train) - len(set(train))
    assert found.test_duplicates == len(test) - len(set(test))
    assert found.contradictions == 0
