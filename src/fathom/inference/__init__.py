"""Folder → answers; measuring and serving both stand on it."""

from fathom.inference.attribution import Explanation, Faithfulness, Word
from fathom.inference.extraction import Answer, Entity
from fathom.inference.filling import Fill
from fathom.inference.generation import generate_tokens, make_settings, stream_tokens
from fathom.inference.predictor import Prediction, Predictor, pick_device
from fathom.inference.scoring import text_probabilities, window_logits
from fathom.inference.settings import GenerationSettings
from fathom.inference.writer import Generation, Piece, Writer

__all__ = [
    "Answer",
    "Entity",
    "Explanation",
    "Faithfulness",
    "Fill",
    "Generation",
    "GenerationSettings",
    "Piece",
    "Prediction",
    "Predictor",
    "Word",
    "Writer",
    "generate_tokens",
    "make_settings",
    "pick_device",
    "stream_tokens",
    "text_probabilities",
    "window_logits",
]
