"""A classifier that obeys its own audit: each answer comes with what the policy of limits.json says of it.

guarded = Guarded.load("runs/mine")
prediction, decision = guarded.predict(["A joy from start to finish."])[0]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fathom.checkpoint import resolve_model
from fathom.errors import ModelFolderError
from fathom.inference import Prediction, Predictor
from fathom.limits.doors.folder import FolderClassifier
from fathom.limits.policy import Decision, Policy, decide
from fathom.limits.record import Limits, read_limits


class Guarded:
    """A `Predictor` and the policy that was fitted for it. Not changed by answering, so threads may share it."""

    def __init__(self, predictor: Predictor, limits: Limits, *, folder: Path | None = None) -> None:
        """`folder`: where the predictor was read from.

        Raises:
            ModelFolderError: the record is of another model, or holds no policy.
            SettingsError: the model is no classifier.
        """
        classifier = FolderClassifier(predictor, folder=folder)
        measured = limits.predictor
        if measured.labels != predictor.labels:
            raise ModelFolderError(
                f"the record is of a classifier with the labels {', '.join(measured.labels)}",
                expected=f"the labels of this one: {', '.join(predictor.labels)}",
                do="measure this one: fathom limits MODEL --data DATA",
            )
        if measured.fingerprint is not None and folder is not None and measured.fingerprint != classifier.fingerprint():
            raise ModelFolderError(
                f"the record was made for other weights or settings than those in {folder}; its policy promises nothing here",
                expected="the record of this model",
                do=f"measure it: fathom limits {folder} --data DATA",
            )
        if limits.policy is None:
            raise ModelFolderError("the record holds no policy: its audit ended early", do="repeat the audit")
        self.predictor = predictor
        self.policy: Policy = limits.policy

    @classmethod
    def load(cls, spec: str | Path, *, record: Path | None = None, device: str | None = None) -> Guarded:
        """A model folder with its limits.json.

        Args:
            spec: a folder, a known name or hf:owner/name.
            record: the record, or the folder that holds it; None: the model's folder.
            device: "cpu", "cuda", …; None: a GPU when there is one.

        Raises:
            FathomError: no usable model, no usable record, or a record of another model.
        """
        folder = resolve_model(spec)
        limits = read_limits(record or folder)
        return cls(Predictor.load(spec, device=device), limits, folder=folder)

    def predict(self, texts: Sequence[str]) -> list[tuple[Prediction, Decision]]:
        """One answer a text, in their order; `Prediction.confidence` is the model's own, `Decision.confidence` the policy's."""
        return [(prediction, self.decide(prediction)) for prediction in self.predictor.predict(texts)]

    def decide(self, prediction: Prediction) -> Decision:
        """What is done with one answer."""
        probabilities = np.array([prediction.scores[label] for label in self.predictor.labels])
        return decide(self.policy, self.predictor.labels, probabilities, unread=prediction.unread)
