"""Folder → answers; measuring and serving both stand on it."""

from fathom.inference.predictor import Prediction, Predictor, pick_device
from fathom.inference.scoring import text_probabilities, window_logits

__all__ = ["Prediction", "Predictor", "pick_device", "text_probabilities", "window_logits"]
