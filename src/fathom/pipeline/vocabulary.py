"""From texts to a vocabulary in a folder, and how well it fits them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fathom.folders import write_folder
from fathom.pipeline.settings import VocabularySettings
from fathom.text import Tokenizer, train_bpe, train_unigram, train_wordpiece, train_words
from fathom.text.splitting import WORD

SAMPLE = 2_000  # texts on which the fit is measured


@dataclass(frozen=True)
class Fit:
    """How a vocabulary spells the first `texts` of what it was learned from."""

    texts: int
    tokens_per_word: float  # 1 is best; byte-level and sub-word vocabularies lie above
    characters_per_token: float
    unknown_share: float  # of the tokens
    example: list[str]  # the first tokens of the first text

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def learn_vocabulary(settings: VocabularySettings, texts: Iterable[str]) -> Tokenizer:
    """A vocabulary of the kind and size that the settings name, or the one in the folder that they name.

    Args:
        texts: may be iterated twice, if it can be.

    Raises:
        DataError: no text to learn from.
        ModelFolderError: `settings.folder` holds no tokenizer.
        MissingExtraError: words without spaCy or jieba.
    """
    if settings.folder is not None:
        return Tokenizer.load(settings.folder)
    floor = {} if settings.min_frequency is None else {"min_frequency": settings.min_frequency}
    if settings.kind == "words":
        return train_words(texts, language=settings.language, max_words=settings.size, lowercase=settings.lowercase, **floor)
    learn = {"wordpiece": train_wordpiece, "bpe": train_bpe, "unigram": train_unigram}[settings.kind]
    return learn(texts, vocab_size=settings.size, lowercase=settings.lowercase, **floor)


def write_vocabulary(
    output: Path,
    settings: VocabularySettings,
    texts: Iterable[str],
    *,
    overwrite: bool = False,
    on_phase: Callable[[str], None] = lambda text: None,
) -> tuple[Tokenizer, Fit]:
    """Learns a vocabulary and writes its folder: tokenizer.json and what Hugging Face's library wants beside it.

    Raises:
        FathomError: `output` is there already; and as for `learn_vocabulary`.
    """
    with write_folder(output, overwrite=overwrite) as folder:
        on_phase(f"learning a vocabulary of {settings.size:,} ({settings.kind})")
        tokenizer = learn_vocabulary(settings, texts)
        on_phase("measuring how it spells the texts")
        fit = measure_fit(tokenizer, texts)
        tokenizer.save(folder)
    return tokenizer, fit


def measure_fit(tokenizer: Tokenizer, texts: Iterable[str]) -> Fit:
    """Spells the first texts and counts."""
    rows = tokens = words = characters = unknown = 0
    example: list[str] = []
    for chunk in _chunks(islice((text for text in texts if text.strip()), SAMPLE)):
        for text, windows in zip(chunk, tokenizer.encode(chunk, max_length=10**9), strict=True):
            ids = [token for token in windows[0].token_ids if token not in (tokenizer.class_id, tokenizer.separator_id)]
            example = example or [tokenizer.id_to_token(token) for token in ids[:24]]
            rows += 1
            tokens += len(ids)
            words += len(re.findall(WORD, text))
            characters += len(text)
            unknown += sum(token == tokenizer.unknown_id for token in ids)
    return Fit(
        texts=rows,
        tokens_per_word=round(tokens / max(words, 1), 3),
        characters_per_token=round(characters / max(tokens, 1), 3),
        unknown_share=round(unknown / max(tokens, 1), 5),
        example=example,
    )


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(texts, 256)):
        yield chunk
