"""fathom: raw text to a small Transformer language model, fast on the machine you have, with its limits measured.

    import fathom
    predictor = fathom.load("runs/quickstart/model")
    predictor.predict(["A joy from start to finish."])

Everything is imported when it is first used, so that `import fathom` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fathom.estimator import TextClassifier
    from fathom.inference import Generation, Prediction, Predictor
    from fathom.pipeline.limits import audit

    load = Predictor.load
    __version__: str

__all__ = ["Generation", "Prediction", "Predictor", "TextClassifier", "__version__", "audit", "load"]

_PLACES = {
    "Generation": "fathom.inference",
    "Prediction": "fathom.inference",
    "Predictor": "fathom.inference",
    "TextClassifier": "fathom.estimator",
    "audit": "fathom.pipeline.limits",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("fathom-lm")
    if name == "load":
        return import_module("fathom.inference").Predictor.load
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'fathom' has no attribute {name!r}")
