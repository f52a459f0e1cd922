"""A scikit-learn estimator: texts and labels in, a fine-tuned Transformer out.

    from fathom import TextClassifier
    classifier = TextClassifier(model="minilm", epochs=2).fit(texts, labels)
    classifier.predict_proba(["A joy from start to finish."])

Works in `Pipeline`, `GridSearchCV`, `cross_val_score` and `clone`. A fitted classifier is kept with `save(folder)`, in the
format that `fathom.load` and Hugging Face's library read; pickling one is refused, since pickles run code when read.

Where text differs from tables of numbers: a text is one value, so there is no `n_features_in_`; `fit` takes no
`sample_weight`, since the training loop weighs all texts alike; a part of the texts is held back, see `dev_fraction`.
"""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from fathom.checkpoint import save_model
from fathom.checkpoint.card import model_card
from fathom.data import Example
from fathom.errors import DataError, FathomError, InterruptedRunError, SettingsError
from fathom.folders import machine_errors
from fathom.inference import Predictor
from fathom.pipeline.finetune import finetune
from fathom.pipeline.seen import SEEN, SeenTexts
from fathom.pipeline.settings import FinetuneSettings, validate_settings
from fathom.pipeline.texts import as_texts
from fathom.training.loop import METRICS


class LongTextWarning(UserWarning):
    """Texts are longer than the model reads at once, and a part of each was left out."""


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fine-tunes a model on texts.

    Args:
        model: a name, a folder, hf:owner/name, or "scratch" for random weights and a vocabulary of its own.
        epochs: passes over the texts.
        learning_rate: the highest one.
        batch_tokens: tokens in a batch, padding included.
        max_length: tokens that the model reads at once; lowered to what the model can read.
        long_text: what of a longer text is read, in training and after: its "head", its "head+tail", or all of it in
            "windows", whose probabilities are averaged. The first two leave something out, and say so in a
            `LongTextWarning`.
        dev_fraction: share of the texts that is not trained on, but used to choose the best weights and to calibrate.
        random_state: an integer gives the same probabilities each time; None or a `RandomState` draws a seed in `fit`.
        device: "cpu", "cuda", …; None: a GPU when there is one.
        settings: anything else that a recipe can say, nested: {"training": {"schedule": "wsd"}}.

    Attributes:
        classes_: (K,) the labels, sorted, of the type that they were given in.
        predictor_: the `fathom.Predictor` that answers; its labels are `classes_` as strings.
        made_by_: what `save` records: settings, seed, hashes of the data, dev accuracy, duration.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "minilm",
        *,
        epochs: int = 3,
        learning_rate: float = 1e-4,
        batch_tokens: int = 4096,
        max_length: int = 256,
        long_text: Literal["head", "head+tail", "windows"] = "head",
        dev_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = 0,
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
        """Trains on texts and their labels, from the start: an earlier fit is forgotten once this one has succeeded.

        Args:
            X: (n,) strings: a list, an array, a column of pandas, polars or pyarrow, or a table with one column.
            y: (n,) labels of one type: strings, whole numbers or truth values.
            groups: (n,) texts of one group never stand on both sides of the split for choosing.

        Raises:
            DataError: not texts, no labels, missing labels, one class only, lengths that differ. A `ValueError`.
            SettingsError: a parameter out of range. A `ValueError`.
            KeyboardInterrupt: Ctrl-C or SIGTERM; nothing of this fit is kept.
        """
        chosen = self._finetune_settings()
        texts = as_texts(X)
        labels = _as_labels(y)
        for name, column in (("labels", labels), ("groups", groups)):
            if column is not None and len(column) != len(texts):
                raise DataError(f"{len(texts)} texts came with {len(column)} {name}", expected=f"as many {name} as texts")
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            only = classes.tolist()[0]
            raise DataError(f"the labels hold one class only, {only!r}", expected="at least two different labels")
        names = [f"{number:06d}" for number in range(len(classes))]  # sort as the classes do
        group_of = [None] * len(texts) if groups is None else [str(group) for group in groups]
        rows = zip(texts, numbers, group_of, strict=True)
        examples = [Example(text, names[number], group=group) for text, number, group in rows]
        # the loop seeds torch's generators, which belong to the caller
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            torch.random.fork_rng(devices=range(torch.cuda.device_count())),
        ):
            output, command = Path(folder) / "model", f"fathom.{type(self).__name__}(…).fit"
            try:
                result = finetune(chosen, output, train_examples=examples, device=self.device, command=command)
            except InterruptedRunError:  # an ordinary exception would only end one fit of a grid search
                raise KeyboardInterrupt("stopped while fitting; nothing of this fit was kept") from None
            metrics, seen = (output / METRICS).read_text(encoding="utf-8"), SeenTexts.load(output / SEEN)
        trained = result.predictor
        about = trained.about.model_copy(update={"labels": [str(label) for label in classes]})
        self.classes_ = classes
        self.predictor_ = Predictor(trained.model, trained.tokenizer, about)
        self.made_by_, self._metrics, self._seen = result.made_by, metrics, seen
        self._warn_of_long_texts(self.made_by_.metrics["facts"]["truncated_share"], "texts to train on", stacklevel=3)
        return self

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """(n, K) float64 probabilities, calibrated on the dev part, columns in the order of `classes_`.

        Raises:
            NotFittedError: before `fit`.
            DataError: not texts. A `ValueError`.
        """
        return self._probabilities(X)

    def predict(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """(n,) labels of the type that `fit` was given; errors as for `predict_proba`."""
        best = self._probabilities(X).argmax(axis=1)
        labels: np.ndarray = self.classes_[best]
        return labels

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Writes a model folder that `fathom.load`, the command line and Hugging Face's library read. Returns it.

        Labels become strings there.

        Raises:
            NotFittedError: before `fit`.
            FathomError: the folder exists and `overwrite` is not set, or it was not written by fathom.
            MachineError: the disk is full or read-only.
        """
        check_is_fitted(self)
        predictor, target = self.predictor_, Path(folder)
        with machine_errors(target):
            save_model(
                target,
                model=predictor.model,
                tokenizer=predictor.tokenizer,
                about=predictor.about,
                made_by=self.made_by_,
                card=model_card(target.name, predictor.classifier, predictor.about, self.made_by_),
                files={METRICS: self._metrics},
                writers={SEEN: self._seen.save},
                overwrite=overwrite,
            )
        return target

    def _probabilities(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        check_is_fitted(self)
        answers = self.predictor_.predict(as_texts(X))
        cut = sum(answer.unread > 0 for answer in answers) / len(answers)
        self._warn_of_long_texts(cut, "texts", stacklevel=4)
        return np.array([list(answer.scores.values()) for answer in answers])

    def _warn_of_long_texts(self, share: float, what: str, *, stacklevel: int) -> None:
        if share > 0:
            about = self.predictor_.about
            warnings.warn(
                f"{share:.1%} of the {what} are longer than the {about.max_length} tokens that the model reads at once; "
                f"of those, only the {about.long_text} was read. Raise max_length, or read all with long_text='windows'",
                LongTextWarning,
                stacklevel=stacklevel,
            )

    def _finetune_settings(self) -> FinetuneSettings:
        seed = self.random_state
        if seed is None or isinstance(seed, np.random.RandomState):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        return validate_settings(
            _merged(
                {
                    "model": os.fspath(self.model) if isinstance(self.model, os.PathLike) else self.model,
                    "allow_new_head": True,  # `fit` learns the labels that it is given, whatever the model knew
                    "max_length": self.max_length,
                    "long_text": self.long_text,
                    "dev_fraction": self.dev_fraction,
                    "training": {
                        "epochs": self.epochs,
                        "learning_rate": self.learning_rate,
                        "batch_tokens": self.batch_tokens,
                        "seed": seed,
                    },
                },
                {} if self.settings is None else self.settings,
            )
        )

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "predictor_"):
            raise FathomError(
                f"a fitted {type(self).__name__} can be neither pickled nor copied",
                do="keep it with save(folder) and read it with fathom.load(folder); clone() gives an unfitted one",
            )
        state: dict[str, Any] = super().__getstate__()
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def _as_labels(y: Any) -> np.ndarray:
    """(n,) labels, none of them missing.

    Raises:
        DataError: no labels, a missing one, or several types.
        ValueError: several columns, or numbers that are not whole.
    """
    if y is None:
        raise DataError("fit requires y to be passed, but the target y is None", expected="a label for each text")
    labels = column_or_1d(y, warn=True)
    as_given = np.asarray(y, dtype=object).ravel()  # in a list, numpy would turn a NaN among strings into the string "nan"
    for place, label in enumerate(as_given):
        if _is_missing(label):
            raise DataError(f"label {place} (counted from 0) is {label!r}", expected="a label for each text")
    strings = [isinstance(label, str) for label in as_given]
    if any(strings) and not all(strings):
        place = strings.index(False)
        raise DataError(
            f"label {place} (counted from 0) is {as_given[place]!r}, a {type(as_given[place]).__name__}; others are strings",
            expected="labels of one type",
        )
    check_classification_targets(labels)
    checked: np.ndarray = labels
    return checked


def _is_missing(label: Any) -> bool:
    """None, NaN, infinity, or what pandas has for nothing."""
    if isinstance(label, float):
        return not math.isfinite(label)
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def _merged(parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Both, nested, with numpy's numbers as Python's, which is what the settings are made of.

    Raises:
        SettingsError: not names and values, or a setting that has a place of its own in the estimator.
    """
    if not isinstance(settings, Mapping):
        raise SettingsError(f"settings is {settings!r}, a {type(settings).__name__}", expected="a dict")
    merged = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}
    for name, value in settings.items():
        ours = parameters.get(name, {})
        if name in _PLACES or not isinstance(ours, Mapping):
            place = _PLACES.get(name, f"the parameter {name}")
            raise SettingsError(
                f"settings holds {name!r}: {value!r}", expected=f"{place} in its stead", do=f"leave {name!r} out"
            )
        merged[name] = _merged(ours, value) if isinstance(value, Mapping) else value
    return merged


# what settings may not hold, where the place is not a parameter of the same name
_PLACES = {"seed": "the parameter random_state", "data": "fit's X and y", "columns": "fit's X and y"}
