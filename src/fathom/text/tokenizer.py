"""One tokenizer for every vocabulary: text to windows of token ids, with nothing cut in silence.

    text ──split──► content ids ──windows──► [CLS] ids [SEP], each at most max_length long, and a count of what was left out

Sub-word vocabularies run in the `tokenizers` library. Word vocabularies split with spaCy or jieba first; their
tokenizer.json is a standard WordLevel one, and tokenizer_config.json says how words are split.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tokenizers
from tokenizers import normalizers

from fathom.errors import DataError, ModelFolderError, SettingsError
from fathom.text.splitting import is_han, make_splitter

LongText = Literal["head", "head+tail", "windows"]

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIALS = "special_tokens_map.json"
ADDED = "added_tokens.json"
CHAT_TEMPLATE = "chat_template.jinja"
WORDS = "word_splitting"  # our key in tokenizer_config.json; {"language": …, "lowercase": …}

_ROLES = {  # where a folder does not say which token has which part, by the names in use
    "pad_token": ("[PAD]", "<pad>", "<|pad|>"),
    "unk_token": ("[UNK]", "<unk>", "<|endoftext|>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "bos_token": (),
    "eos_token": (),
}
_MARKUP = r"<[A-Za-z/!][^<>]{0,200}>"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One window of a text, special tokens included."""

    token_ids: list[int]
    segment_ids: list[int] | None  # None: all 0
    offsets: list[tuple[int, int]] | None  # characters of each token in its text; (0, 0) for special tokens
    dropped: int  # content tokens of the text (and its pair) that no window holds
    second: tuple[int, int] | None = None  # of a pair: where its second text starts and ends, in tokens


@dataclass(frozen=True, slots=True)
class Spelled:
    """All of a text, without special tokens."""

    token_ids: list[int]
    offsets: list[tuple[int, int]]  # characters of each token in its text
    word_starts: list[bool]  # whether each token is the first of a word


@dataclass(frozen=True)
class Frame:
    """The special tokens around one text, or around and between two, with their segments."""

    before: list[int]
    between: list[int]
    after: list[int]
    kinds: tuple[list[int], int, list[int], int, list[int]]  # segments: of before, first text, between, second text, after

    def segments(self, first: int, second: int = 0) -> list[int]:
        """Of all tokens, where the texts have so many."""
        before, one, between, other, after = self.kinds
        return [*before, *[one] * first, *between, *[other] * second, *after]


