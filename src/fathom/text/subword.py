"""Sub-word vocabularies, learned by the `tokenizers` library and saved as standard tokenizer.json files.

    WordPiece         words cut into known pieces, greedily from the left (BERT)
    byte-level BPE    pairs of bytes merged by frequency; nothing is ever unknown (GPT-2)
    Unigram           pieces with probabilities, the likeliest cut wins (Kudo 2018, 1804.10959; ALBERT, XLNet)

All of them have [PAD] [UNK] [CLS] [SEP] [MASK] as ids 0 to 4 and frame a text as [CLS] a [SEP] (b [SEP]).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from fathom.errors import DataError
from fathom.text.tokenizer import Tokenizer, whole_text

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CONFIG = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}

_LONGEST = 1_000  # characters of a word when a vocabulary is learned: the library's time grows with their square
_ENDLESS = re.compile(rf"(?<!\S)\S{{{_LONGEST + 1},}}")


def train_wordpiece(
    texts: Iterable[str], *, vocab_size: int = 30_000, lowercase: bool = True, min_frequency: int = 2
) -> Tokenizer:
    """A WordPiece vocabulary with BERT's rules: accents go with lower-casing, every Chinese character is a word.

    The same texts give the same vocabulary. The library decides between equally frequent pairs by the numbers of their
    characters, and numbers "##a" when it first meets it, in an order that changes from run to run; so all of these are
    handed in beforehand, in order, which takes a pass of its own over the texts.

    Raises:
        DataError: no text to learn from.
    """
    texts = _readable_twice(texts)
    backend = wordpiece_backend({}, lowercase=lowercase)
    characters: set[str] = set()
    for text in texts:
        characters.update(whole_text(text))
    normalised = backend.normalizer.normalize_str("".join(sorted(characters)))
    continuing = [f"##{character}" for character in sorted(set(normalised)) if _continues_words(backend, character)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *continuing],
        show_progress=False,
    )
    learned = _learn(backend, trainer, texts)
    vocabulary = {token: number for number, token in enumerate(learned.tokens())}
    backend = wordpiece_backend(vocabulary, lowercase=lowercase)
    backend.add_special_tokens(SPECIAL_TOKENS)
    return Tokenizer(backend, dict(CONFIG))


def train_bpe(texts: Iterable[str], *, vocab_size: int = 30_000, lowercase: bool = False, min_frequency: int = 2) -> Tokenizer:
    """A byte-level BPE vocabulary; any text comes back from its ids unchanged (but for case, where lower-cased).

    Raises:
        DataError: no text to learn from.
    """
    backend = tokenizers.Tokenizer(models.BPE())
    backend.normalizer = normalizers.Lowercase() if lowercase else None
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return _learn(backend, trainer, texts)


def train_unigram(
    texts: Iterable[str], *, vocab_size: int = 30_000, lowercase: bool = True, min_frequency: int = 1
) -> Tokenizer:
    """A Unigram vocabulary with SentencePiece's blanks ("▁").

    `min_frequency` is here for symmetry: the method prunes by likelihood, not by count, and takes only 1. The library sums
    likelihoods in an order that changes from run to run, so two runs may differ in pieces that are equally good.

    Raises:
        DataError: no text to learn from.
    """
    if min_frequency != 1:
        raise DataError(f"min_frequency {min_frequency} for Unigram", expected="1: it prunes by likelihood, not by count")
    backend = tokenizers.Tokenizer(models.Unigram())
    steps: list[normalizers.Normalizer] = [normalizers.NFKC()]
    if lowercase:
        steps.append(normalizers.Lowercase())
    backend.normalizer = normalizers.Sequence(steps)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL_TOKENS, unk_token="[UNK]", show_progress=False
    )
    return _learn(backend, trainer, texts)


def wordpiece_backend(
    vocabulary: dict[str, int], *, lowercase: bool, roles: Mapping[str, str] = CONFIG
) -> tokenizers.Tokenizer:
    """BERT's tokenizer around a vocabulary, as the library's own BertWordPieceTokenizer builds it."""
    model = models.WordPiece(vocabulary, unk_token=roles["unk_token"], max_input_chars_per_word=100)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    if vocabulary:
        _frame(backend, roles["cls_token"], roles["sep_token"])
    return backend


def _learn(backend: tokenizers.Tokenizer, trainer: trainers.Trainer, texts: Iterable[str]) -> Tokenizer:
    read = 0

    def counted() -> Iterable[str]:
        nonlocal read
        for text in texts:
            text = whole_text(text)
            read += bool(text.strip())
            yield _ENDLESS.sub(lambda word: re.sub(rf"\S{{{_LONGEST}}}", r"\g<0> ", word[0]), text)

    try:
        backend.train_from_iterator(counted(), trainer)
    except Exception as error:
        if type(error) is not Exception:  # the library's own errors are plain ones
            raise
        raise DataError(f"no vocabulary can be learned: {error}", expected="a larger vocabulary, or other texts") from error
    if not read:
        raise DataError("there is no text to learn a vocabulary from", expected="at least one text that is not blank")
    _frame(backend)
    return Tokenizer(backend, dict(CONFIG))


def _readable_twice(texts: Iterable[str]) -> Iterable[str]:
    """What can be iterated once only becomes a list."""
    return list(texts) if isinstance(texts, Iterator) else texts


def _continues_words(backend: tokenizers.Tokenizer, character: str) -> bool:
    """Whether this character ever stands inside a word: no blank, no punctuation, nothing Chinese."""
    words = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(f"a{character}"))
    return len(words) == 1 and words[0][0] != "a"


def _frame(backend: tokenizers.Tokenizer, start: str = "[CLS]", end: str = "[SEP]") -> None:
    """[CLS] a [SEP], and [CLS] a [SEP] b [SEP] with b in segment 1 (Devlin et al. 2019)."""
    ids = [(token, backend.token_to_id(token)) for token in (start, end)]
    if all(number is not None for _, number in ids):
        single = f"{start} $A {end}"
        backend.post_processor = processors.TemplateProcessing(single=single, pair=f"{single} $B:1 {end}:1", special_tokens=ids)
