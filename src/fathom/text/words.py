"""Word vocabularies: the most frequent words of a corpus, and [PAD], [UNK] and [MASK] before them.

Saved as a standard WordLevel tokenizer.json: Hugging Face's library reads it and gives the same ids for words that blanks
part; splitting a text as spaCy does is not something that file can express, so tokenizer_config.json names the splitter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from fathom.errors import DataError
from fathom.text.splitting import make_splitter
from fathom.text.tokenizer import WORDS, Tokenizer

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[MASK]")


def train_words(
    texts: Iterable[str],
    *,
    language: str = "en",
    max_words: int = 25_000,
    lowercase: bool = True,
    min_frequency: int = 1,
) -> Tokenizer:
    """The `max_words` most frequent words; of equally frequent ones, the first by code point.

    Args:
        language: how words are split; see `fathom.text.splitting.make_splitter`.

    Raises:
        DataError: no text to learn from.
        MissingExtraError: spaCy or jieba is not installed.
    """
    make_splitter(language)  # fail before reading anything
    splitting = {"language": language, "lowercase": lowercase}
    empty = _word_tokenizer([], splitting)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(empty.words(text))
    for token in SPECIAL_TOKENS:
        counts.pop(token, None)
    if not counts:
        raise DataError("there is no text to learn a vocabulary from", expected="at least one word")
    frequent = sorted((word for word in counts if counts[word] >= min_frequency), key=lambda word: (-counts[word], word))
    return _word_tokenizer(frequent[:max_words], splitting)


def _word_tokenizer(words: list[str], splitting: dict[str, object]) -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate([*SPECIAL_TOKENS, *words])}
    backend = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase() if splitting["lowercase"] else None
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    roles = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    return Tokenizer(backend, {**roles, WORDS: splitting})