class Tokenizer:
    """A vocabulary and how text becomes its ids.

    Args:
        backend: the `tokenizers` object that holds the vocabulary (and, for sub-words, does the work).
        config: what tokenizer_config.json says; kept and written back.
    """

    def __init__(self, backend: tokenizers.Tokenizer, config: dict[str, Any]) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self._config = dict(config)
        vocabulary = backend.get_vocab()
        for role, names in _ROLES.items():
            if _content(self._config.get(role)) not in vocabulary:
                self._config[role] = next((name for name in names if name in vocabulary), None)
        self.vocab_size: int = max(vocabulary.values(), default=-1) + 1
        self.unknown_id = self._role("unk_token")
        self.class_id = self._role("cls_token")
        self.separator_id = self._role("sep_token")
        self.mask_id = self._role("mask_token")
        self.bos_id = self._role("bos_token")
        self.eos_id = self._role("eos_token")
        pad_id = self._role("pad_token")
        self.pad_id: int = 0 if pad_id is None else pad_id
        self._words = self._config.get(WORDS)
        self._vocabulary: dict[str, int] = vocabulary
        self._frames = {False: self._frame(pair=False), True: self._frame(pair=True)}

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Reads tokenizer.json, or the older files of a BERT, GPT-2 or RoBERTa, and what stands beside it.

        Raises:
            ModelFolderError: nothing usable there, or a file that is damaged.
        """
        from fathom.text.layouts import follow_config, read_old_layout

        path = folder / TOKENIZER
        config = _read_json(folder / CONFIG)
        if "added_tokens_decoder" not in config:  # written since it says all of special_tokens_map.json itself
            config |= _read_json(folder / SPECIALS)
        if (folder / CHAT_TEMPLATE).is_file():
            try:
                config["chat_template"] = (folder / CHAT_TEMPLATE).read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise ModelFolderError(f"{folder / CHAT_TEMPLATE} cannot be read: {error}", expected="text in UTF-8") from error
        if path.is_file():
            try:
                backend = tokenizers.Tokenizer.from_file(str(path))
            except Exception as error:  # the library raises plain Exception
                raise ModelFolderError(
                    f"{path} cannot be read: {error}", expected="a tokenizer.json as the tokenizers library writes it"
                ) from error
            follow_config(backend, config)
        else:
            old = read_old_layout(folder, config, _read_json(folder / ADDED))
            if old is None:
                raise ModelFolderError(
                    f"{folder} holds no tokenizer",
                    expected=f"{TOKENIZER} (or vocab.txt, or vocab.json and merges.txt)",
                    do="restore the file",
                )
            backend = old
        if not backend.get_vocab_size():
            raise ModelFolderError(f"{path} has an empty vocabulary", expected="at least one token")
        return cls(backend, config)

    def save(self, folder: Path) -> None:
        """Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json, as Hugging Face's library reads them."""
        roles = {role: _content(self._config.get(role)) for role in _ROLES}
        specials = {role: token for role, token in roles.items() if token is not None}
        # Their class for one model would build the normaliser anew, without ours; their general one has to be told of segments.
        config = {**self._config, **specials, "tokenizer_class": "PreTrainedTokenizerFast"}
        if any(any(frame.segments(1, 1)) for frame in self._frames.values()):
            config.setdefault("model_input_names", ["input_ids", "token_type_ids", "attention_mask"])
        config = {key: value for key, value in config.items() if value is not None}
        (folder / TOKENIZER).write_text(self._backend.to_str(pretty=False), encoding="utf-8")
        for name, value in ((CONFIG, config), (SPECIALS, specials)):
            (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def chat_template(self) -> str | None:
        """How messages become a prompt, in Jinja's language (`fathom.text.render_chat`); of several, the default one."""
        template = self._config.get("chat_template")
        if isinstance(template, list):  # older files name several
            named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
            template = named.get("default")
        return template if isinstance(template, str) else None

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Tokens that stand for no text: those with a part to play, and those that the vocabulary marks."""
        roles = (self.class_id, self.separator_id, self.mask_id, self.bos_id, self.eos_id, self._role("pad_token"))
        marked = [number for number, token in self._backend.get_added_tokens_decoder().items() if token.special]
        return tuple(sorted({number for number in (*roles, *marked) if number is not None}))

    def token_to_id(self, token: str) -> int | None:
        """The id of a token as the vocabulary spells it."""
        return self._vocabulary.get(token)

    def id_to_token(self, token_id: int) -> str:
        """How the vocabulary spells an id."""
        return str(self._backend.id_to_token(token_id))

    def tokens(self) -> list[str]:
        """The vocabulary by id."""
        return [self.id_to_token(token_id) for token_id in range(self.vocab_size)]

    def decode(self, token_ids: Sequence[int]) -> str:
        """Ids back to readable text, without special tokens; what the vocabulary lost stays lost."""
        if self._words is not None:
            return " ".join(self.id_to_token(token_id) for token_id in token_ids if token_id != self.pad_id)
        return str(self._backend.decode(list(token_ids), skip_special_tokens=True))

    @property
    def frame_ids(self) -> tuple[list[int], list[int]]:
        """The special tokens that the vocabulary puts before and after a text."""
        frame = self._frames[False]
        return list(frame.before), list(frame.after)

    def prompt_ids(self, text: str) -> list[int]:
        """The ids of a text as it stands: nothing is put around it, nothing is cut.

        Special tokens that the text spells, such as a chat template's <|im_start|>, become their own ids.
        """
        return self._content([text], offsets=False)[0].ids

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides which ids a text gets; the same after saving and loading.

        Scores of pieces count to six digits: the library changes the last ones when it reads them.
        """
        backend = json.loads(self._backend.to_str(), parse_float=lambda digits: f"{float(digits):.6g}")
        return hashlib.sha256(json.dumps([backend, self._words], sort_keys=True).encode()).hexdigest()

    def frame(self, *, pair: bool = False) -> Frame:
        """The special tokens that `encode` puts around a text, or around and between two."""
        return self._frames[pair]

    def spell(self, texts: Sequence[str], *, chinese_words: bool = False) -> list[Spelled]:
        """All tokens of each text, where they stand, and where words start.

        A word is what the vocabulary's own rules take for one before they cut it into pieces: BERT's are letters between
        blanks, a sign, a Chinese character; GPT-2's have the blank before them; those of SentencePiece start with "▁".

        Args:
            chinese_words: in Chinese text, words are those that jieba finds.

        Raises:
            MissingExtraError: jieba is wanted and not installed.
        """
        if self._words is not None:
            found = self._content(texts, offsets=True)
            return [Spelled(content.ids, content.offsets or [], [True] * len(content.ids)) for content in found]
        texts = [whole_text(text) for text in texts]
        encodings = self._backend.encode_batch(texts, add_special_tokens=False)
        spelled = [Spelled(one.ids, one.offsets, _word_starts(one.tokens, one.word_ids)) for one in encodings]
        if chinese_words:
            spelled = [_with_chinese_words(text, one) for text, one in zip(texts, spelled, strict=True)]
        return spelled

    def without_markup(self) -> Tokenizer:
        """The same tokenizer, blind to HTML tags: "<br />" counts as a blank. Saved with it, in standard form."""
        strip = normalizers.Replace(tokenizers.Regex(_MARKUP), " ")
        backend = tokenizers.Tokenizer.from_str(self._backend.to_str())
        present = backend.normalizer
        backend.normalizer = normalizers.Sequence([strip] if present is None else [strip, present])
        words = None if self._words is None else {**self._words, "markup": False}
        return Tokenizer(backend, {**self._config, WORDS: words})

    def words(self, text: str) -> list[str]:
        """The words of a text as a word vocabulary spells them."""
        assert self._words is not None, "a sub-word vocabulary has no words"
        spoken = self._readable(whole_text(text))
        spans = make_splitter(self._words["language"])(spoken)
        lowercase = self._words["lowercase"]
        return [spoken[start:end].lower() if lowercase else spoken[start:end] for start, end in spans]

    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int,
        long_text: LongText = "head",
        stride: int = 64,
        offsets: bool = False,
    ) -> list[list[Encoded]]:
        """The windows of each text.

        Args:
            texts: any strings.
            pairs: a second text for each.
            max_length: tokens in a window at most, special tokens included.
            long_text: what is kept of a text that does not fit. "head": its start. "head+tail": its first quarter and
                the rest from its end (128 and 382 of 510 in Sun et al. 2019, 1905.05583). "windows": all of it, in
                windows that share `stride` tokens. Of two texts, the longer one is shortened first.
            stride: for "windows", less than what fits into one.
            offsets: also give character positions.

        Returns:
            For each text a list of windows: one, unless "windows" needs more.

        Raises:
            SettingsError: a max_length or stride that leaves no room, or windows for pairs.
        """
        frame = self._frames[pairs is not None]
        budget = max_length - len(frame.before) - len(frame.between) - len(frame.after)
        if budget < (2 if pairs is not None else 1):
            raise SettingsError(f"max_length {max_length} leaves no room for text", expected="a larger one")
        if long_text == "windows" and (pairs is not None or not 0 <= stride < budget):
            given = "pairs of texts" if pairs is not None else f"stride {stride} in windows of {budget} content tokens"
            raise SettingsError(f"long texts cannot be read in windows: {given}", expected="single texts, a smaller stride")
        firsts = self._content(texts, offsets)
        if pairs is None:
            return [self._windows(first, frame, budget, long_text, stride) for first in firsts]
        seconds = self._content(pairs, offsets)
        return [[self._pair(a, b, frame, budget, long_text)] for a, b in zip(firsts, seconds, strict=True)]

    # ids without special tokens, and their places in the text if wanted
    def _content(self, texts: Sequence[str], offsets: bool) -> list[_Content]:
        texts = [whole_text(text) for text in texts]
        if self._words is None:
            encode = self._backend.encode_batch if offsets else self._backend.encode_batch_fast
            found = encode(list(texts), add_special_tokens=False)
            return [_Content(encoding.ids, encoding.offsets if offsets else None) for encoding in found]
        unknown = self.pad_id if self.unknown_id is None else self.unknown_id
        contents = []
        for text in texts:
            ids = [self._vocabulary.get(word, unknown) for word in self.words(text)]
            spans = list(make_splitter(self._words["language"])(self._readable(text))) if offsets else None
            contents.append(_Content(ids, spans))
        return contents

    def _readable(self, text: str) -> str:
        """A text with markup blanked out (same length, so that places stay right), where the vocabulary asks for it."""
        if self._words is None or self._words.get("markup", True):
            return text
        return blank_markup(text)

    def _windows(self, content: _Content, frame: Frame, budget: int, long_text: LongText, stride: int) -> list[Encoded]:
        length = len(content.ids)
        if length <= budget:
            return [self._framed(content, frame, dropped=0)]
        if long_text == "windows":
            starts = range(0, length - stride, budget - stride)
            return [self._framed(content.part(start, start + budget), frame, dropped=0) for start in starts]
        return [self._framed(content.shortened(budget, long_text), frame, dropped=length - budget)]

    def _framed(self, content: _Content, frame: Frame, dropped: int) -> Encoded:
        ids = [*frame.before, *content.ids, *frame.after]
        places = None
        if content.offsets is not None:
            places = [*[(0, 0)] * len(frame.before), *content.offsets, *[(0, 0)] * len(frame.after)]
        if not ids:  # no special tokens and no content: a model still needs something to look at
            ids = [self.pad_id if self.unknown_id is None else self.unknown_id]
            places = None if places is None else [(0, 0)]
        segments = frame.segments(len(content.ids)) if content.ids or frame.before or frame.after else []
        return Encoded(ids, segments if any(segments) else None, places, dropped)

    def _pair(self, first: _Content, second: _Content, frame: Frame, budget: int, long_text: LongText) -> Encoded:
        length = len(first.ids) + len(second.ids)
        longer, shorter = max(len(first.ids), len(second.ids)), min(len(first.ids), len(second.ids))
        if length > budget:  # the longer one gives way until both are equally long
            for_longer = max(budget - shorter, (budget + 1) // 2)
            for_shorter = budget - min(longer, for_longer)
            sizes = (for_longer, for_shorter) if len(first.ids) == longer else (for_shorter, for_longer)
            first, second = first.shortened(sizes[0], long_text), second.shortened(sizes[1], long_text)
        parts = (frame.before, first.ids, frame.between, second.ids, frame.after)
        ids = [token_id for part in parts for token_id in part]
        segments = frame.segments(len(first.ids), len(second.ids))
        places = None
        if first.offsets is not None and second.offsets is not None:
            blank = [(0, 0)]
            places = blank * len(frame.before) + first.offsets + blank * len(frame.between)
            places += second.offsets + blank * len(frame.after)
        start = len(frame.before) + len(first.ids) + len(frame.between)
        dropped = max(0, length - budget)
        return Encoded(ids, segments if any(segments) else None, places, dropped, (start, start + len(second.ids)))

    def _role(self, role: str) -> int | None:
        token = _content(self._config.get(role))
        return None if token is None else self._backend.token_to_id(token)

    def _frame(self, *, pair: bool) -> Frame:
        """What the vocabulary's own template puts around text, found by encoding a letter."""
        letter = [] if self._words is not None else self._backend.encode("a", add_special_tokens=False).ids
        if not letter:
            separator = [self.separator_id] if self.separator_id is not None and pair else []
            return Frame([], separator, [], ([], 0, [0] * len(separator), 0, []))
        framed = self._backend.encode("a", "a") if pair else self._backend.encode("a")
        ids, segments, size = framed.ids, framed.type_ids, len(letter)
        places = [i for i in range(len(ids) - size + 1) if ids[i : i + size] == letter]
        first, last = places[0], places[-1]
        if not pair:
            return Frame(
                ids[:first], [], ids[first + size :], (segments[:first], segments[first], [], 0, segments[first + size :])
            )
        between = slice(first + size, last)
        kinds = (segments[:first], segments[first], segments[between], segments[last], segments[last + size :])
        return Frame(ids[:first], ids[between], ids[last + size :], kinds)


@dataclass(frozen=True, slots=True)
class _Content:
    """Ids without special tokens."""

    ids: list[int]
    offsets: list[tuple[int, int]] | None

    def part(self, start: int, end: int) -> _Content:
        return _Content(self.ids[start:end], None if self.offsets is None else self.offsets[start:end])

    def shortened(self, size: int, long_text: LongText) -> _Content:
        """The first `size` ids, or a quarter from the start and the rest from the end."""
        length = len(self.ids)
        if length <= size:
            return self
        if long_text != "head+tail":
            return self.part(0, size)
        head = round(size * 128 / 510)
        start, end = self.part(0, head), self.part(length - (size - head), length)
        offsets = None if start.offsets is None or end.offsets is None else start.offsets + end.offsets
        return _Content(start.ids + end.ids, offsets)


def _word_starts(tokens: list[str], words: list[int | None]) -> list[bool]:
    """Where the number of the word changes; or a blank begins, for vocabularies that take a whole text for one word."""
    before = [None, *words][: len(words)]
    return [
        word != last or token.startswith(("▁", "Ġ")) or place == 0
        for place, (token, word, last) in enumerate(zip(tokens, words, before, strict=True))
    ]


def _with_chinese_words(text: str, spelled: Spelled) -> Spelled:
    """Beside a Chinese character, a token starts a word where jieba says so."""
    begins = {start for start, _ in make_splitter("zh")(text)}
    starts, before = list(spelled.word_starts), 0
    for place, (start, end) in enumerate(spelled.offsets):
        start += len(text[start:end]) - len(text[start:end].lstrip())  # a blank may belong to its token
        if any(is_han(sign) for sign in text[max(start - 1, 0) : start + 1]):
            starts[place] = place == 0 or (start in begins and start >= before)  # several tokens may spell one character
        before = end
    return Spelled(spelled.token_ids, spelled.offsets, starts)


def blank_markup(text: str) -> str:
    """A text with its HTML tags blanked out; places stay where they are."""
    return re.sub(_MARKUP, lambda found: " " * len(found.group()), text)


def _content(token: object) -> str | None:
    """A special token as configurations spell it: a string, or an object with its content."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None


def whole_text(text: str) -> str:
    """A text without lone surrogates, which no UTF-8 library takes; each becomes the replacement character.

    Raises:
        DataError: not a string.
    """
    if not isinstance(text, str):
        raise DataError(f"a text is {text!r}", expected="a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text)
    return text


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} cannot be read: {error}", expected="a JSON object") from error
    if not isinstance(value, dict):
        raise ModelFolderError(f"{path} holds a {type(value).__name__}", expected="a JSON object")
    return value
