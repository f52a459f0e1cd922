"""Any Python callable from texts to probabilities: a scikit-learn pipeline, a function around a model of one's own.

`python:package.module:attribute` runs the module, which is what importing means; nothing is imported that was not named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import SettingsError
from fathom.limits.classifier import Classifier


class PythonClassifier(Classifier):
    """Answers with `predict_proba` of an object, or with the callable itself."""

    door = "python"

    def __init__(self, given: Any, *, name: str, labels: list[str] | None = None) -> None:
        """Its labels are what the object (or the one whose method it is) calls `classes_` or `labels`; else `labels`.

        Raises:
            SettingsError: not callable, or nothing says what its columns mean.
        """
        answer = getattr(given, "predict_proba", given)
        if not callable(answer):
            raise SettingsError(
                f"{name} is a {type(given).__name__}",
                expected="a callable from a list of texts to an array of probabilities, or an object with predict_proba",
            )
        self.name = name
        own = _labels_of(given) or labels
        if own is None:
            raise SettingsError(
                f"{name} does not say what the columns of its answers mean",
                expected="an attribute classes_ or labels, or the labels by column",
                do="name them: --labels negative,positive",
            )
        self.labels = own
        self._answer: Callable[[list[str]], Any] = answer

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Whatever it answers; `Asked` checks it."""
        found: np.ndarray = self._answer(list(texts))
        return found


def import_named(path: str) -> Any:
    """What `package.module:attribute` names, with the current folder among those that are searched.

    Raises:
        SettingsError: no such module or attribute, or an error while it was imported.
    """
    module, colon, attribute = path.partition(":")
    if not (module and colon and attribute):
        raise SettingsError(f"python:{path}", expected="python:package.module:attribute")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
    except Exception as error:  # whatever a module of the user's raises while it runs
        raise SettingsError(
            f"the module {module!r} cannot be imported: {type(error).__name__}: {str(error)[:300]}",
            expected="a module that is installed, or lies in the current folder",
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            names = [name for name in vars(found) if not name.startswith("_")][:8] if hasattr(found, "__dict__") else []
            raise SettingsError(f"{module!r} has no {attribute!r}", expected=f"one of its names, such as {', '.join(names)}")
        found = getattr(found, name)
    return found


def _labels_of(given: Any) -> list[str] | None:
    for owner in (given, getattr(given, "__self__", None)):
        for attribute in ("classes_", "labels"):
            found = getattr(owner, attribute, None)
            if found is not None and not callable(found):
                return [str(label) for label in found]
    return None
