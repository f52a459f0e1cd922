"""A model folder that fathom loads: everything can be asked of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from fathom.checkpoint import resolve_model
from fathom.checkpoint.model_folder import CONFIG
from fathom.checkpoint.weights import WEIGHTS
from fathom.data import Example, TokenizedDataset
from fathom.families import FAMILIES
from fathom.folders import sha256_of_file
from fathom.inference import Predictor, text_probabilities, window_logits
from fathom.limits.classifier import Classifier, Lengths
from fathom.model import SequenceClassifier


class FolderClassifier(Classifier):
    """Answers with a `Predictor`."""

    door = "folder"
    capabilities = frozenset({"logits", "lengths", "embeddings", "predictor"})

    def __init__(self, predictor: Predictor, *, folder: Path | None = None) -> None:
        """`folder`: where it was read from; None: it was made in this process.

        Raises:
            SettingsError: a model that is no classifier.
        """
        _ = predictor.classifier
        self.folder = folder
        self.name = "a predictor" if folder is None else folder.resolve().name
        self.labels = list(predictor.labels)
        self._predictor = predictor

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """With the temperature of the folder."""
        return self._predictor.predict_proba(list(texts))

    def fingerprint(self) -> str | None:
        """Of the weights and of what else decides an answer."""
        if self.folder is None or not (self.folder / WEIGHTS).is_file():
            return None
        return f"{sha256_of_file(self.folder / WEIGHTS)} {self._predictor.about.model_dump_json()}"

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Where a text is read in windows: the logarithm of its averaged probabilities at temperature 1."""
        dataset = self._tokenize(texts)
        found = window_logits(self._predictor.classifier, dataset, precision=self._predictor.precision)
        assert found is not None
        if len(dataset.example_of) == len(texts):
            return found.astype(np.float64)
        averaged: np.ndarray = np.log(text_probabilities(found, dataset.example_of, 1.0))
        return averaged

    def lengths(self, texts: Sequence[str]) -> Lengths:
        """In the model's own tokens, special ones included; of windows, shared tokens count twice."""
        dataset = self._tokenize(texts)
        read = np.bincount(dataset.example_of, weights=dataset.lengths, minlength=len(texts)).astype(np.int64)
        return Lengths(read + dataset.dropped, np.asarray(dataset.dropped, dtype=np.int64))

    def embeddings(self, texts: Sequence[str]) -> np.ndarray:
        """What the last linear map reads; of windows, their mean."""
        dataset = self._tokenize(texts)
        found = window_logits(_BeforeHead(self._predictor.classifier), dataset, precision=self._predictor.precision)
        assert found is not None
        sums = np.zeros((len(texts), found.shape[1]), dtype=np.float32)
        np.add.at(sums, dataset.example_of, found)
        mean: np.ndarray = sums / np.bincount(dataset.example_of, minlength=len(texts))[:, None].astype(np.float32)
        return mean

    def predictor(self) -> Predictor:
        """The model itself."""
        return self._predictor

    def _tokenize(self, texts: Sequence[str]) -> TokenizedDataset:
        return self._predictor.tokenize(Example(text) for text in texts)


class _BeforeHead(nn.Module):
    """The same model, up to its last linear map."""

    def __init__(self, model: SequenceClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, width)."""
        seen: list[Tensor] = []
        hook = self.model.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            self.model(token_ids, padding_mask, segment_ids)
        finally:
            hook.remove()
        return seen[0]


def open_folder(spec: str, *, device: str | None) -> Classifier:
    """A folder, a known name or hf:owner/name; what fathom has no architecture for goes through transformers.

    Raises:
        ModelFolderError, SettingsError: nothing usable there, or no classifier.
        MissingExtraError: an architecture that only transformers has, and it is not installed.
    """
    path = resolve_model(spec)
    if _is_foreign(path):
        from fathom.limits.doors.transformers import TransformersClassifier

        return TransformersClassifier(path, device=device)
    return FolderClassifier(Predictor.load(spec, device=device), folder=path)


def _is_foreign(path: Path) -> bool:
    try:
        raw = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # load_model says what is wrong with it
    return isinstance(raw, dict) and str(raw.get("model_type")) not in FAMILIES
