"""Noise changes what it says it changes, as often as it says, and the same at every rate."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from fathom.limits.edits import EDITS, KEYS, LOOK_ALIKES, SCANNED, TYPED, noisy, typo

ENGLISH = "I thought that this Film would be a real joy, but it was not; 3 stars of 10. " * 20
CHINESE = "酒店的房间很干净，服务也很好，早餐不错，值得推荐的地方。" * 20


def changed(text: str, kind: str, rate: float, seed: int = 0) -> str:
    return noisy(text, EDITS[kind], rate, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", EDITS)
def test_no_noise_is_the_text_and_a_seed_is_a_text(kind: str) -> None:
    assert changed(ENGLISH, kind, 0.0) == ENGLISH
    assert changed(ENGLISH, kind, 0.2) == changed(ENGLISH, kind, 0.2) != changed(ENGLISH, kind, 0.2, seed=1)
    assert changed("", kind, 0.2) == ""


@pytest.mark.parametrize("kind", ["case", "homoglyph"])
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_rate_is_the_share_of_the_places(kind: str, rate: float) -> None:
    after = changed(ENGLISH, kind, rate)
    assert len(after) == len(ENGLISH)
    places = [place for place in range(len(ENGLISH)) if after[place] != ENGLISH[place]]
    possible = EDITS[kind].places(ENGLISH)
    assert set(places) <= set(possible)
    assert len(places) == pytest.approx(rate * len(possible), abs=3 * (rate * len(possible)) ** 0.5)


@pytest.mark.parametrize("kind", ["case", "homoglyph"])
def test_what_changes_at_a_low_rate_changes_at_a_higher_one(kind: str) -> None:
    low, high = changed(ENGLISH, kind, 0.05), changed(ENGLISH, kind, 0.2)
    for before, a, b in zip(ENGLISH, low, high, strict=True):
        assert a in (before, b)


def test_keys_touch_one_another() -> None:
    assert set(KEYS["g"]) == set("fhtyvb")
    assert all(key in KEYS[other] for key, near in KEYS.items() for other in near)
    for sign in set(changed("a" * 500, "keyboard", 1.0)):
        assert sign in {"a", *KEYS["a"]}
    assert changed("A" * 100, "keyboard", 1.0).isupper()


def test_look_alikes_are_other_signs_of_the_same_meaning() -> None:
    for sign, twins in LOOK_ALIKES.items():
        assert sign not in twins
        for twin in twins:
            assert ord(twin) != ord(sign)
            name = unicodedata.name(twin)
            assert name.startswith(("CYRILLIC", "GREEK", "KANGXI RADICAL")), name
    assert all(sign not in others for table in (TYPED, SCANNED) for sign, others in table.items())


def test_chinese_is_typed_and_scanned_but_has_no_case() -> None:
    assert EDITS["case"].places(CHINESE) == []
    for kind in ("keyboard", "scanner"):
        after = changed(CHINESE, kind, 0.2)
        assert after != CHINESE
        assert len(after) == len(CHINESE)
        assert "，" in after


def test_a_typo_is_one_and_keeps_the_ends_of_words() -> None:
    for seed in range(50):
        after = typo("warm and wonderful", np.random.default_rng(seed))
        assert after != "warm and wonderful"
        assert sorted(after) == sorted("warm and wonderful")
        assert [(word[0], word[-1]) for word in after.split()] == [("w", "m"), ("a", "d"), ("w", "l")]
    assert typo("a an the", np.random.default_rng(0)) == "a an the"
    one = typo("很好的地方", np.random.default_rng(0))
    assert sum(a != b for a, b in zip(one, "很好的地方", strict=True)) == 1
