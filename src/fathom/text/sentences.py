"""How a text falls into sentences: spaCy's rule-based Sentencizer on a blank pipeline, with Chinese full stops in any language.

Sentences keep their place in the text: `text[start:end]` is the sentence, without blanks and HTML tags around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fathom.errors import MissingExtraError, SettingsError
from fathom.text.splitting import Span
from fathom.text.tokenizer import blank_markup

LONGEST = 10_000  # characters of a sentence; text without full stops is cut there, at a blank if there is one
_FULL_STOPS = r"[。！？｡]"  # also where no blank follows
_REMEMBERED = 300_000  # words that a pipeline has met and keeps; with more, a new one takes its place
_SEGMENTED = {"zh", "ja", "ko", "th", "vi"}  # spaCy would first look for words, with packages that sentences do not need


def split_sentences(texts: Sequence[str], language: str = "en") -> list[list[Span]]:
    """The (start, end) characters of the sentences of each text, in order; none in a blank text.

    Args:
        texts: as many as one likes to have in memory.
        language: a code that spaCy knows ("en", "de", "zh", …), or "xx" for rules that fit most languages.

    Raises:
        MissingExtraError: spaCy is not installed.
        SettingsError: spaCy does not know the language.
    """
    sentencizer = _sentencizer(language)
    found = [list(_sentences(text, sentencizer)) for text in texts]
    if sentencizer.words > _REMEMBERED:
        _sentencizer.cache_clear()
    return found


def _sentences(text: str, sentencizer: _Sentencizer) -> Iterator[Span]:
    """In pieces, so that one endless line costs no more than many short ones; a piece's last sentence starts the next one."""
    readable, start = blank_markup(text), 0
    while start < len(readable):
        end = min(start + LONGEST, len(readable))
        if end < len(readable):
            end = start + (_last_blank(readable[start:end]) or LONGEST)
        found = sentencizer.find(readable[start:end])
        if end < len(readable) and len(found) > 1:
            end = start + found.pop()[0]
        for first, last in found:
            sentence = readable[start + first : start + last]
            if stripped := sentence.strip():
                begin = start + first + sentence.index(stripped)
                yield begin, begin + len(stripped)
        start = end


def _last_blank(piece: str) -> int:
    """Where the last word of a piece starts, or its end if that is a blank; 0: there is no blank in it."""
    if piece[-1].isspace():
        return len(piece)
    head = piece.rsplit(maxsplit=1)
    return len(piece) - len(head[1]) if len(head) == 2 else 0


@dataclass(frozen=True)
class _Sentencizer:
    pipeline: Any  # of spaCy
    mark: Callable[[Any], Any]

    @property
    def words(self) -> int:
        return len(self.pipeline.vocab)

    def find(self, text: str) -> list[Span]:
        return [(sentence.start_char, sentence.end_char) for sentence in self.mark(self.pipeline.tokenizer(text)).sents]


@lru_cache(maxsize=4)
def _sentencizer(language: str) -> _Sentencizer:
    try:
        import spacy
    except ImportError as error:
        raise MissingExtraError("finding sentences", "words") from error
    try:
        pipeline: Any = spacy.blank("xx" if language in _SEGMENTED else language)
    except ImportError as error:
        raise SettingsError(
            f"spaCy cannot split the language {language!r}: {str(error).splitlines()[0]}",
            expected="a language code that spaCy knows, or xx",
        ) from error
    infixes = (*(pipeline.Defaults.infixes or ()), _FULL_STOPS)
    pipeline.tokenizer.infix_finditer = spacy.util.compile_infix_regex(infixes).finditer
    return _Sentencizer(pipeline, pipeline.add_pipe("sentencizer"))
