"""A classifier that obeys its own audit: each answer comes with what the policy of limits.json says of it.

guarded = Guarded.load("runs/mine")
prediction, decision = guarded.predict(["A joy from start to finish."])[0]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from fathom.checkpoint import resolve_model
from fathom.data import Example
from fathom.errors import DataError, ModelFolderError
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
        self._classifier = classifier
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
        """One answer a text, in their order; `Prediction.confidence` is the model's own, `Decision.confidence` the policy's.

        Raises:
            DataError: something that is not a string.
        """
        predictions = self.predictor.predict(texts) if self.policy.gates.likeness is None else None
        embeddings = None
        if predictions is None:
            for number, text in enumerate(texts):
                if not isinstance(text, str):
                    raise DataError(f"text {number} is {text!r}", expected="a string")
            if not texts:
                return []
            states = self._classifier.states(texts)
            embeddings = states.embeddings
            rows = zip(texts, states.probabilities, states.lengths.unread, strict=True)
            predictions = [self.predictor.prediction(text, row, int(unread)) for text, row, unread in rows]
        stops = self.policy.gates.stops(
            texts, unread=np.array([prediction.unread for prediction in predictions]), embeddings=embeddings
        )
        labels = self.predictor.labels
        return [
            (found, decide(self.policy, labels, np.array([found.scores[label] for label in labels]), why))
            for found, why in zip(predictions, stops, strict=True)
        ]

    def stream(self, examples: Iterable[Example], *, chunk: int = 1024) -> Iterator[tuple[Prediction, Decision]]:
        """Answers in the order of `examples`, `chunk` at a time, so that memory does not grow with their number.

        Raises:
            DataError: a pair of texts; policies are fitted on single texts.
        """
        rows = iter(examples)
        while batch := list(islice(rows, chunk)):
            if any(example.pair is not None for example in batch):
                raise DataError("a policy was asked about pairs of texts", expected="single texts, as it was fitted on")
            yield from self.predict([example.text for example in batch])
