"""Files of pairs in both layouts, and what is measured on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fathom.data import Example
from fathom.errors import DataError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Context
from fathom.limits.measures.pairs import measure_pairs
from fathom.limits.pairs import PairFile, TextPair, read_pairs
from fathom.limits.record import PairedDetail
from tests.limits.made import SIDES, Ruled, by_name, context_of

CAD = """Sentiment\tText\tbatch_id
Negative\tA dull film.\t7
Positive\tA fine film.\t7
Positive\t"He said ""fine"" twice."\t9
Negative\t"He said ""dull"" twice."\t9
Negative\tHe said nothing fine.\t9
"""


def test_the_layout_of_counterfactual_imdb(tmp_path: Path) -> None:
    path = tmp_path / "dev_paired.tsv"
    path.write_text(CAD)
    found = read_pairs(path, ["fresh", "rotten"])
    assert found == PairFile(
        "dev_paired.tsv",
        [
            TextPair("7", "A dull film.", 1, "A fine film.", 0),
            TextPair("9", 'He said "fine" twice.', 0, 'He said "dull" twice.', 1),
            TextPair("9", 'He said "fine" twice.', 0, "He said nothing fine.", 1),
        ],
    )
    assert read_pairs(path, ["negative", "positive"]).pairs[0] == TextPair("7", "A dull film.", 0, "A fine film.", 1)
    assert read_pairs(path, ["x", "y"], positive="x").pairs[0] == TextPair("7", "A dull film.", 1, "A fine film.", 0)
    with pytest.raises(DataError, match="--positive LABEL"):
        read_pairs(path, ["x", "y"])


def test_a_pair_a_row(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"text_a": "one", "label_a": "news", "text_b": "two", "label_b": "sport"}) + "\n")
    assert read_pairs(path, ["sport", "news"]).pairs == [TextPair("1", "one", 1, "two", 0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,good\n", "has the columns text, label"),
        ("text,label,group\na,good,1\nb,bad,2\nc,bad,2\n", "1 texts without a second one, such as that of group '1'"),
        ("text,label,group\na,good,1\nb,fair,1\n", "has the label 'fair'"),
        ("text,label,group\n ,good,1\nb,bad,1\n", "row 1 has no text"),
        ("text,label,group\na,good,\nb,bad,1\n", "row 1 names no group"),
        ("text,label,group\n", "holds no pairs"),
    ],
)
def test_files_that_are_no_pairs_are_said(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_pairs(path, SIDES)
    assert message in str(caught.value)
    with pytest.raises(DataError, match="no file at"):
        read_pairs(tmp_path / "gone.csv", SIDES)


def pairs(n: int = 80) -> list[TextPair]:
    """Half of the originals are good; each has one counterpart."""
    return [
        TextPair(str(k), f"{SIDES[k % 2]} {k}", k % 2, f"not {SIDES[k % 2]} {k}", 1 - k % 2)
        for k in range(n)
    ]  # fmt: skip


class Known:
    def __init__(self, texts: set[str]) -> None:
        self.texts = texts

    def __contains__(self, example: object) -> bool:
        return isinstance(example, Example) and example.text in self.texts


def context(rule: Callable[[str], float], own: list[TextPair] | None, **more: object) -> Context:
    file = None if own is None else PairFile("pairs.tsv", own)
    return context_of(Ruled(rule), ["a", "b"] * 10, [0, 1] * 10, pairs=file, **more)


def reads_not(text: str) -> float:
    return 0.9 if ("good" in text) != ("not" in text) else 0.1


def test_one_that_reads_the_change_is_consistent_and_one_that_does_not_is_never() -> None:
    found = by_name(measure_pairs(context(reads_not, pairs())))
    assert (found["contrast-consistency"].value, found["counterfactual-drop"].value) == (1.0, 0.0)
    assert found["contrast-consistency"].worst == []
    deaf = by_name(measure_pairs(context(lambda text: 0.9 if "good" in text else 0.1, pairs())))
    assert (deaf["contrast-consistency"].value, deaf["counterfactual-drop"].value) == (0.0, 100.0)
    assert deaf["counterfactual-drop"].interval is not None
    assert deaf["counterfactual-drop"].interval[0] > 90
    worst = deaf["contrast-consistency"].worst[0]
    assert (worst.text.split()[0], str(worst.changed).split()[0]) == (worst.answer, "not")
    assert worst.truth != worst.answer
    constant = by_name(measure_pairs(context(lambda text: 0.9, pairs())))
    assert (constant["contrast-consistency"].value, constant["counterfactual-drop"].value) == (0.0, 0.0)
    assert constant["contrast-consistency"].floor is not None
    assert constant["contrast-consistency"].floor.value == 0.25
    detail = constant["counterfactual-drop"].detail
    assert isinstance(detail, PairedDetail)
    assert (detail.only_first, detail.only_second, detail.p_value) == (40, 40, 1.0)


def test_a_group_counts_once_and_only_if_all_of_it_is_right() -> None:
    own = [
        *pairs(40),
        *(TextPair(str(k), f"{SIDES[k % 2]} {k}", k % 2, f"{SIDES[k % 2]} {k} hm", 1 - k % 2) for k in range(10)),
    ]
    found = by_name(measure_pairs(context(reads_not, own)))["contrast-consistency"]
    assert (found.n, found.value) == (40, 0.75)
    assert found.floor is not None
    assert found.floor.value == pytest.approx((30 * 0.25 + 10 * 0.125) / 40)


def test_what_was_trained_on_is_left_out_or_called_contaminated() -> None:
    own = pairs()
    part = context(reads_not, own, seen=Known({pair.first for pair in own[:30]}))
    found = by_name(measure_pairs(part))
    assert (found["contrast-consistency"].n, found["contrast-consistency"].status) == (50, "measured")
    assert any("30 of 80 groups hold a text that was trained on" in note for note in part.sampled)
    whole = by_name(measure_pairs(context(reads_not, own, seen=Known({pair.second for pair in own}))))
    assert {measure.status for measure in whole.values()} == {"contaminated"}
    assert "80 hold a text" in str(whole["contrast-consistency"].reason)
    new = by_name(measure_pairs(context(reads_not, own, seen=Known(set()))))["contrast-consistency"]
    assert any("none of the texts is a copy" in note for note in new.assumptions)
    foreign = by_name(measure_pairs(context(reads_not, own)))["contrast-consistency"]
    assert any("possibly seen" in note for note in foreign.assumptions)


def test_without_a_file_nothing_is_measured_and_long_files_are_drawn_from() -> None:
    with pytest.raises(NotMeasurableError, match="--pairs FILE"):
        measure_pairs(context(reads_not, None))
    quick = context(reads_not, pairs(200), quick=True)
    assert by_name(measure_pairs(quick))["contrast-consistency"].n == 60
    assert any("60 of 200 groups" in note for note in quick.sampled)


def test_of_long_texts_the_place_that_was_changed_is_shown() -> None:
    start, end = "word " * 400, " end" * 400
    own = [TextPair("1", f"{start}good{end}", 1, f"{start}bad{end}", 0), TextPair("2", "good", 1, "bad", 0)]
    found = by_name(measure_pairs(context(lambda text: 0.9, own)))["contrast-consistency"].worst
    shown = next(example for example in found if len(example.text) > 10)
    assert shown.text.startswith("… ")
    assert "good" in shown.text
    assert "bad" in str(shown.changed)
    assert max(len(shown.text), len(str(shown.changed))) < 1010
    assert next(example for example in found if example.text == "good").changed == "bad"
