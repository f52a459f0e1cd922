"""Tensors in, hidden states out: the Transformer, and nothing that knows a file, a text or a published model's name."""

from fathom.model.attention import Attention, View
from fathom.model.block import Block
from fathom.model.cache import Cache
from fathom.model.config import TransformerConfig
from fathom.model.encoder_decoder import EncoderDecoder
from fathom.model.heads import (
    LanguageModel,
    Model,
    PretrainingModel,
    ReplacedTokenDetector,
    SequenceClassifier,
    SpanExtractor,
    Task,
    TokenClassifier,
    make_model,
)
from fathom.model.transformer import Transformer, remember
from fathom.model.visibility import Visibility

__all__ = [
    "Attention",
    "Block",
    "Cache",
    "EncoderDecoder",
    "LanguageModel",
    "Model",
    "PretrainingModel",
    "ReplacedTokenDetector",
    "SequenceClassifier",
    "SpanExtractor",
    "Task",
    "TokenClassifier",
    "Transformer",
    "TransformerConfig",
    "View",
    "Visibility",
    "make_model",
    "remember",
]
