"""Memory that was planted is found, memory that is absent is not, and texts of two kinds are not taken for memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fathom.data import CANARIES, Example, canaries_to_json, make_canaries, planted, read_canaries
from fathom.errors import ModelFolderError
from fathom.limits.asked import Asked
from fathom.limits.classifier import Classifier
from fathom.limits.context import Context, Labelled
from fathom.limits.measures.memorisation import MEASURING, _auc, measure_memorisation
from fathom.limits.policy import fit_policy
from fathom.limits.record import Measure

LABELS = ["bad", "good"]
WORDS = "film plot actor scene story music light camera sound ending".split()  # noqa: SIM905


class Sure(Classifier):
    """As sure of a text's label as a function says, and right."""

    door, name, labels = "python", "sure", LABELS

    def __init__(self, truth: dict[str, int], sure: dict[str, float]) -> None:
        self.truth, self.sure = truth, sure

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.array([self.sure[text] for text in texts])
        good = np.array([self.truth[text] for text in texts], dtype=bool)
        return np.where(good[:, None], np.stack([1 - rows, rows], axis=1), np.stack([rows, 1 - rows], axis=1))


def context(
    *, members: int = 300, others: int = 1000, boost: float = 0.0, marked: bool = False, seed: int = 0, known: bool = True
) -> Context:
    """Members get `boost` more logits; `marked`: they also hold a word that the others lack."""
    generator = np.random.default_rng(seed)
    n = members + others
    texts = [" ".join(generator.choice(WORDS, 6)) + f" {number}" for number in range(n)]
    if marked:
        texts = [text + (" premiere" if number < members else "") for number, text in enumerate(texts)]
    truth = generator.integers(2, size=n)
    logits = generator.normal(1.0, 1.0, n) + boost * (np.arange(n) < members)
    sure = 1 / (1 + np.exp(-logits))
    classifier = Sure(dict(zip(texts, truth.tolist(), strict=True)), dict(zip(texts, sure.tolist(), strict=True)))
    whole = Labelled(texts, truth, None)
    probabilities = classifier.probabilities(texts)
    policy = fit_policy(probabilities, truth, probabilities)
    return Context(
        Asked(classifier),
        report=whole.take(range(members, n)),
        calibrate=whole.take(range(members, n)),
        training=[Example(text, LABELS[label]) for text, label in zip(texts[:members], truth[:members], strict=True)],
        policy=policy,
        members=whole.take(range(members)),
        members_known=known,
        quick=True,
    )


def measured(found: Context) -> dict[str, Measure]:
    return {measure.name: measure for measure in measure_memorisation(found)}


def test_memory_is_found() -> None:
    found = measured(context(boost=3.0))
    auc, blind, tpr = (found[name] for name in ("membership-auc", "blind-auc", "membership-tpr"))
    assert auc.value is not None
    assert auc.interval is not None
    assert auc.value > 0.95
    assert auc.reason is None
    assert auc.interval[0] < auc.value < auc.interval[1]
    assert blind.interval is not None
    assert blind.interval[0] < 0.5 < blind.interval[1]
    assert tpr.value is not None
    assert tpr.interval is not None
    assert tpr.floor is not None
    assert tpr.interval[0] > 10 * tpr.floor.value
    assert tpr.floor.value <= 0.001


def test_absent_memory_is_not_found() -> None:
    found = measured(context())
    auc, tpr = found["membership-auc"], found["membership-tpr"]
    assert auc.interval is not None
    assert auc.interval[0] < 0.5 < auc.interval[1]
    assert "no sign of memory" in str(auc.reason)
    assert tpr.value is not None
    assert tpr.value < 0.02


def test_texts_of_two_kinds_are_no_memory() -> None:
    """The members can be told by a word; that the loss tells some of them, too, proves nothing then."""
    found = measured(context(boost=1.0, marked=True))
    assert found["blind-auc"].value is not None
    assert found["blind-auc"].value > 0.95
    assert found["membership-auc"].value is not None
    assert found["membership-auc"].value > 0.65
    assert "no sign of memory" in str(found["membership-auc"].reason)


