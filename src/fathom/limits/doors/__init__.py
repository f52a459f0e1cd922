"""The doors: how what a user names becomes a `Classifier`, or a `CausalModel` that writes.

    a folder, hf:owner/name      doors/folder.py; where we do not know the architecture, doors/transformers.py
                                 if its task is causal, doors/causal.py
    python:package.module:name   doors/callable.py; a CausalModel is taken as it is
    http://host/v2/models/NAME   doors/http.py (Open Inference Protocol v2)
    openai:http://host/v1#MODEL  doors/openai.py (completions and chat completions)

Another protocol over HTTP is one more file here and one more line in `open_door`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fathom.errors import SettingsError
from fathom.inference import Predictor
from fathom.limits.classifier import Classifier
from fathom.limits.writing.model import CausalModel

PYTHON = "python:"
OPENAI = "openai:"


def open_door(what: Any, *, labels: Sequence[str] | None = None, device: str | None = None) -> Classifier | CausalModel:
    """The classifier, or the model that writes, behind a name or a Python object.

    Args:
        what: a folder, a known name, hf:owner/name, python:package.module:attribute, http://host/v2/models/NAME,
            openai:http://host/v1#MODEL; or a `Predictor`, an object with `predict_proba`, a function from texts to
            probabilities, a `Classifier` or a `CausalModel`.
        labels: by column of its answers, where the door does not know them, or other names for those that it knows.
        device: for models that run here.

    Raises:
        FathomError: nothing usable there, or labels that it does not have; the message says what to do.
    """
    classifier = _open(what, None if labels is None else list(labels), device)
    if isinstance(classifier, CausalModel):
        if labels is not None:
            raise SettingsError(f"--labels came with {classifier.name}, which writes and gives no labels")
        return classifier
    if labels is not None:
        own = classifier.labels
        if len(labels) != len(own) or (list(labels) != own and set(labels) & set(own)):
            raise SettingsError(
                f"the labels {', '.join(labels)} were named, and {classifier.name} says that it has {', '.join(own)}",
                expected="other names for all of them, in this order",
                do="leave --labels out, if these are right",
            )
        classifier.labels = list(labels)
    if len(classifier.labels) < 2 or len(set(classifier.labels)) < len(classifier.labels):
        raise SettingsError(
            f"{classifier.name} has the labels {', '.join(classifier.labels) or '(none)'}",
            expected="at least two, all different",
        )
    return classifier


def _open(what: Any, labels: list[str] | None, device: str | None) -> Classifier | CausalModel:
    from fathom.limits.doors.callable import PythonClassifier, import_named
    from fathom.limits.doors.folder import of_predictor, open_folder
    from fathom.limits.doors.http import OpenInferenceClassifier
    from fathom.limits.doors.openai import OpenAIModel

    if isinstance(what, Classifier | CausalModel):
        return what
    if isinstance(what, Predictor):
        return of_predictor(what)
    if isinstance(what, str | Path):
        spec = str(what)
        if spec.startswith(PYTHON):
            found = import_named(spec.removeprefix(PYTHON))
            return found if isinstance(found, CausalModel) else PythonClassifier(found, name=spec, labels=labels)
        if spec.startswith(OPENAI):
            return OpenAIModel(spec.removeprefix(OPENAI))
        if spec.startswith(("http://", "https://")):
            return OpenInferenceClassifier(spec, labels=labels)
        return open_folder(spec, device=device)
    return PythonClassifier(what, name=getattr(what, "__name__", type(what).__name__), labels=labels)
