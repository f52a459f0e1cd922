"""Tokenizer folders as they were before tokenizer.json, made into what the `tokenizers` library runs.

    vocab.txt                  WordPiece (BERT, DistilBERT, ELECTRA): [CLS] a [SEP] b [SEP]
    vocab.json  merges.txt     byte-level BPE: GPT-2 frames nothing, RoBERTa and BART <s> a </s></s> b </s>

tokenizer_config.json may name the special tokens and say how text is cleaned, added_tokens.json holds later additions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors

from fathom.errors import ModelFolderError
from fathom.text.subword import CONFIG as BERT
from fathom.text.subword import wordpiece_backend

WORDPIECE, VOCABULARY, MERGES = "vocab.txt", "vocab.json", "merges.txt"
Roles = Mapping[str, str]

GPT2: Roles = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
ROBERTA: Roles = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
# What tokenizer_config.json calls the classes that read these files alike (also with "Fast" at the end).
CLASSES: dict[str, Roles] = {
    "BertTokenizer": BERT,
    "DistilBertTokenizer": BERT,
    "ElectraTokenizer": BERT,
    "GPT2Tokenizer": GPT2,
    "RobertaTokenizer": ROBERTA,
    "BartTokenizer": ROBERTA,
    "LongformerTokenizer": ROBERTA,
}
ENDS = ("bos_token", "eos_token")
_ATTRIBUTES = {  # key of tokenizer_config.json: attribute of the library's normaliser or pre-tokenizer
    "do_lower_case": "lowercase",
    "tokenize_chinese_chars": "handle_chinese_chars",
    "strip_accents": "strip_accents",
    "add_prefix_space": "add_prefix_space",
}


def read_old_layout(folder: Path, config: Mapping[str, Any], added: Mapping[str, int]) -> tokenizers.Tokenizer | None:
    """The tokenizer in a folder without tokenizer.json; None where there are no such files.

    Args:
        config: what tokenizer_config.json and special_tokens_map.json say.
        added: what added_tokens.json says.

    Raises:
        ModelFolderError: damaged files, or a class of tokenizer that splits text in a way of its own.
    """
    lines, pairs = (folder / WORDPIECE).is_file(), all((folder / file).is_file() for file in (VOCABULARY, MERGES))
    if not lines and not pairs:
        return None
    name = str(config.get("tokenizer_class") or "").removesuffix("Fast")
    defaults = CLASSES.get(name)
    if name and (defaults is None or not (lines if defaults is BERT else pairs)):
        raise ModelFolderError(
            f"the tokenizer of {folder} is in the old files of a {name}, which may split text in its own way",
            expected=f"tokenizer.json, or the files of one of {', '.join(CLASSES)}",
            do="load it with the library that wrote it and save it with a tokenizer.json",
        )
    given = {role: token for role, value in config.items() if role.endswith("_token") and (token := _token(value))}
    names = {role: token.content for role, token in given.items()}
    if pairs and defaults is not BERT:
        vocabulary, merges = _read_merges(folder)
        if defaults is None:
            defaults = ROBERTA if {ROBERTA["cls_token"], ROBERTA["sep_token"]} <= vocabulary.keys() else GPT2
        roles = {**defaults, **names}
        backend = _byte_level(vocabulary, merges, roles, config, framed=defaults is ROBERTA)
    else:
        roles = {**BERT, **names}
        backend = wordpiece_backend(_read_lines(folder / WORDPIECE), lowercase=True, roles=roles)
    _clean_as(config, backend)
    additions = _additions(config, added, roles)
    backend.add_tokens([token for _, token in sorted(additions.items())])
    for number, token in additions.items():
        if backend.token_to_id(token.content) != number:
            raise ModelFolderError(
                f"{folder} gives the added token {token.content!r} the id {number}; after the vocabulary it would be "
                f"{backend.token_to_id(token.content)}",
                expected="ids that follow the vocabulary without a gap",
            )
    special = [given.get(role) or AddedToken(token, special=True) for role, token in roles.items()]
    done = {token.content for token in additions.values()}
    present = [token for token in special if token.content not in done and backend.token_to_id(token.content) is not None]
    backend.add_special_tokens(present)
    return backend


def _additions(config: Mapping[str, Any], added: Mapping[str, Any], roles: Roles) -> dict[int, AddedToken]:
    """Tokens by their ids: what tokenizer_config.json lists, or where it lists none, what added_tokens.json does."""
    listed = config.get("added_tokens_decoder")
    known = set(roles.values()) | {token.content for value in _more(config) if (token := _token(value))}
    try:
        if listed is None:
            return {int(number): AddedToken(token, special=token in known) for token, number in added.items()}
        return {int(number): AddedToken(**fields) for number, fields in listed.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"the added tokens cannot be read: {error}", expected="a number for each, as the library that wrote them does"
        ) from error


def _more(config: Mapping[str, Any]) -> list[object]:
    value = config.get("additional_special_tokens")
    return value if isinstance(value, list) else []


def follow_config(backend: tokenizers.Tokenizer, config: Mapping[str, Any]) -> None:
    """Lets tokenizer_config.json go over tokenizer.json in case, accents, Chinese characters and the first blank.

    So do Hugging Face's classes of their own for BERT, GPT-2 and RoBERTa; their general class reads tokenizer.json alone.
    """
    if str(config.get("tokenizer_class")).removesuffix("Fast") in CLASSES:
        _clean_as(config, backend)


def _clean_as(config: Mapping[str, Any], backend: tokenizers.Tokenizer) -> None:
    for part in (backend.normalizer, backend.pre_tokenizer):
        for key, attribute in _ATTRIBUTES.items():
            value = config.get(key)
            if value is not None and not isinstance(value, bool):
                raise ModelFolderError(f"tokenizer_config.json says {key}: {value!r}", expected="true or false")
            if hasattr(part, attribute) and (value is not None or (key == "strip_accents" and key in config)):
                setattr(part, attribute, value)  # accents: null means as with lower-casing


def _read_lines(path: Path) -> dict[str, int]:
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ModelFolderError(f"{path} cannot be read: {error}", expected="one token a line, in UTF-8") from error
    lines = text.split("\n") if text else []  # splitlines would cut at U+2028, a token of BERT's Chinese vocabulary
    return {line.rstrip() or line: number for number, line in enumerate(lines)}


def _read_merges(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    try:
        vocabulary, merges = models.BPE.read_file(str(folder / VOCABULARY), str(folder / MERGES))
        models.BPE(vocabulary, merges)  # refuses merges whose result is no token
    except Exception as error:  # the library raises plain Exception
        raise ModelFolderError(
            f"{VOCABULARY} and {MERGES} in {folder} cannot be read: {error}", expected="the two files as they were written"
        ) from error
    return vocabulary, merges


def _byte_level(
    vocabulary: dict[str, int], merges: list[tuple[str, str]], roles: Roles, config: Mapping[str, Any], *, framed: bool
) -> tokenizers.Tokenizer:
    """Radford et al. 2019, section 2.2: BPE over bytes, each spelled as a printable sign."""
    blank = bool(config.get("add_prefix_space", False))
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=blank)
    backend.decoder = decoders.ByteLevel()
    used = [role for role in (("sep_token", "cls_token") if framed else ENDS) if framed or config.get(f"add_{role}")]
    if missing := [roles[role] for role in used if roles[role] not in vocabulary]:
        raise ModelFolderError(f"{VOCABULARY} has no {missing[0]}", expected="the tokens that stand around a text")
    placed = {role: (roles[role], vocabulary[roles[role]]) for role in used}
    if framed:
        trim = bool(config.get("trim_offsets", True))
        backend.post_processor = processors.RobertaProcessing(placed["sep_token"], placed["cls_token"], trim, blank)
    else:
        start, end = ([roles[role]] if role in used else [] for role in ENDS)
        single, pair = [*start, "$A:0", *end], [*start, "$A:0", *end, *start, "$B:0", *end]
        backend.post_processor = processors.TemplateProcessing(single, pair, list(placed.values()))
    return backend


def _token(value: object) -> AddedToken | None:
    """A special token as configurations spell it: its text, or its text and how it takes the blanks beside it."""
    if isinstance(value, str):
        return AddedToken(value, special=True)
    if not isinstance(value, dict) or not isinstance(value.get("content"), str):
        return None
    flags = {name: bool(value[name]) for name in ("single_word", "lstrip", "rstrip", "normalized") if name in value}
    return AddedToken(value["content"], special=bool(value.get("special", True)), **flags)
