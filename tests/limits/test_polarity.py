"""Which label is the good one, by its name or by the user's word."""

from __future__ import annotations

import pytest

from fathom.errors import SettingsError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.polarity import Polarity, polarity_by_name, polarity_of


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["fresh", "rotten"], Polarity(0, 1, None)),
        (["NEGATIVE", "POSITIVE"], Polarity(1, 0, None)),
        (["neg", "pos"], Polarity(1, 0, None)),
        (["0", "1"], Polarity(1, 0, None)),
        (["-1", "0", "1"], Polarity(2, 0, 1)),
        (["负面", "正面"], Polarity(1, 0, None)),
        (["Negative", "Neutral", "Positive"], Polarity(2, 0, 1)),
        (["not recommended", "Recommended"], Polarity(1, 0, None)),
    ],
)
def test_names_tell(labels: list[str], expected: Polarity) -> None:
    assert polarity_of(labels) == expected


@pytest.mark.parametrize(
    "labels", [["spam", "ham"], ["LABEL_0", "LABEL_1"], ["good", "bad", "ugly"], ["1", "2", "3", "4", "5"]]
)
def test_names_that_do_not_tell_are_said(labels: list[str]) -> None:
    with pytest.raises(NotMeasurableError, match=labels[0]):
        polarity_of(labels)


def test_the_user_can_name_the_good_one() -> None:
    assert polarity_of(["LABEL_0", "LABEL_1"], positive="LABEL_0") == Polarity(0, 1, None)
    assert polarity_of(["0", "1"], positive="0") == Polarity(0, 1, None)  # against what the names would tell
    assert polarity_of(["bad", "neutral", "good"], positive="good") == Polarity(2, 0, 1)
    with pytest.raises(SettingsError, match="no label 'gut'"):
        polarity_of(["bad", "good"], positive="gut")
    with pytest.raises(NotMeasurableError):
        polarity_of(["a", "b", "c"], positive="a")


def test_labels_of_other_data() -> None:
    assert [polarity_by_name(name) for name in ("Positive", "Negative", "1", "0", "sport")] == [True, False, True, False, None]
