"""A classifier of an architecture that only transformers has (the extra `transformers`); weights as safetensors only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fathom.checkpoint.weights import WEIGHTS
from fathom.errors import MissingExtraError, ModelFolderError
from fathom.folders import sha256_of_file
from fathom.inference import pick_device
from fathom.limits.classifier import Classifier, Lengths


class TransformersClassifier(Classifier):
    """Answers with `AutoModelForSequenceClassification`. No code from the folder is run."""

    door = "transformers"
    batch = 32
    capabilities = frozenset({"logits", "lengths"})

    def __init__(self, folder: Path, *, device: str | None = None) -> None:
        """Loads it.

        Raises:
            MissingExtraError: transformers is not installed.
            ModelFolderError: it cannot load the folder, or the folder holds no classifier.
        """
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError(f"{folder.name}, whose architecture fathom does not implement,", "transformers") from error
        try:
            model, said = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True
            )
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
        except Exception as error:  # the library raises many kinds
            raise ModelFolderError(
                f"transformers cannot load {folder}: {type(error).__name__}: {str(error)[:300]}",
                expected="a text classifier with config.json, model.safetensors and a tokenizer",
            ) from error
        if said["missing_keys"]:
            raise ModelFolderError(
                f"{folder} has no classifier: transformers would draw {', '.join(sorted(said['missing_keys'])[:4])} at random",
                expected="a fine-tuned classifier",
            )
        self._device = pick_device(device)
        self._model: Any = model.to(self._device).eval()
        self._folder = folder
        self.name = folder.resolve().name
        self.labels = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
        self._longest = min(self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512))

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Softmax of the logits."""
        logits = self.logits(texts)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def fingerprint(self) -> str | None:
        """Of the weights, where they are in one file."""
        return sha256_of_file(self._folder / WEIGHTS) if (self._folder / WEIGHTS).is_file() else None

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Texts that are too long lose their end."""
        asked = self._tokenizer(list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt").to(
            self._device
        )
        with torch.inference_mode():
            found: np.ndarray = self._model(**asked).logits.float().cpu().numpy().astype(np.float64)
        return found

    def lengths(self, texts: Sequence[str]) -> Lengths:
        """In the model's own tokens."""
        tokens = np.array([len(ids) for ids in self._tokenizer(list(texts), verbose=False)["input_ids"]], dtype=np.int64)
        return Lengths(tokens, np.maximum(0, tokens - self._longest))
