"""An audit from its door to limits.json: what goes on, what is kept, what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fathom
from fathom.data import Example
from fathom.errors import DataError, InterruptedRunError, ModelFolderError, PredictorError, SettingsError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Context, Measuring
from fathom.limits.guard import Guarded
from fathom.limits.measures import (
    abstention,
    accuracy,
    behaviour,
    calibration,
    leakage,
    memorisation,
    pairs,
    selective,
    shortcuts,
)
from fathom.limits.page import PAGE_FILE, render_limits
from fathom.limits.record import LIMITS, Limits, Measure, read_limits
from fathom.pipeline import limits as pipeline
from fathom.pipeline.limits import ANSWERS, PARTIAL, audit
from fathom.pipeline.seen import SEEN, SeenTexts
from tests import tiny

# they ask for no other text than the data's; the rest is measured in tests/limits
MEASURINGS = (accuracy.MEASURING, calibration.MEASURING, selective.MEASURING, abstention.MEASURING)


@pytest.fixture(autouse=True)
def few_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MEASURINGS", MEASURINGS)


def examples(n: int = 240, *, groups: bool = False) -> list[Example]:
    return [
        Example(f"text {number}", ("bad", "good")[number % 2], group=f"film {number // 6}" if groups else None)
        for number in range(n)
    ]


class Knows:
    """Right for nine texts in ten, and surer where it is right."""

    labels = ("bad", "good")

    def __init__(self, fails_after: int | None = None, error: BaseException | None = None) -> None:
        self.asked = 0
        self._fails_after, self._error = fails_after, error or RuntimeError("gone")

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += len(texts)
        if self._fails_after is not None and self.asked > self._fails_after:
            raise self._error
        rows = []
        for text in texts:
            number = int(text.split()[1])
            sure, good = (0.6, 1 - number % 2) if number % 10 == 3 else (0.8 + (number % 19) / 100, number % 2)
            rows.append([1 - sure, sure] if good else [sure, 1 - sure])
        return np.array(rows)


def figures(limits: Limits) -> dict[str, Any]:
    found = limits.model_dump(mode="json")
    del found["cost"], found["making"]
    return found


def test_audit_measures_records_and_says_what_it_costs(tmp_path: Path) -> None:
    model, told, answers = Knows(), [], []
    found = fathom.audit(
        model, examples(), output=tmp_path, on_message=told.append, on_answers=lambda more, total: answers.append((more, total))
    )
    assert read_limits(tmp_path) == found
    assert {path.name for path in tmp_path.iterdir()} == {LIMITS, PAGE_FILE}
    assert (tmp_path / PAGE_FILE).read_text(encoding="utf-8") == render_limits(found)
    assert found.data.language == "en"
    assert found.complete
    assert (found.data.calibrate.n, found.data.report.n) == (120, 120)
    assert found.data.calibrate.sha256 != found.data.report.sha256
    assert found.cost.calls == model.asked == 240 + 8
    assert sum(more for more, _ in answers) == 240
    assert {total for _, total in answers} == {240}
    assert {measure.family for measure in found.measures} == {measuring.name for measuring in MEASURINGS}
    accuracy = found.measure("accuracy")
    assert accuracy is not None
    assert accuracy.value == pytest.approx(0.9, abs=0.06)
    assert [example.confidence for example in accuracy.worst] == [pytest.approx(0.6)] * len(accuracy.worst)
    beyond = found.measure("accuracy-beyond-words")
    assert beyond is not None
    assert (beyond.status, beyond.reason) == (
        "not measurable",
        "no training texts were named for a bag of words to learn from; add --train DATA",
    )
    assert figures(audit(Knows(), examples())) == figures(found)
    assert figures(audit(Knows(), examples(), seed=1))["data"] != figures(found)["data"]


def test_splits_share_no_group_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Context] = []
    spy = Measuring("spy", "looks", lambda context: seen.append(context) or [])  # type: ignore[func-returns-value]
    monkeypatch.setattr(pipeline, "MEASURINGS", (spy,))
    audit(Knows(), [*examples(groups=True), *examples(60)])  # sixty texts stand in it twice
    audit(Knows(), examples(groups=True), most_texts=20)
    mixed, grouped = seen
    assert not set(grouped.report.groups or []) & set(grouped.calibrate.groups or [])
    assert (len(grouped.report), len(grouped.calibrate)) == (20, 20)
    assert mixed.report.groups is None
    assert any("20 of 120 texts of the report split" in note for note in grouped.sampled)
    audit(Knows(), [*examples(), *examples()])
    assert not set(seen[-1].report.texts) & set(seen[-1].calibrate.texts)
    copies = [Example(example.text, example.label, group=f"copies {n % 7}") for n, example in enumerate(examples())]
    audit(Knows(), [*examples(groups=True), *copies])
    assert not set(seen[-1].report.texts) & set(seen[-1].calibrate.texts)
    assert any("also stand in the calibrate split" in note for note in seen[-1].sampled)


def test_interrupted_audit_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = audit(Knows(), examples(1400))
    with pytest.raises(InterruptedRunError, match="stopped while measuring"):
        audit(Knows(900, KeyboardInterrupt()), examples(1400), output=tmp_path)
    assert (tmp_path / ANSWERS).is_file()
    model, told = Knows(), []
    found = audit(model, examples(1400), output=tmp_path, on_message=told.append)
    assert any("going on with an interrupted audit" in text for text in told)
    assert model.asked < 1400 - 500
    assert figures(found) == figures(whole)
    assert {path.name for path in tmp_path.iterdir()} == {LIMITS, PAGE_FILE}


def test_what_was_measured_before_a_failure_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asks_more(context: Context) -> list[Measure]:
        context.asked.probabilities([f"more {number}" for number in range(50)])
        raise AssertionError("the classifier has failed before")

    more = Measuring("more", "asks for more texts", asks_more, calls=lambda context: 50)
    monkeypatch.setattr(pipeline, "MEASURINGS", (*MEASURINGS, more))
    before = audit(Knows(), examples(), output=tmp_path, only=["accuracy"])
    told: list[str] = []
    with pytest.raises(PredictorError, match="raised RuntimeError when asked for 50 texts"):
        audit(Knows(248), examples(), output=tmp_path, on_message=told.append)
    assert read_limits(tmp_path / LIMITS) == before  # the policy that is in use stays
    partial = read_limits(tmp_path / PARTIAL)
    assert not partial.complete
    assert "raised RuntimeError" in str(partial.ended)
    assert {measure.family for measure in partial.measures} == {measuring.name for measuring in MEASURINGS}
    assert any(str(tmp_path / PARTIAL) in text for text in told)


def test_what_cannot_be_measured_or_paid_is_recorded_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_door(context: Context) -> list[Measure]:
        context.asked.classifier.embeddings(["x"])
        return []

    def dear(context: Context) -> list[Measure]:
        context.asked.probabilities([f"text {number}" for number in range(1000, 3000)])
        return []

    def refused(context: Context) -> list[Measure]:
        raise NotMeasurableError("there is no such text")

    own = (Measuring("door", "d", no_door), Measuring("dear", "d", dear), Measuring("refused", "d", refused))
    monkeypatch.setattr(pipeline, "MEASURINGS", own)
    found = audit(Knows(), examples(), budget=1000)
    assert [(measure.name, measure.status) for measure in found.measures] == [
        ("door", "not measurable"),
        ("dear", "skipped for budget"),
        ("refused", "not measurable"),
    ]
    assert [measure.reason for measure in found.measures] == [
        "a Python callable gives no embeddings",
        "2,000 more answers are needed, and 752 calls are left of 1,000",
        "there is no such text",
    ]
    small = audit(Knows(), examples(400), budget=100)
    assert small.cost.calls <= 100
    assert (small.data.report.n, small.data.calibrate.n) == (21, 21)


def test_training_texts_stand_in_no_split_and_make_a_bag_of_words() -> None:
    words = [Example(example.text, example.label) for example in tiny.examples(30)]
    model = Knows()
    model.predict_proba = lambda texts: np.tile([0.5, 0.5], (len(texts), 1))  # type: ignore[method-assign]
    found = audit(model, words[:150], train=words)
    assert found.data.training is not None
    assert found.data.training.n == 150
    beyond = found.measure("accuracy-beyond-words")
    assert beyond is not None
    assert beyond.status == "measured"
    assert beyond.value is not None
    assert beyond.value < -30  # a bag of words knows these texts, and the model nothing
    assert beyond.interval is not None
    assert beyond.interval[1] < 0


def test_training_texts_that_are_all_in_the_data_are_said_and_nothing_is_learned_from_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        pipeline, "MEASURINGS", (accuracy.MEASURING, shortcuts.MEASURING, leakage.MEASURING, memorisation.MEASURING)
    )
    rows = examples()
    file = tmp_path / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{row.text},{row.label}\n" for row in rows), encoding="utf-8")
    for data, train in ((rows, rows), (rows, list(rows)), (rows, rows[:100]), (str(file), str(file))):
        found = audit(Knows(), data, train=train)
        named = 100 if len(train) == 100 else 240
        assert found.sampled[0] == f"{named} of {named} training texts also stand in the data, and were left out"
        assert found.data.training is None
        for name in ("accuracy-beyond-words", "shortcuts", "membership-auc"):
            measure = found.measure(name)
            assert measure is not None
            assert measure.status == "not measurable"
            assert "also stand in the data" in str(measure.reason)
        overlap = found.measure("data-in-training")
        assert overlap is not None
        assert overlap.value == pytest.approx(named / 240)


def test_two_splits_of_the_same_name_are_not_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "MEASURINGS", (leakage.MEASURING,))
    for split, rows in (("train", examples()[:120]), ("test", examples()[120:])):
        lines = "".join(f"{row.text},{row.label}\n" for row in rows)
        (tmp_path / f"{split}.csv").write_text("text,label\n" + lines, encoding="utf-8")
    found = audit(Knows(), str(tmp_path), train=str(tmp_path))
    assert (found.data.rows, found.data.training and found.data.training.n) == (120, 120)
    overlap = found.measure("data-in-training")
    assert overlap is not None
    assert overlap.value == 0.0
    same = audit(Knows(), str(tmp_path), split="train", train=str(tmp_path))
    assert same.data.training is None
    assert "120 of 120 training texts also stand in the data" in same.sampled[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("limits") / "model")


def copy_of(folder: Path, target: Path, seen: Sequence[Example] = ()) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    digests = SeenTexts()
    for example in seen:
        digests.add(example)
    digests.save(target / SEEN)
    return target


def test_texts_that_were_trained_on_are_left_out_or_called_contaminated(folder: Path, tmp_path: Path) -> None:
    data = tiny.examples(30)
    part = audit(str(copy_of(folder, tmp_path / "part", data[:100])), data)
    assert (part.data.rows, part.data.seen, part.data.report.n + part.data.calibrate.n) == (300, 100, 200)
    assert any("100 of 300 texts were trained on, and left out" in note for note in part.sampled)
    whole = audit(str(copy_of(folder, tmp_path / "whole", data)), data)
    accuracy = whole.measure("accuracy")
    assert accuracy is not None
    assert (accuracy.status, accuracy.reason) == (
        "contaminated",
        "300 of 300 texts were in its training data: a figure of memory",
    )
    assert audit(fathom.load(folder), data).data.seen is None


def test_guarded_obeys_the_record_of_its_own_model_only(folder: Path, tmp_path: Path) -> None:
    model = copy_of(folder, tmp_path / "model")
    with pytest.raises(ModelFolderError, match="fathom limits MODEL --data DATA"):
        Guarded.load(model)
    found = audit(str(model), tiny.examples(30), output=model)
    assert found.policy is not None
    guarded = Guarded.load(model)
    for prediction, decision in guarded.predict(["a joy from start to finish", "dull " * 60]):
        assert decision.action in ("answer", "warn", "abstain")
        assert (decision.label is None) == (decision.action == "abstain")
        assert decision.label in (None, prediction.label)
    assert "too long" in guarded.predict(["dull " * 60])[0][1].because
    other = tiny.model_folder(tmp_path / "other", seed=1)
    with pytest.raises(ModelFolderError, match="made for other weights"):
        Guarded.load(other, record=model)
    own = audit(
        Knows(), [Example(e.text, {"bad": "bad", "good": "good"}[e.label or ""]) for e in examples()], output=tmp_path / "o"
    )
    assert own.predictor.fingerprint is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([Example("a", "bad"), Example("b", "worse")], "labels that the classifier does not know: worse"),
        ([Example("a", "bad"), Example("b", None)], "1 texts of the examples have no label"),
        ([Example("a", "bad", pair="c"), Example("b", "good")], "holds pairs of texts"),
        ([], "holds no texts"),
        ([Example(f"{n}", "bad") for n in range(99)], "all texts of the examples have the label 'bad'"),
        (examples(20), "leaves 10 texts for the part that is to calibrate"),
        ([Example(e.text, e.label, group="one film") for e in examples()], "of groups that can be parted"),
    ],
)
def test_data_that_cannot_be_used_are_said(data: list[Example], message: str) -> None:
    with pytest.raises(DataError) as caught:
        audit(Knows(), data)
    assert message in str(caught.value)


class Counts:
    """Reads two words and no order."""

    labels = ("rotten", "fresh")

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        good = np.array([0.5 + 0.4 * ("good" in text) - 0.4 * ("bad" in text) for text in texts])
        return np.stack([1 - good, good], axis=1)


def test_suites_and_pairs_that_are_named_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MEASURINGS", (behaviour.MEASURING, pairs.MEASURING))
    data = [Example(f"{('bad', 'good')[n % 2]} thing {n}", ("rotten", "fresh")[n % 2]) for n in range(60)]
    suite = tmp_path / "suite.jsonl"
    suite.write_text(json.dumps({"test": "not bad", "texts": ["It is not bad."], "label": "fresh"}) + "\n")
    file = tmp_path / "pairs.csv"
    file.write_text("text,label,group\n" + "".join(f"good {n},pos,{n}\nbad {n},neg,{n}\n" for n in range(30)))
    found = audit(Counts(), data, suite=suite, pairs=file, quick=True)
    own, negation, consistency = (
        found.measure(name) for name in ("behaviour-suite", "behaviour-negation", "contrast-consistency")
    )
    assert own is not None
    assert own.value == 0.0
    assert negation is not None
    assert negation.value is not None
    assert consistency is not None
    assert (consistency.value, consistency.n) == (1.0, 30)
    without = audit(Counts(), data, quick=True)
    assert without.measure("behaviour-suite") is None
    missing = without.measure("pairs")
    assert missing is not None
    assert missing.reason == "no pairs of texts were named; add --pairs FILE"
    with pytest.raises(DataError, match="no file at"):
        audit(Counts(), data, suite=tmp_path / "gone.jsonl")
    with pytest.raises(SettingsError, match="there is no label 'good'"):
        audit(Counts(), data, positive="good")


def test_settings_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    for wrong, message in (
        ({"only": ["luck"]}, "there is no measure 'luck'"),
        ({"target": 1.0}, "target"),
        ({"budget": 5}, "budget"),
        ({"language": "fr"}, "language"),
        ({"sharp": True}, "sharp"),
    ):
        with pytest.raises(SettingsError) as caught:
            audit(Knows(), examples(), **wrong)
        assert message in str(caught.value)
    with pytest.raises(SettingsError, match="there is no measure 'luck'"):  # before a model is looked for
        audit("python:nowhere:gone", examples(), only=["luck"])
    (tmp_path / LIMITS).write_text(json.dumps({"notes": "of mine"}))
    with pytest.raises(SettingsError, match="is not replaced"):
        audit(Knows(), examples(), output=tmp_path)
    with pytest.raises(SettingsError, match="is a file"):
        audit(Knows(), examples(), output=tmp_path / LIMITS)


def test_guarded_stops_texts_unlike_the_known_ones_and_in_another_language(folder: Path, tmp_path: Path) -> None:
    model = copy_of(folder, tmp_path / "model")
    found = audit(str(model), tiny.examples(60), output=model)
    assert found.policy is not None
    gates = found.policy.gates
    assert gates.likeness is not None
    assert gates.writing is not None
    assert found.cost.calls == 600 + 2 * 8  # embeddings came in one pass with the answers
    guarded = Guarded.load(model)
    answers = guarded.predict(
        [*(example.text for example in tiny.examples(60)[:100]), "很无聊的电影，我看了一个小时就走了", "dull " * 9]
    )
    stopped = [decision for _, decision in answers[:100] if "wrong language" in decision.because]
    assert len(stopped) < 10
    chinese = answers[100][1]
    assert (chinese.action, chinese.label) == ("abstain", None)
    assert "wrong language" in chinese.because
    assert fathom.load(model).predict(["dull " * 9])[0].scores == pytest.approx(answers[101][0].scores)
    assert [p.text for p, _ in guarded.stream([Example("a joy"), Example("dull")], chunk=1)] == ["a joy", "dull"]
    with pytest.raises(DataError, match="pairs of texts"):
        list(guarded.stream([Example("a", pair="b")]))
    farther = gates.likeness.model_copy(update={"threshold": -1.0})
    guarded.policy = found.policy.model_copy(update={"gates": gates.model_copy(update={"likeness": farther})})
    assert "unlike training" in guarded.predict(["a joy from start to finish"])[0][1].because


def test_a_data_set_is_no_leak_of_itself_and_named_training_texts_are(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    seen: list[Context] = []
    spy = Measuring("spy", "looks", lambda context: seen.append(context) or [])  # type: ignore[func-returns-value]
    monkeypatch.setattr(pipeline, "MEASURINGS", (spy,))
    data = tiny.examples(30)
    model = str(copy_of(folder, tmp_path / "part", data[:100]))
    audit(model, data, train=data)
    audit(model, data, train=data[:150])
    known = [context.known([example.text for example in data]) for context in seen]
    assert [int((found == 1).sum()) for found in known if found is not None] == [100, 150]
    assert len(seen[1].rows) == 300
    audit(folder, data, near=[Example(f"text {n}", "worse") for n in range(40)], compare_data=data[:50])
    assert seen[2].known(["a joy"]) is None
    assert seen[2].near is not None
    assert seen[2].near.truth is None
    assert seen[2].compared is not None
    assert seen[2].compared.truth is not None
    with pytest.raises(DataError, match="holds 3 texts"):
        audit(folder, data, far=data[:3])
