"""That slopes and crossings are what they are called, and that the guides quote the record."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from long import PATTERNS, blocks, conclude, crossing, dense, draw, peak_bytes, slope, table
from steps import RESULTS

from fathom.model import Attention
from tests.tiny import config

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
LENGTHS = (256, 512, 1024, 2048, 4096, 8192)


def measured(factor: float = 1.0) -> dict[str, list[dict[str, Any]]]:
    """A machine on which dense costs the square of the length, and blocks what 300 tokens cost for each."""

    def points(cost: Any) -> list[dict[str, Any]]:
        return [
            {"tokens": n, "forward": {"median": cost(n)}, "forward_and_backward": {"median": 3 * cost(n)}, "bytes": 4 * cost(n)}
            for n in LENGTHS
        ]

    return {"dense": points(lambda n: n * n), **{name: points(lambda n: factor * 300 * n) for name in PATTERNS}}


def test_slope_is_the_power_of_the_length_of_long_texts() -> None:
    assert slope({n: 7.0 * n**1.5 for n in LENGTHS}) == pytest.approx(1.5)
    assert slope({256: 1e9, 1024: 1024.0, 4096: 4096.0}) == pytest.approx(1.0), "a short text does not count"
    assert slope({256: 1.0, 1024: 2.0}) is None


def test_crossing_is_from_where_on_blocks_are_always_cheaper() -> None:
    square, line = {n: float(n * n) for n in LENGTHS}, {n: 700.0 * n for n in LENGTHS}
    assert crossing(square, line) == pytest.approx(700, abs=1)
    assert crossing(square, {**line, 4096: 1e9}) == pytest.approx(math.sqrt(4096 * 8192), rel=0.5)
    assert crossing(square, {n: 1.0 for n in LENGTHS}) == 256
    assert crossing(square, {n: 1e12 for n in LENGTHS}) is None


def test_conclusions_name_where_blocks_are_slower_than_what_they_replace() -> None:
    good = conclude(measured(), CPU)
    assert good["dense"]["slopes"]["forward"] == pytest.approx(2.0)
    for held in good["blocks"].values():
        assert held["slopes"] == pytest.approx({"forward": 1.0, "forward_and_backward": 1.0, "bytes": 1.0})
        assert held["crossing_tokens"]["forward"] == pytest.approx(300, abs=1)
        assert not held["slower_where_used"]
    bad = conclude(measured(factor=4.0), CPU)["blocks"]["modernbert"]
    assert [(case["tokens"], case["what"]) for case in bad["slower_where_used"]] == [
        (512, "forward"),
        (1024, "forward"),
        (512, "forward_and_backward"),
        (1024, "forward_and_backward"),
    ]
    text = table(good)
    assert "faster from 300 tokens on forward, 300 with backward; less memory from 300; used from 512" in text
    assert draw(good) == draw(good)


def test_both_ways_that_are_timed_give_the_same() -> None:
    torch.manual_seed(0)
    attention, hidden = Attention(config(width=256, heads=4)).eval(), torch.randn(1, 300, 256)
    for pattern in PATTERNS.values():
        torch.testing.assert_close(blocks(attention, hidden, pattern), dense(attention, hidden, pattern), atol=1e-5, rtol=0)


def test_peak_is_the_most_that_is_held_at_once() -> None:
    def call() -> None:
        for _ in range(3):
            first = torch.ones(250_000)
            second = first + 1
            del first, second

    assert peak_bytes(call, CPU) == pytest.approx(2_000_000, rel=0.01)


@pytest.mark.parametrize(
    "guide", [ROOT / "docs" / "guide.md", ROOT / "docs" / "zh" / "guide.md"], ids=lambda path: path.parent.name
)
def test_guides_quote_the_record(guide: Path) -> None:
    record = json.loads((RESULTS / "long.json").read_text(encoding="utf-8"))
    text = guide.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w[\w-]*)` \|(.*)\|$", text[text.index("<!-- long -->") : text.index("<!-- /long -->")], re.MULTILINE
    )
    assert [name for name, _ in rows] == [*PATTERNS]
    for name, cells in rows:
        held = record["blocks"][name]
        ratio = record["dense"]["measured"][-1]["forward"]["median"] / held["measured"][-1]["forward"]["median"]
        both = record["dense"]["measured"][-1]["forward_and_backward"]["median"]
        both /= held["measured"][-1]["forward_and_backward"]["median"]
        expected = [
            *(f"{held['crossing_tokens'][kind]:,}" for kind in ("forward", "forward_and_backward")),
            f"{held['used_from_tokens']:,}",
            *(f"{held['slopes'][kind]:.2f}" for kind in ("forward", "forward_and_backward", "bytes")),
            f"{ratio:.0f} ×, {both:.0f} ×",
        ]
        assert [cell.strip() for cell in cells.split("|")][1:] == expected
        assert held["used_from_tokens"] == PATTERNS[name].used_from(CPU)
        assert not held["slower_where_used"]
    dense_slopes = record["dense"]["slopes"]
    assert " / ".join(f"{dense_slopes[kind]:.2f}" for kind in ("forward", "forward_and_backward", "bytes")) in text
