"""Suites of others: jsonl, and CheckList's pickles, which are read and never run."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import sys
import tarfile
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fathom.errors import DataError
from fathom.limits.behaviour import Case, Expectation, read_suite
from fathom.limits.behaviour.cases import BehaviourTest, failures_of, thinned
from fathom.limits.context import Suite
from fathom.limits.measures.behaviour import measure_behaviour
from fathom.limits.polarity import Polarity
from fathom.limits.record import RatesDetail
from tests.limits.made import SIDES, Ruled, by_name, context_of

BINARY = Polarity(good=1, bad=0, neutral=None)


def write(path: Path, *cases: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases), encoding="utf-8")
    return path


def test_jsonl_has_every_kind_and_lines_of_one_name_are_one_test(tmp_path: Path) -> None:
    path = write(
        tmp_path / "own.jsonl",
        {"test": "not bad", "texts": ["Not bad."], "label": "good"},
        {"test": "typos", "texts": ["A fine film.", "A fien film."], "must": "stay"},
        {"test": "not bad", "texts": ["不错"], "must": "not be", "label": "bad"},
        {"test": "very", "texts": ["Good.", "Very good."], "must": "not fall", "label": "good"},
        {"test": "hardly", "texts": ["Good.", "Hardly good."], "must": "not rise"},
    )
    tests, left = read_suite(path, SIDES, None)
    assert left == []
    assert [(test.name, test.cases) for test in tests] == [
        ("not bad", [Case(("Not bad.",), Expectation("be", 1)), Case(("不错",), Expectation("not be", 0))]),
        ("typos", [Case(("A fine film.", "A fien film."), Expectation("stay"))]),
        ("very", [Case(("Good.", "Very good."), Expectation("not fall", 1))]),
        ("hardly", [Case(("Good.", "Hardly good."), Expectation("not rise"))]),
    ]
    packed = tmp_path / "own.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_suite(packed, SIDES, None) == (tests, [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"test": "a", "texts": ["x"], "label": "great"}', "line 2 names the label 'great'"),
        ('{"test": "a", "texts": ["x"]}', "line 2 must be a label and names none"),
        ('{"test": "a", "texts": ["x"], "must": "stay"}', "line 2 has one text that must stay"),
        ('{"test": "a", "texts": [], "label": "good"}', "line 2 cannot be used: texts"),
        ('{"test": "a", "texts": "x", "label": "good"}', "line 2 cannot be used: texts"),
        ('{"test": "a", "text": ["x"], "label": "good"}', "line 2 cannot be used: texts: Field required"),
        ('{"test": "a", "texts": ["x"], "must": "fall"}', "line 2 cannot be used: must"),
        ("not json", "line 2 cannot be used"),
    ],
)
def test_a_line_that_is_no_case_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"test": "a", "texts": ["x"], "label": "good"}\n' + line + "\n")
    with pytest.raises(DataError) as caught:
        read_suite(path, SIDES, None)
    assert message in str(caught.value)


def test_files_that_are_no_suite_are_said(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "latin.jsonl").write_bytes(b'{"test": "\xe9"}\n')
    for name, message in (("empty.jsonl", "holds no tests"), ("latin.jsonl", "cannot be read"), ("gone.jsonl", "no file at")):
        with pytest.raises(DataError, match=message):
            read_suite(tmp_path / name, SIDES, None)


# What CheckList pickles, under its own names: a suite with tests, whose expectations are functions.


@pytest.fixture
def checklist(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    def module(name: str, *classes: str) -> None:
        made = types.ModuleType(name)
        for one in classes:
            own = type(one, (), {"__module__": name})
            setattr(made, one, own)
            setattr(found, one, own)
        monkeypatch.setitem(sys.modules, name, made)

    found = types.SimpleNamespace()
    module("checklist")
    module("checklist.test_suite", "TestSuite")
    module("checklist.test_types", "MFT", "INV", "DIR")
    module("checklist.expect", "Expect")
    return found


def suite_of(checklist: Any, tests: dict[str, tuple[str, Any, Any]]) -> Any:
    suite = checklist.TestSuite()
    suite.tests = OrderedDict()
    for name, (kind, data, labels) in tests.items():
        test = getattr(checklist, kind)()
        test.name, test.data, test.labels, test.expect = name, data, labels, checklist.Expect()
        suite.tests[name] = test
    return suite


TESTS: dict[str, tuple[str, Any, Any]] = {
    "single positive words": ("MFT", ["good", "fine"], 2),
    "in context": ("MFT", ["It is good.", np.str_("It is bäd.")], [2, 0]),
    "neutral": ("MFT", ["It is American."], 1),
    "typos": ("INV", [["A fine film.", "A fien film.", "A fine flim."]], None),
    "intensifiers": ("DIR", [["Good.", "Very good."]], None),
    "add negative phrases": ("DIR", [("Good.", "Good. I hate you.")], None),
    "simple negations: not negative": ("MFT", ["It is not bad."], None),
    "of their own": ("DIR", [["Good.", "Better."]], None),
    "numbers": ("MFT", [7, 8], 2),
}


@pytest.mark.parametrize("protocol", [3, 4, 5])  # CheckList saves with 3
def test_a_suite_of_checklist_is_read(checklist: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "suite.pkl"
    path.write_bytes(pickle.dumps(suite_of(checklist, TESTS), protocol=protocol))
    for name in list(sys.modules):
        if name.startswith("checklist"):
            del sys.modules[name]  # nobody needs it to be installed
    found, left = read_suite(path, SIDES, BINARY)
    assert {test.name: test.cases for test in found} == {
        "single positive words": [Case(("good",), Expectation("be", 1)), Case(("fine",), Expectation("be", 1))],
        "in context": [Case(("It is good.",), Expectation("be", 1)), Case(("It is bäd.",), Expectation("be", 0))],
        "typos": [Case(("A fine film.", "A fien film.", "A fine flim."), Expectation("stay"))],
        "intensifiers": [Case(("Good.", "Very good."), Expectation("not fall"))],
        "add negative phrases": [Case(("Good.", "Good. I hate you."), Expectation("not fall", 0))],
        "simple negations: not negative": [Case(("It is not bad.",), Expectation("not be", 0))],
    }
    assert left == [
        "'neutral': it needs a neutral label",
        "'of their own': what it expects is program code, which is not run",
        "'numbers': its cases are no texts",
    ]
    three, _ = read_suite(path, ["bad", "so-so", "good"], Polarity(2, 0, 1))
    assert next(test for test in three if test.name == "neutral").cases == [Case(("It is American.",), Expectation("be", 1))]
    unsided, why = read_suite(path, ["sport", "news"], None)
    assert [test.name for test in unsided] == ["typos"]
    assert all("which label is the good one" in reason for reason in why if "numbers" not in reason)


def test_a_suite_is_found_in_archives(checklist: Any, tmp_path: Path) -> None:
    raw = pickle.dumps(suite_of(checklist, TESTS), protocol=3)
    with tarfile.open(tmp_path / "suite.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("../../suite.pkl")
        member.size = len(raw)
        archive.addfile(member, io.BytesIO(raw))
    (tmp_path / "suite.pkl.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "suite.pkl").write_bytes(raw)
    found = [read_suite(tmp_path / name, SIDES, BINARY) for name in ("suite.tar.gz", "suite.pkl.gz", "suite.pkl")]
    assert found[0] == found[1] == found[2]
    with tarfile.open(tmp_path / "two.tar.gz", "w:gz") as archive:
        for name in ("a", "b"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DataError, match="holds 2 files"):
        read_suite(tmp_path / "two.tar.gz", SIDES, BINARY)


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("protocol", [0, 3, 4, 5])
def test_no_program_in_a_suite_is_run(checklist: Any, protocol: int, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    suite = suite_of(checklist, TESTS)
    suite.info = Harmful(touched)
    suite.tests["typos"].meta = [Harmful(touched)]
    raw = pickle.dumps(suite, protocol=protocol)
    path = tmp_path / "suite.pkl"
    path.write_bytes(raw)
    if protocol:
        assert len(read_suite(path, SIDES, BINARY)[0]) == 6
    else:
        with pytest.raises(DataError):  # older than any suite
            read_suite(path, SIDES, BINARY)
    assert not touched.exists()
    pickle.loads(raw)
    assert touched.exists(), "the file would have done it"


def test_damaged_and_foreign_files_give_one_error(checklist: Any, tmp_path: Path) -> None:
    raw = pickle.dumps(suite_of(checklist, TESTS), protocol=4)
    path = tmp_path / "suite.pkl"
    generator = np.random.default_rng(0)
    damaged = [
        raw[: len(raw) // 2],
        b"",
        b"hello",
        b"\x80\x04.",
        b"\x80\x04\x94.",
        raw[:-1],
        b"\x1f\x8b\x08 cut off",
        b"(" * 99,
    ]
    damaged += [pickle.dumps({"tests": "none"}), pickle.dumps(["a", "b"])]
    for _ in range(200):
        changed = bytearray(raw)
        for place in generator.integers(len(raw), size=3):
            changed[place] = int(generator.integers(256))
        damaged.append(bytes(changed))
    for number, content in enumerate(damaged):
        path.write_bytes(content)
        try:
            read_suite(path, SIDES, BINARY)
        except DataError:
            continue
        assert number >= 10, content


def test_a_suite_is_measured_test_by_test_and_drawn_from() -> None:
    tests = [
        BehaviourTest("knows", "suite", [Case((f"good {n}",), Expectation("be", 1)) for n in range(100)]),
        BehaviourTest("knows not", "suite", [Case((f"fine {n}",), Expectation("be", 1)) for n in range(100)]),
        BehaviourTest(
            "stays", "suite", [Case((f"good {n}", *(f"good {n}{m}" for m in "abc")), Expectation("stay")) for n in range(100)]
        ),
    ]
    suite = Suite("mine.jsonl", tests, ["'other': it needs a neutral label"])
    context = context_of(Ruled(lambda text: float("good" in text)), ["good 1", "bad 2"] * 10, [1, 0] * 10, suite=suite)
    found = by_name(measure_behaviour(context))["behaviour-suite"]
    assert isinstance(found.detail, RatesDetail)
    assert [(rate.name, rate.value, rate.n) for rate in found.detail.rates] == [
        ("knows not", 0.0, 60),
        ("knows", 1.0, 60),
        ("stays", 1.0, 60),
    ]
    assert found.value == pytest.approx(2 / 3)
    assert any("180 of 300 cases of mine.jsonl" in note for note in context.sampled)
    assert any("1 of 4 tests were not used: 'other'" in note for note in found.assumptions)
    empty = context_of(Ruled(lambda text: 0.9), ["a", "b"] * 10, [1, 0] * 10, suite=Suite("x", [], ["'a': b"]), quick=True)
    none = by_name(measure_behaviour(empty))["behaviour-suite"]
    assert (none.status, "'a': b" in str(none.reason)) == ("not measurable", True)


def test_a_case_fails_where_one_of_its_texts_does() -> None:
    classifier = context_of(Ruled(lambda text: {"a": 0.9, "b": 0.85, "c": 0.2, "d": 0.75}[text]), ["a"], [1]).asked
    cases = [
        Case(("a", "b", "c"), Expectation("stay")),
        Case(("a", "b"), Expectation("stay")),
        Case(("a", "b"), Expectation("not fall", 1)),  # within the tolerance
        Case(("a", "b", "d"), Expectation("not fall", 1)),
        Case(("c", "d"), Expectation("not rise")),  # the probability of the first answer, which is the other label
        Case(("d", "a"), Expectation("not rise")),
        Case(("a", "c"), Expectation("be", 1)),
        Case(("b",), Expectation("not be", 0)),
    ]
    found = failures_of(BehaviourTest("t", "c", cases), classifier)
    assert found.failed.tolist() == [True, False, False, True, False, True, True, False]
    assert found.moved[:2] == pytest.approx([0.7, 0.05])
    fewer = thinned(BehaviourTest("t", "c", cases), 4, 1, np.random.default_rng(0))
    assert len(fewer.cases) == 4
    assert all(case.texts[0] in "abcd" and len(case.texts) <= 2 for case in fewer.cases)
