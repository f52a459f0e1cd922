"""String to ids: vocabularies, how they split text, and what happens to texts longer than a model reads. No torch."""

from fathom.text.chat import Message, render_chat
from fathom.text.sentences import split_sentences
from fathom.text.stream import TextStream
from fathom.text.subword import train_bpe, train_unigram, train_wordpiece
from fathom.text.tokenizer import Encoded, Frame, LongText, Spelled, Tokenizer, blank_markup
from fathom.text.vectors import PretrainedVectors, read_vectors
from fathom.text.words import train_words

__all__ = [
    "Encoded",
    "Frame",
    "LongText",
    "Message",
    "PretrainedVectors",
    "Spelled",
    "TextStream",
    "Tokenizer",
    "blank_markup",
    "read_vectors",
    "render_chat",
    "split_sentences",
    "train_bpe",
    "train_unigram",
    "train_wordpiece",
    "train_words",
]