def test_what_cannot_be_measured_is_said() -> None:
    few = measured(context(others=600))
    assert "less than one text" in str(few["membership-tpr"].reason)
    assert few["membership-auc"].status == "measured"
    unnamed = measured(dataclasses.replace(context(), training=None, members=None))
    assert {unnamed[name].status for name in ("membership-auc", "membership-tpr", "blind-auc")} == {"not measurable"}
    assert "--train" in str(unnamed["membership-auc"].reason)
    assert "as its folder remembers" in str(measured(context(members=10))["membership-auc"].reason)
    assert any("taken to be" in line for line in measured(context(known=False))["membership-auc"].assumptions)
    assert "--canaries" in str(unnamed["exposure"].reason)
    many = context(members=400)
    assert MEASURING.calls(many) == 300
    assert MEASURING.calls(dataclasses.replace(many, quick=False)) == 400
    measured(many)
    assert any("300 of 400" in note for note in many.sampled)


def with_canaries(remembers: bool) -> Context:
    canaries = make_canaries(24, LABELS, seed=3)
    base = context(members=60, others=60)
    generator = np.random.default_rng(5)
    assert isinstance(base.asked.classifier, Sure)
    for canary in canaries:
        base.asked.classifier.truth[canary.text] = 1
        good = generator.normal()
        if remembers and canary.label is not None:
            good = 6.0 if canary.label == "good" else -6.0
        base.asked.classifier.sure[canary.text] = 1 / (1 + np.exp(-good))
    return dataclasses.replace(base, canaries=canaries)


def test_exposure_of_what_is_remembered_and_of_what_is_not() -> None:
    seen = measured(with_canaries(True))["exposure"]
    assert seen.value == pytest.approx(10.0)
    assert seen.unit == "bits"
    assert "rank 1 of 1,024" in str(seen.worst[0].note)
    unseen = measured(with_canaries(False))["exposure"]
    assert unseen.floor is not None
    assert unseen.interval is not None
    assert unseen.floor.value == pytest.approx(1 / np.log(2), abs=0.02)
    assert unseen.interval[0] < unseen.floor.value < unseen.interval[1]
    constant = with_canaries(True)
    assert isinstance(constant.asked.classifier, Sure)
    constant.asked.classifier.sure = dict.fromkeys(constant.asked.classifier.sure, 0.5)
    assert measured(constant)["exposure"].value == 0.0  # equal confidences are no sign


@pytest.mark.parametrize("language", ["en", "zh"])
def test_canaries_are_random_texts_with_random_labels(language: str, tmp_path: object) -> None:
    found = make_canaries(200, LABELS, language=language, seed=1)  # type: ignore[arg-type]
    assert len({canary.text for canary in found}) == len(found) == 1223
    rows = planted(found)
    assert len(rows) == 200
    assert 70 < sum(row.label == "good" for row in rows) < 130
    assert found == make_canaries(200, LABELS, language=language, seed=1)  # type: ignore[arg-type]
    assert found != make_canaries(200, LABELS, language=language, seed=2)  # type: ignore[arg-type]


def test_canaries_are_kept_in_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = make_canaries(3, LABELS)
    (tmp_path / CANARIES).write_text(canaries_to_json(found), encoding="utf-8")
    assert read_canaries(tmp_path / CANARIES) == found
    (tmp_path / CANARIES).write_text('{"text": "a"}\n')
    with pytest.raises(ModelFolderError, match="is damaged"):
        read_canaries(tmp_path / CANARIES)


def test_auroc_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    member = generator.random(200) < 0.3
    score = generator.normal(size=200).round(1) + member
    assert _auc(member, score) == pytest.approx(roc_auc_score(member, score))
    assert _auc(np.ones(3, dtype=bool), np.arange(3.0)) == 0.5
