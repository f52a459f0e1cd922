"""An audit of a model that writes, from its door to limits.json and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fathom.cli.main import main
from fathom.data import Example
from fathom.errors import DataError, InterruptedRunError, PredictorError, SettingsError
from fathom.limits.measures import CAUSAL_MEASURINGS
from fathom.limits.page import PAGE_FILE, render_limits
from fathom.limits.record import LIMITS, Limits, read_limits
from fathom.limits.regression import compare_records
from fathom.limits.writing.model import Request
from fathom.limits.writing.verdict import causal_verdict
from fathom.pipeline.limits import ANSWERS, PARTIAL, audit
from tests import tiny
from tests.limits.scribes import Scribe
from tests.limits.test_page import english, plain


def invents(question: str, right: str | None, sample: int) -> str:
    return right or "That is Tasmota."


def learned(count: int = 12) -> list[Example]:
    return [Example(" ".join(f"w{number}x{place}" for place in range(110))) for number in range(count)]


def figures(limits: Limits) -> dict[str, Any]:
    found = limits.model_dump(mode="json")
    del found["cost"], found["making"]
    return found


def test_audit_of_a_model_that_writes(tmp_path: Path) -> None:
    told: list[str] = []
    answers: list[tuple[int, int]] = []
    found = audit(
        Scribe(on_fact=invents),
        output=tmp_path,
        on_message=told.append,
        on_answers=lambda more, total: answers.append((more, total)),
    )
    assert read_limits(tmp_path) == found
    assert {path.name for path in tmp_path.iterdir()} == {LIMITS, PAGE_FILE}
    assert (tmp_path / PAGE_FILE).read_text(encoding="utf-8") == render_limits(found)
    assert {measure.family for measure in found.measures} == {measuring.name for measuring in CAUSAL_MEASURINGS}
    assert (found.predictor.task, found.predictor.labels, found.policy, found.answers) == ("causal", [], None, None)
    assert found.data.report.n == sum(found.data.report.labels.values()) == found.data.rows > 200
    assert found.data.calibrate is None
    assert sum(more for more, _ in answers) == found.cost.calls
    assert {total for _, total in answers} == {answers[0][1]}
    assert found.cost.calls <= answers[0][1]
    extraction = found.measure("extraction")
    assert extraction is not None
    assert (extraction.status, extraction.reason) == (
        "not measurable",
        "no training texts were named; add --train DATA with what it learned from",
    )
    assert figures(audit(Scribe(on_fact=invents))) == figures(found)
    assert figures(audit(Scribe(on_fact=invents), seed=1))["data"] != figures(found)["data"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_a_model_that_writes(language: Any) -> None:
    found = audit(
        Scribe(on_fact=invents, reads=700, sure=9.0, right_choices=lambda number: number % 3 > 0),
        learned(13)[12:],
        train=learned(),
        language=language,
    )
    page = render_limits(found)
    text = plain(page)
    assert found.data.language == language
    assert "hallucination" in causal_verdict(found).named
    for words in {
        "en": ("A model that writes, asked", "makes up an answer in 100.0 %", "That is Tasmota.", "finding a plain sentence"),
        "zh": ("这是一个会写作的模型", "100.0 % 会编造答案", "That is Tasmota.", "里找一个简单的句子"),
    }[language]:
        assert words in text, words
    assert "policy" not in page.split("</style>")[1]
    assert "None" not in text
    if language == "zh":
        assert [word for word in english(page) if word not in {"That", "is", "Tasmota", "cannot", "find", "it", "scribe"}] == []


class Speaks(Scribe):
    """Behind a door that gives messages only."""

    door, capabilities = "openai", frozenset({"messages"})


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (Scribe(), {"quick": True}),
        (Scribe(reads=1), {"train": learned(), "budget": 300}),
        (Speaks(), {"train": learned(), "only": ["extraction", "multiple-choice", "closed-book"]}),
        (Scribe(), {"train": learned()[:3], "data": learned(13)[12:]}),
    ],
)
def test_a_chinese_page_of_a_model_that_writes_is_chinese(model: Scribe, more: dict[str, Any]) -> None:
    page = render_limits(audit(model, language="zh", **more))
    said = {"cannot", "find", "scribe", "don", "know", "OpenAI"}  # what the model says, and names
    assert [word for word in english(page) if word not in said] == []


def test_verdicts_follow_from_what_was_found() -> None:
    good = causal_verdict(audit(Scribe(sure=9.0)))
    assert "finding a plain sentence in texts of up to 2,048\u00a0words" in good.trust
    assert good.named == ()
    ignorant = audit(Scribe(on_fact=lambda question, right, sample: "I don't know."), only=["closed-book"])
    assert causal_verdict(ignorant).trust.startswith("Nothing that was measured")
    assert "it answers only 0.0" in causal_verdict(ignorant).distrust
    nothing = causal_verdict(audit(Scribe(), only=["extraction"]))
    assert nothing.trust.startswith("Nothing that this page could say")
    assert nothing.do.startswith("Measure it")


def test_questions_and_held_out_texts_are_told_apart(tmp_path: Path) -> None:
    own = tmp_path / "questions.jsonl"
    rows = [
        {"question": "Which animal barks?", "choices": ["cat", "dog"], "answer": "dog"},
        {"question": "What do bees make?", "choices": ["honey", "milk"], "answer": "A"},
        {"question": "What colour is grass?", "choices": ["red", "green", "blue"], "answer": 1},
    ]
    own.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = audit(Scribe(), str(own), only=["multiple-choice"]).measure("choice-accuracy")
    assert found is not None
    assert (found.value, found.n) == (1.0, 3)
    held = tmp_path / "held.jsonl"
    held.write_text("\n".join(json.dumps({"text": one.text}) for one in learned(24)[12:]), encoding="utf-8")
    rate = audit(Scribe(), str(held), train=learned(), only=["extraction"]).measure("extraction-rate")
    assert rate is not None
    assert rate.floor is not None
    assert rate.floor.what == "12 held-out texts, which it has not seen"
    with pytest.raises(DataError, match="also in --train"):
        audit(Scribe(), learned(), train=learned())
    for row, message in (
        ("{", "line 2"),
        ('{"question": "a"}', "it has no 'choices'"),
        ('{"question": "a", "choices": ["b"], "answer": 0}', "1 choices"),
        ('{"question": "a", "choices": ["b", "b"], "answer": 0}', "different ones"),
        ('{"question": "a", "choices": ["b", "c"], "answer": "none"}', "the answer is 'none'"),
        ('{"question": "a", "choices": ["b", "c"], "answer": 2}', "the answer is 2"),
        ('{"question": "", "choices": ["b", "c"], "answer": 0}', "no text"),
        ("[]", "line 2"),
    ):
        own.write_text(json.dumps(rows[0]) + "\n" + row, encoding="utf-8")
        with pytest.raises(DataError) as caught:
            audit(Scribe(), str(own))
        assert message in str(caught.value)
        assert '"choices"' in str(caught.value)


class Fails(Scribe):
    """Ends after some prompts."""

    def __init__(self, after: int, error: BaseException, **more: Any) -> None:
        super().__init__(**more)
        self.after, self.error = after, error

    def write(self, requests: Sequence[Request]) -> list[list[str]]:
        if len(self.asked) + len(requests) > self.after:
            raise self.error
        return super().write(requests)


def test_an_interrupted_audit_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    whole = audit(Scribe(on_fact=invents))
    with pytest.raises(InterruptedRunError, match="repeat the command"):
        audit(Fails(200, KeyboardInterrupt(), on_fact=invents), output=tmp_path, on_message=told.append)
    assert {path.name for path in tmp_path.iterdir()} == {ANSWERS, PARTIAL}
    partial = read_limits(tmp_path / PARTIAL)
    assert (partial.complete, partial.ended) == (False, "stopped by the user")
    assert {measure.family for measure in partial.measures} == {"closed-book", "multiple-choice"}
    render_limits(partial)
    again = Scribe(on_fact=invents)
    found = audit(again, output=tmp_path, on_message=told.append)
    assert any("going on with an interrupted audit" in message for message in told)
    assert found.cost.calls < whole.cost.calls
    assert figures(found) == figures(whole)
    assert {path.name for path in tmp_path.iterdir()} == {LIMITS, PAGE_FILE}


def test_a_model_that_fails_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fathom.limits.asking.time.sleep", lambda seconds: None)
    with pytest.raises(PredictorError, match=r"scribe gave no answer to .*gone"):
        audit(Fails(200, OSError("gone")), output=tmp_path)
    assert (tmp_path / PARTIAL).is_file()
    with pytest.raises(PredictorError, match="did not answer 16 prompts with 16 texts"):
        Scribe.write, kept = (lambda self, requests: [["one"]]), Scribe.write  # type: ignore[method-assign]
        try:
            audit(Scribe())
        finally:
            Scribe.write = kept  # type: ignore[method-assign]


def test_a_budget_skips_families_and_says_so() -> None:
    found = audit(Scribe(), budget=150)
    assert found.cost.calls <= 150
    assert {measure.status for measure in found.measures if measure.family == "semantic-entropy"} == {"skipped for budget"}
    assert next(measure for measure in found.measures if measure.family == "closed-book").status == "measured"


def test_what_does_not_belong_to_a_model_that_writes_is_refused(tmp_path: Path) -> None:
    for more, message in (
        ({"near": "x"}, "near came with scribe"),
        ({"pairs": "x"}, "pairs came with"),
        ({"positive": "good"}, "positive came with"),
        ({"labels": ["a", "b"]}, "gives no labels"),
        ({"only": ["calibration"]}, "no measure 'calibration'"),
    ):
        with pytest.raises(SettingsError, match=message):
            audit(Scribe(), **more)


def test_no_examples_leaves_answers_out() -> None:
    found = audit(Scribe(on_fact=invents), examples=False, only=["closed-book"])
    assert "Tasmota" not in found.model_dump_json()


def test_two_records_of_models_that_write_are_compared() -> None:
    knows, makes_up = audit(Scribe(), quick=True), audit(Scribe(on_fact=invents), quick=True)
    found = compare_records(knows, makes_up)
    assert {change.name for change in found.worse} == {"hallucination", "abstention-on-invented"}
    assert found.same_texts
    assert found.notes == [note for note in found.notes if note.startswith("not compared: ")]
    assert compare_records(knows, knows).worse == []
    other = compare_records(knows, audit(Scribe(), quick=True, seed=3))
    assert other.notes[0].startswith("the prompts differ (")


def test_a_folder_that_writes_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny.writer_folder(tmp_path / "writer", max_length=256)
    only = ["--only", "closed-book", "--only", "multiple-choice", "--only", "effective-context"]
    assert main(["limits", str(model), "--quick", *only]) == 0
    out = capsys.readouterr().out
    for words in ("Questions about invented things", "choosing at random", "texts written or scored", "not measurable:"):
        assert words in out, words
    record = read_limits(model)
    assert record.predictor.capabilities == ["continuations", "log-probabilities", "messages", "tokens"]
    assert record.predictor.fingerprint is not None
    reason = next(measure.reason for measure in record.measures if measure.family == "effective-context")
    assert reason is not None
    assert "reads and writes 256 together" in reason
    assert main(["limits", "--compare", str(model), str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["regression"] is False
    train = tiny.csv_file(
        tmp_path / "train.csv", [Example("a joy from start to finish " * 40 + str(n), "x") for n in range(12)]
    )
    assert main(["limits", str(model), "--train", str(train), "--only", "extraction", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [measure["status"] for measure in found["measures"]] == ["measured"]
    assert found["measures"][0]["n"] == 12


def test_a_classifier_still_needs_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["limits", str(tiny.model_folder(tmp_path / "model"))]) == 2
    assert "no data was named, and model is a classifier" in capsys.readouterr().err
    assert main(["limits", "openai:http://127.0.0.1:1/v1", "--quick"]) == 2
    assert "--output FOLDER" in capsys.readouterr().err
