"""A model folder that fathom loads: everything can be asked of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fathom.checkpoint import resolve_model
from fathom.checkpoint.model_folder import CONFIG
from fathom.checkpoint.weights import WEIGHTS
from fathom.data import Example, TokenizedDataset
from fathom.families import FAMILIES
from fathom.folders import sha256_of_file
from fathom.inference import Predictor, text_probabilities, window_logits
from fathom.limits.classifier import Classifier, Lengths, States
from fathom.limits.doors.causal import FolderCausal
from fathom.limits.writing.model import CausalModel
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

    def states(self, texts: Sequence[str]) -> States:
        """What a pass gives. Of a text that is read in windows: the mean of their probabilities and embeddings, and as logits
        the logarithm of the mean of their probabilities at temperature 1.
        """
        dataset = self._tokenize(texts)
        found = window_logits(_WithWhatTheHeadReads(self._predictor.classifier), dataset, precision=self._predictor.precision)
        assert found is not None
        logits, inside, text_of = found[:, : len(self.labels)], found[:, len(self.labels) :], dataset.example_of
        embeddings = np.zeros((len(texts), inside.shape[1]), dtype=np.float32)
        np.add.at(embeddings, text_of, inside)
        windows = np.bincount(text_of, minlength=len(texts))
        return States(
            probabilities=text_probabilities(logits, text_of, self._predictor.about.temperature),
            logits=logits.astype(np.float64)
            if len(text_of) == len(texts)
            else np.log(text_probabilities(logits, text_of, 1.0)),
            embeddings=embeddings / windows[:, None].astype(np.float32),
            lengths=_lengths(dataset, len(texts)),
        )

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """As `states` gives them."""
        return self.states(texts).logits

    def embeddings(self, texts: Sequence[str]) -> np.ndarray:
        """What the last linear map reads; of windows, their mean."""
        return self.states(texts).embeddings

    def lengths(self, texts: Sequence[str]) -> Lengths:
        """In the model's own tokens, special ones included; of windows, shared tokens count twice."""
        return _lengths(self._tokenize(texts), len(texts))

    def predictor(self) -> Predictor:
        """The model itself."""
        return self._predictor

    def _tokenize(self, texts: Sequence[str]) -> TokenizedDataset:
        return self._predictor.tokenize(Example(text) for text in texts)


def _lengths(dataset: TokenizedDataset, texts: int) -> Lengths:
    read = np.bincount(dataset.example_of, weights=dataset.lengths, minlength=texts).astype(np.int64)
    return Lengths(read + dataset.dropped, np.asarray(dataset.dropped, dtype=np.int64))


class _WithWhatTheHeadReads(nn.Module):
    """The same model; behind its logits stands what its last linear map has read."""

    def __init__(self, model: SequenceClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, K + width)."""
        read = self.model.features(token_ids, padding_mask, segment_ids)
        return torch.cat([self.model.classifier(read).float(), read.float()], dim=1)


def open_folder(spec: str, *, device: str | None) -> Classifier | CausalModel:
    """A folder, a known name or hf:owner/name; what fathom has no architecture for goes through transformers.

    Raises:
        ModelFolderError, SettingsError: nothing usable there, or neither a classifier nor a causal model.
        MissingExtraError: an architecture that only transformers has, and it is not installed.
    """
    path = resolve_model(spec)
    if _is_foreign(path):
        from fathom.limits.doors.transformers import TransformersClassifier

        return TransformersClassifier(path, device=device)
    return of_predictor(Predictor.load(spec, device=device), folder=path)


def of_predictor(predictor: Predictor, *, folder: Path | None = None) -> Classifier | CausalModel:
    """A classifier or a causal model, by its task.

    Raises:
        SettingsError: a model for another task.
    """
    if predictor.about.task == "causal":
        return FolderCausal(predictor, path=folder)
    return FolderClassifier(predictor, folder=folder)


def _is_foreign(path: Path) -> bool:
    try:
        raw = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # load_model says what is wrong with it
    return isinstance(raw, dict) and str(raw.get("model_type")) not in FAMILIES
