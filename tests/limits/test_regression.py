"""Two audits side by side: what changed is found, what did not is not, and what cannot be compared is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from fathom.data import Example
from fathom.errors import DataError, SettingsError
from fathom.limits.record import Limits, write_limits
from fathom.limits.regression import Change, _Answers, compare_records, pack_answers
from fathom.pipeline.limits import audit

N = 800


def examples(prefix: str = "text") -> list[Example]:
    return [Example(f"{prefix} {n}", ("bad", "good")[n % 2], group=f"film {n // 4}") for n in range(N)]


def model(accuracy: float, *, sure: float, seed: int) -> Callable[[Sequence[str]], np.ndarray]:
    """Right for about this share of the texts, the same ones for a given seed as long as the share only grows."""
    luck = np.random.default_rng(seed).random(N)

    def answer(texts: Sequence[str]) -> np.ndarray:
        rows = []
        for text in texts:
            number = int(text.split()[1])
            good = number % 2 == (1 if luck[number] < accuracy else 0)
            rows.append([1 - sure, sure] if good else [sure, 1 - sure])
        return np.array(rows)

    return answer


def measured(
    accuracy: float,
    data: list[Example] | None = None,
    *,
    sure: float | None = None,
    seed: int = 0,
    only: Sequence[str] = ("accuracy", "calibration", "selective"),
) -> Limits:
    """With a confidence that is the accuracy, unless another is asked for."""
    predictor = model(accuracy, sure=accuracy if sure is None else sure, seed=seed)
    return audit(predictor, data or examples(), labels=["bad", "good"], only=list(only), quick=True)


def named(changes: list[Change]) -> dict[str, Change]:
    return {change.name: change for change in changes}


@pytest.fixture(scope="module")
def old() -> Limits:
    return measured(0.85)


def test_answers_come_back_without_a_text(old: Limits) -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 21)
    truth = np.arange(21) % 3
    groups = [f"film {n // 2}" for n in range(21)]
    found = _Answers.of(pack_answers("0", probabilities, truth, groups))
    assert found.right.tolist() == (probabilities.argmax(axis=1) == truth).tolist()
    np.testing.assert_allclose(found.confidence, probabilities.max(axis=1), rtol=1e-6)
    assert found.groups is not None
    assert len(set(found.groups)) == 11
    assert old.answers is not None
    assert len(old.answers.model_dump_json()) < 15 * old.answers.n
    with pytest.raises(DataError, match="damaged"):
        _Answers.of(pack_answers("0", probabilities, truth, None).model_copy(update={"n": 5000}))


def test_the_same_record_has_changed_in_nothing(old: Limits) -> None:
    found = compare_records(old, old)
    assert found.same_texts
    assert found.worse == []
    assert {change.verdict for change in found.changes} == {"no difference"}
    assert {change.p_value for change in found.changes} == {1.0}


def test_what_got_worse_and_better_is_found_in_pairs(old: Limits) -> None:
    worse = compare_records(old, measured(0.78))
    accuracy = named(worse.changes)["accuracy"]
    assert (accuracy.verdict, accuracy.paired) == ("worse", True)
    assert accuracy.interval[0] < accuracy.difference < accuracy.interval[1] < 0
    assert worse.changes[0].verdict == "worse"
    better = compare_records(measured(0.78), old)
    assert named(better.changes)["accuracy"].verdict == "better"
    assert named(better.changes)["accuracy"].difference == pytest.approx(-accuracy.difference)
    assert better.worse == []
    surer = named(compare_records(measured(0.75), measured(0.75, sure=0.95)).changes)
    assert surer["accuracy"].verdict == "no difference"
    assert surer["calibration-error"].verdict == "worse"
    assert surer["overconfidence"].verdict == "changed"  # it has no better side


def test_chance_is_no_regression() -> None:
    """Two equally good models that err on different texts, eight times."""
    alarms = 0
    for seed in range(8):
        first, second = (measured(0.85, seed=2 * seed + part, only=["accuracy"]) for part in (1, 2))
        alarms += bool(compare_records(first, second).worse)
    assert alarms <= 1


def test_other_texts_are_compared_by_intervals_and_said(old: Limits) -> None:
    found = compare_records(old, measured(0.6, examples("other")))
    assert not found.same_texts
    assert named(found.changes)["accuracy"].verdict == "worse"
    assert not any(change.paired for change in found.changes)
    assert "a difference may be of the texts" in found.notes[0]
    without = old.model_copy(update={"answers": None})
    assert any("earlier version" in note for note in compare_records(without, old).notes)
    assert not any(change.paired for change in compare_records(without, old).changes)


def test_what_cannot_be_compared_is_said(old: Limits) -> None:
    other = old.model_copy(update={"predictor": old.predictor.model_copy(update={"labels": ["no", "yes"]})})
    with pytest.raises(DataError, match="the labels were bad, good and are no, yes"):
        compare_records(old, other)
    with pytest.raises(SettingsError, match="neither record has the measure 'luck'"):
        compare_records(old, old, only=["luck"])
    assert {change.name for change in compare_records(old, old, only=["selective"]).changes} == {"aurc", "augrc"}
    fewer = old.model_copy(update={"measures": old.measures[:1]})
    assert any("not there now" in note for note in compare_records(old, fewer).notes)
    with pytest.raises(DataError, match="no measure in common"):
        compare_records(old, old.model_copy(update={"measures": []}))
    tainted = old.measures[0].model_copy(update={"status": "contaminated", "reason": "seen"})
    whole = old.model_copy(update={"measures": [tainted, *old.measures[1:]]})
    assert any("contaminated before, contaminated now" in note for note in compare_records(whole, whole).notes)


def test_the_gate_exits_with_3(old: Limits, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from fathom.cli.main import main

    write_limits(tmp_path / "old.json", old)
    write_limits(tmp_path / "new.json", measured(0.78))
    asked = ["limits", "--compare", str(tmp_path / "old.json"), str(tmp_path / "new.json")]
    assert main(asked) == 3
    captured = capsys.readouterr()
    assert "worse" in captured.out
    assert "new.json is worse than" in captured.err
    assert main([*asked, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["regression"] is True
    assert found["changes"][0]["verdict"] == "worse"
    assert main(["limits", "--compare", asked[3], asked[2]]) == 0
    assert main([*asked, "--only", "luck"]) == 2
    assert main(["limits", "--compare", asked[2], str(tmp_path / "none.json")]) == 2
    assert main([*asked, "--data", "rotten-tomatoes"]) == 2
    capsys.readouterr()
    assert main(["limits"]) == 2
    assert "no MODEL was named" in capsys.readouterr().err
    assert main(["limits", "folder"]) == 2
    assert "folder is no folder that fathom wrote" in capsys.readouterr().err
