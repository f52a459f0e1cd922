"""Tensors in, hidden states out: the Transformer, and nothing that knows a file, a text or a published model's name."""

from fathom.model.attention import Attention
from fathom.model.block import Block
from fathom.model.config import TransformerConfig
from fathom.model.heads import SequenceClassifier
from fathom.model.transformer import Transformer
from fathom.model.visibility import Visibility

__all__ = ["Attention", "Block", "SequenceClassifier", "Transformer", "TransformerConfig", "Visibility"]
