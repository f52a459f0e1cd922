"""A scikit-learn estimator: texts and labels in, a fine-tuned Transformer out.

    from fathom import TextClassifier
    classifier = TextClassifier(model="minilm", epochs=2).fit(texts, labels)
    classifier.predict_proba(["A joy from start to finish."])

Works in `Pipeline`, `GridSearchCV`, `cross_val_score` and `clone`. A fitted classifier is kept with `save(folder)`, in the
format that `fathom.load` and Hugging Face's library read; pickling one is refused, since pickles run code when read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from fathom.data import Example
from fathom.errors import DataError, FathomError
from fathom.inference import Predictor
from fathom.pipeline.finetune import finetune
from fathom.pipeline.settings import validate_settings
from fathom.pipeline.texts import as_texts


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fine-tunes a model on texts.

    Args:
        model: a name, a folder, hf:owner/name, or "scratch" for random weights and a vocabulary of its own.
        epochs: passes over the texts.
        learning_rate: the highest one.
        batch_tokens: tokens in a batch, padding included.
        max_length: tokens that the model reads at once.
        long_text: what of a longer text is read: "head", "head+tail", or all of it in "windows".
        dev_fraction: share of the texts kept for choosing the best weights and calibrating.
        random_state: seed; an integer.
        device: "cpu", "cuda", …; None: a GPU when there is one.
        settings: anything else that a recipe can say, nested: {"training": {"schedule": "wsd"}}.

    Attributes:
        classes_: (K,) the labels, sorted, as they were given.
        predictor_: what answers.
    """

    def __init__(
        self,
        model: str = "minilm",
        *,
        epochs: int = 3,
        learning_rate: float = 1e-4,
        batch_tokens: int = 4096,
        max_length: int = 256,
        long_text: Literal["head", "head+tail", "windows"] = "head",
        dev_fraction: float = 0.1,
        random_state: int = 0,
        device: str | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_tokens = batch_tokens
        self.max_length = max_length
        self.long_text = long_text
        self.dev_fraction = dev_fraction
        self.random_state = random_state
        self.device = device
        self.settings = settings

    def fit(self, X: Iterable[str], y: Sequence[Any] | np.ndarray, groups: Sequence[Any] | None = None) -> TextClassifier:  # noqa: N803
        """Trains on texts and their labels.

        Args:
            X: (n,) strings: a list, an array, a pandas Series, or a table with one column.
            y: (n,) labels of any kind that scikit-learn takes.
            groups: (n,) texts of one group never stand on both sides of the split for choosing.

        Raises:
            DataError: not texts, no labels, one label only, lengths that differ.
            SettingsError: a parameter out of range.
        """
        texts = as_texts(X)
        if y is None:
            raise DataError(f"{type(self).__name__} requires y to be passed, but the target y is None", expected="labels")
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        if len(texts) != len(labels):
            raise DataError(f"{len(texts)} texts came with {len(labels)} labels", expected="one label for each text")
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        names = [f"{number:06d}" for number in range(len(self.classes_))]  # sort as the classes do
        kinds = [None] * len(texts) if groups is None else [str(group) for group in groups]
        examples = [Example(text, names[number], group=kind) for text, number, kind in zip(texts, numbers, kinds, strict=True)]
        flags = {
            "model": self.model,
            "max_length": self.max_length,
            "long_text": self.long_text,
            "dev_fraction": self.dev_fraction,
            "training": {
                "epochs": self.epochs,
                "learning_rate": self.learning_rate,
                "batch_tokens": self.batch_tokens,
                "seed": self.random_state,
            },
        }
        chosen = validate_settings(_merged(self.settings or {}, flags))
        with tempfile.TemporaryDirectory() as folder:
            command = f"fathom.{type(self).__name__}(…).fit"
            result = finetune(chosen, Path(folder) / "model", train_examples=examples, device=self.device, command=command)
        about = result.predictor.about.model_copy(update={"labels": [str(label) for label in self.classes_]})
        self.predictor_ = Predictor(result.predictor.model, result.predictor.tokenizer, about)
        self.made_by_ = result.made_by
        return self

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """(n, K) probabilities, columns in the order of `classes_`."""
        check_is_fitted(self, "predictor_")
        return self.predictor_.predict_proba(as_texts(X))

    def predict(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """(n,) labels, of the kind that `fit` was given."""
        check_is_fitted(self, "predictor_")
        chosen: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return chosen

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes a model folder that `fathom.load` and the command line read. Returns it."""
        from fathom.checkpoint import save_model
        from fathom.checkpoint.card import model_card

        check_is_fitted(self, "predictor_")
        predictor, target = self.predictor_, Path(folder)
        save_model(
            target,
            model=predictor.model,
            tokenizer=predictor.tokenizer,
            about=predictor.about,
            made_by=self.made_by_,
            card=model_card(target.name, predictor.model, predictor.about, self.made_by_),
            overwrite=overwrite,
        )
        return target

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "predictor_"):
            raise FathomError(
                "a fitted TextClassifier cannot be pickled", do="keep it with save(folder) and read it with fathom.load(folder)"
            )
        state: dict[str, Any] = super().__getstate__()
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def _merged(settings: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Settings, and flags for what they do not say."""
    merged = dict(flags)
    for name, value in settings.items():
        inner = merged.get(name)
        merged[name] = _merged(value, inner) if isinstance(value, dict) and isinstance(inner, dict) else value
    return merged
