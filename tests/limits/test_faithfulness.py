"""Explanations that are true score above random orders, those of a classifier without reasons do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fathom.inference import Predictor
from fathom.limits.asked import Asked
from fathom.limits.classifier import Classifier, NotMeasurableError
from fathom.limits.context import Context, Labelled
from fathom.limits.doors.folder import FolderClassifier
from fathom.limits.measures.faithfulness import MEASURING, measure_faithfulness
from fathom.limits.policy import fit_policy
from fathom.limits.record import Measure
from fathom.pipeline.finetune import finetune
from fathom.pipeline.settings import FinetuneSettings
from tests import tiny

TEXTS = [example.text for example in tiny.examples(4)] * 2


class Keyed(Classifier):
    """Answers by the one word "a", or by none."""

    door, name, labels = "python", "keyed", ["bad", "good"]

    def __init__(self, word: str | None) -> None:
        self.word = word

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        good = np.array([0.9 if self.word is not None and self.word in text.split() else 0.2 for text in texts])
        return np.stack([1 - good, good], axis=1)


def context(classifier: Classifier, texts: Sequence[str] = TEXTS) -> Context:
    truth = np.arange(len(texts)) % 2
    whole = Labelled(list(texts), truth, None)
    probabilities = np.asarray(classifier.probabilities(texts))
    policy = fit_policy(probabilities, truth, probabilities)
    return Context(Asked(classifier), report=whole, calibrate=whole, training=None, policy=policy, quick=True)


def measured(found: Context) -> dict[str, Measure]:
    return {measure.name: measure for measure in measure_faithfulness(found)}


def test_of_a_classifier_keyed_on_one_word_occlusion_is_true() -> None:
    texts = [f"one {word} film a day" for word in ("dull", "warm", "long", "short", "loud", "quiet")]
    found = measured(context(Keyed("a"), texts))
    comprehensiveness, sufficiency = found["comprehensiveness-occlusion"], found["sufficiency-occlusion"]
    assert comprehensiveness.value == pytest.approx(70)
    assert sufficiency.value == pytest.approx(0)
    assert comprehensiveness.floor is not None
    assert comprehensiveness.floor.value < 50
    assert comprehensiveness.reason is None
    assert "first words: a, " in str(comprehensiveness.worst[0].note)
    for name in ("comprehensiveness-rollout", "sufficiency-integrated-gradients", "completeness-error", "sanity-occlusion"):
        assert found[name].status == "not measurable"
        assert "a Python callable gives no gradients" in str(found[name].reason)


def test_of_a_classifier_without_reasons_nothing_is_found() -> None:
    found = measured(context(Keyed(None)))
    assert found["comprehensiveness-occlusion"].value == 0
    assert "do not believe it" in str(found["comprehensiveness-occlusion"].reason)


def test_texts_without_words_cannot_be_measured() -> None:
    found = context(Keyed("a"), ["a b"] * 30)
    with pytest.raises(NotMeasurableError, match="only 0 of"):
        measure_faithfulness(found)
    assert MEASURING.calls(found) == 0
    assert MEASURING.calls(context(Keyed("a"))) > 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    settings = FinetuneSettings.model_validate(tiny.SCRATCH | {"training": {**tiny.SCRATCH["training"], "epochs": 8}})
    folder: Path = tmp_path_factory.mktemp("faithful") / "model"
    return finetune(settings, folder, train_examples=tiny.examples()).predictor


def test_of_a_trained_model_gradients_beat_random_orders(trained: Predictor) -> None:
    found = measured(context(FolderClassifier(trained), [f"{text} {number}" for number, text in enumerate(TEXTS[:40])]))
    assert {measure.status for measure in found.values()} == {"measured"}
    assert len(found) == 10
    for method in ("integrated-gradients", "occlusion"):
        own, floor = found[f"comprehensiveness-{method}"].value, found[f"comprehensiveness-{method}"].floor
        assert own is not None
        assert floor is not None
        assert own > floor.value + 5
        assert found[f"comprehensiveness-{method}"].reason is None
    error = found["completeness-error"].value
    assert error is not None
    assert error < 0.01
    for method in ("integrated-gradients", "occlusion", "rollout"):
        sanity = found[f"sanity-{method}"]
        assert sanity.value is not None
        assert -1 <= sanity.value <= 0.9  # not the explanation of a random network
