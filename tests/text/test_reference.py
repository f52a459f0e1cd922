"""Ids of any text as transformers' own tokenizers give them, from tokenizer.json and from the files that came before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from fathom.errors import ModelFolderError
from fathom.text import Tokenizer, train_wordpiece
from fathom.text.layouts import CLASSES

CORPUS = [
    "A wonderful film, isn't it? The café's résumé was naïve; don't walk, don't run.",
    "I watched it twice, and the second time I walked out of the cinema walking on air.",
    "今天天气很好，我们去看电影。这部电影非常好看，演员演得也好！酒店的服务不错。",
    "我用 Python 3.11 写了一个 film 评论分类器，CPU 上跑得很快。",
    "great 👍🏽 film 👨‍👩‍👧 ❤️ 🎉🎉",
    "Größe ΟΔΟΣ İstanbul Straße москва العربية हिन्दी 日本語 한국어",
]
TEXTS = [
    "",
    " ",
    " \t\n\r\n ",
    "A wonderful film, isn't it?  I'd've walked -- U.S.A., $3.50!",
    "  two leading blanks, and two trailing  ",
    "WALKING Walking walking wALKING",
    "今天天气很好，我们去看电影。",
    "我用Python写film评论，CPU很快！中文English混排 日本語 한국어",
    "㐀龥𠀀𪜀豈丽﨑々〇",
    "🎉 great 👍🏽👍🏿 film 👨‍👩‍👧‍👦👩🏽‍🚀 ❤️❤ 🇩🇪🇨🇳 1️⃣",
    "e\u0301te\u0301 re\u0301sume\u0301 naïve o\u0308\u0323 \u0301alone a\u0300\u0301\u0302\u0303",
    "résumé ﬁn Ⅷ ＦＵＬＬ width ½ ① İstanbul ıI Straße ΟΔΟΣ ǅ",
    "\x01\x02 bell\x07 \x1b[0m del\x7f c1\x85\x9f",
    "\x00nul\x00in\x00side",
    "\u200bzero\u200bwidth\u200d join\u200cer \ufeffbom soft\u00adhyphen \u2060 \u202eright\u202c",
    "tabs\tand\nlines\r\nand\u00a0blanks\u3000wide\u2028sep\u2029end\u1680\u2003\u205f",
    "j" * 99 + " " + "k" * 100 + " " + "l" * 101 + " " + "m" * 5000,
    "好" * 300,
    "word" * 1000,
    "العربية हिन्दी ไทย עברית தமிழ் བོད་",
    "«quotes» “double” ‘single’ …—–‐ ¿¡ 、。！？「」·•°§¶",
    "ending ending \t x",
    "a_b-c.d/e\\f|g~h`i^j @user #tag a@b.com https://x.org/?q=1&r=%20",
    "<br /><b>bold</b> &amp; 1 < 2 > 0",
    "[CLS] a [SEP] b [MASK][PAD]  [UNK] [cls] ##ing",
    "<s>a</s> b <mask>c<pad> <unk> <|endoftext|>d <|endoftext|>",
    "\U0010ffff\ue000\ufffd\ufffe\uffff\U000e0001",
    "'s 't 're 'S don’t 123abc abc123 ٣٤ 12,345.67",
    "Ġ Ċ Ã© â ½ ▁ ##",
]
PAIRS = [("a film", "电影"), ("", "b"), ("a", ""), ("walked", " walked"), ("👍🏽", "e\u0301"), ("[SEP]", "</s>")]

Theirs = transformers.PreTrainedTokenizerBase
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
GPT2 = ["<|endoftext|>"]


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def wordpiece_files(folder: Path, lowercase: bool) -> None:
    """vocab.txt: pieces of the corpus, and characters that only some ways of cleaning leave over."""
    tokens = train_wordpiece(CORPUS * 3, vocab_size=700, lowercase=lowercase).tokens()
    more = ["é", "E", "e", "##é", "##天", "##好", "今天", "ss", "ﬁ", "\u2028", "film", "Film", "ending \t"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys([*tokens, *more])) + "\n", encoding="utf-8")


def byte_level_files(folder: Path, special: list[str]) -> None:
    """vocab.json and merges.txt, learned by the library from the corpus."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(CORPUS * 3, trainer)
    backend.model.save(str(folder))


KINDS: dict[str, tuple[type[Theirs], dict[str, Any]]] = {
    "bert uncased": (transformers.BertTokenizerFast, {}),
    "bert uncased, said": (transformers.BertTokenizer, {"do_lower_case": True, "strip_accents": None}),
    "bert cased": (transformers.BertTokenizerFast, {"do_lower_case": False}),
    "bert cased, accents off": (transformers.BertTokenizerFast, {"do_lower_case": False, "strip_accents": True}),
    "bert uncased, accents on": (transformers.BertTokenizer, {"do_lower_case": True, "strip_accents": False}),
    "bert, chinese together": (transformers.BertTokenizer, {"tokenize_chinese_chars": False}),
    "gpt2": (transformers.GPT2TokenizerFast, {}),
    "gpt2, first blank": (transformers.GPT2Tokenizer, {"add_prefix_space": True}),
    "gpt2, framed": (transformers.GPT2Tokenizer, {"add_bos_token": True}),
    "roberta": (transformers.RobertaTokenizerFast, {}),
    "roberta, first blank": (transformers.RobertaTokenizer, {"add_prefix_space": True, "trim_offsets": False}),
}
Pair = tuple[Tokenizer, Theirs]


def old_folder(folder: Path, kind: str) -> Path:
    """The files as they were before tokenizer.json."""
    theirs, config = KINDS[kind]
    folder.mkdir()
    if kind.startswith("bert"):
        wordpiece_files(folder, lowercase=config.get("do_lower_case", True))
    else:
        byte_level_files(folder, GPT2 if kind.startswith("gpt2") else ROBERTA)
    if config:
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": theirs.__name__, **config})
    return folder


@pytest.fixture(scope="module", params=[(kind, layout) for kind in KINDS for layout in ("old", "json")], ids=" ".join)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Ours and theirs from one folder."""
    kind, layout = request.param
    here = tmp_path_factory.mktemp("reference")
    folder = old_folder(here / "old", kind)
    theirs = KINDS[kind][0].from_pretrained(folder)
    if layout == "json":
        theirs.save_pretrained(here / "new")
        folder = here / "new"
        assert {file.name for file in folder.iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    return Tokenizer.load(folder), theirs


def ids(ours: Tokenizer, text: str, pair: str | None = None) -> list[int]:
    found: list[int] = ours.encode([text], None if pair is None else [pair], max_length=10**9)[0][0].token_ids
    return found


def assert_same(both: Pair, text: str) -> None:
    ours, theirs = both
    expected = theirs(text)["input_ids"]
    assert ids(ours, text) == (expected or ids(ours, "")), repr(text)


def test_reference_vocabulary_is_the_same(both: Pair) -> None:
    ours, theirs = both
    assert ours.vocab_size == len(theirs)
    known = {token: number for token, number in theirs.get_vocab().items() if token}  # they read a blank token as ""
    assert {token: ours.token_to_id(token) for token in known} == known
    for role in ("cls", "sep", "mask"):
        expected = getattr(theirs, f"{role}_token_id")
        ours_id = {"cls": ours.class_id, "sep": ours.separator_id, "mask": ours.mask_id}[role]
        assert ours_id == expected
    assert ours.pad_id == (0 if theirs.pad_token_id is None else theirs.pad_token_id)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_reference_ids_are_the_same(both: Pair, text: str) -> None:
    assert_same(both, text)


@given(text=st.text(max_size=60))
def test_reference_ids_of_any_text_are_the_same(both: Pair, text: str) -> None:
    assert_same(both, text)


@given(text=st.text(st.sampled_from("aE é\u0301好今天,'[]<>sS\u200d\u200b👍🏽\t\x00\x1f\u00a0ß"), max_size=40))
def test_reference_ids_of_any_mixture_are_the_same(both: Pair, text: str) -> None:
    assert_same(both, text)


def test_reference_pairs_are_the_same(both: Pair) -> None:
    ours, theirs = both
    for first, second in [*PAIRS, *zip(TEXTS, TEXTS[::-1], strict=True)]:
        expected = theirs([first], [second])  # not in a list, an empty second text counts as none there
        (window,) = ours.encode([first], [second], max_length=10**6)[0]
        assert window.token_ids == expected["input_ids"][0], (first, second)
        if "token_type_ids" in expected:
            assert window.segment_ids == expected["token_type_ids"][0]


def test_reference_places_in_the_text_are_the_same(both: Pair) -> None:
    ours, theirs = both
    for text in TEXTS:
        if expected := theirs(text, return_offsets_mapping=True)["offset_mapping"]:
            assert ours.encode([text], max_length=10**6, offsets=True)[0][0].offsets == expected, repr(text)


@pytest.mark.parametrize("max_length", [4, 7, 30])
def test_reference_cuts_are_the_same(both: Pair, max_length: int) -> None:
    ours, theirs = both
    for text in TEXTS:
        expected = theirs(text, truncation=True, max_length=max_length)["input_ids"]
        assert ours.encode([text], max_length=max_length)[0][0].token_ids == (expected or ids(ours, "")), repr(text)


def test_reference_saved_by_us_still_gives_the_same_ids(both: Pair, tmp_path: Path) -> None:
    ours, theirs = both
    ours.save(tmp_path)
    again, in_theirs = Tokenizer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in filter(None, TEXTS):
        expected = theirs(text)["input_ids"]
        assert ids(again, text) == (expected or ids(ours, "")), repr(text)
        assert in_theirs(text)["input_ids"] == expected, repr(text)


@pytest.mark.parametrize("text", ["\ud800", "a \udfff film", "好\ud83d\ude0d"])
def test_reference_refuses_lone_surrogates_and_ours_reads_the_replacement_character(both: Pair, text: str) -> None:
    ours, theirs = both
    with pytest.raises((TypeError, UnicodeEncodeError)):
        theirs(text)
    replaced = "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)
    assert_same((ours, theirs), replaced)
    assert ids(ours, text) == ids(ours, replaced)


# --- what must come out, said here ---


def test_reference_of_bert_written_in_python_agrees(tmp_path: Path) -> None:
    """Google's algorithm in Python, character by character, not the library that both of the others run on."""
    for lowercase in (True, False):
        folder = old_folder(tmp_path / str(lowercase), "bert uncased" if lowercase else "bert cased")
        theirs, ours = BertTokenizerLegacy(folder / "vocab.txt", do_lower_case=lowercase), Tokenizer.load(folder)
        for text in [*CORPUS[:5], *TEXTS[:10], *TEXTS[13:21]]:  # it composes accents and lower-cases İ and final Σ differently
            assert ids(ours, text) == theirs(text)["input_ids"], repr(text)


def test_layouts_frames_are_those_of_the_papers(tmp_path: Path) -> None:
    roberta, gpt2 = (Tokenizer.load(old_folder(tmp_path / kind, kind)) for kind in ("roberta", "gpt2"))
    t, blank_t = roberta.token_to_id("t"), roberta.token_to_id("Ġt")
    assert None not in (t, blank_t)
    assert ids(roberta, "t t") == [0, t, blank_t, 2]
    assert ids(roberta, "t", "t") == [0, t, 2, 2, t, 2]
    assert ids(gpt2, "t t") == [gpt2.token_to_id("t"), gpt2.token_to_id("Ġt")]
    assert ids(gpt2, "t", "t") == [gpt2.token_to_id("t")] * 2
    blank = Tokenizer.load(old_folder(tmp_path / "blank", "roberta, first blank"))
    assert ids(blank, "t") == ids(blank, " t") == [0, blank_t, 2]


# --- what stands beside the vocabulary ---


def loaded(folder: Path, kind: str) -> Pair:
    return Tokenizer.load(folder), KINDS[kind][0].from_pretrained(folder)


def test_layouts_special_tokens_take_blanks_as_their_map_says(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "roberta", "roberta")
    mask = {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    write_json(folder / "special_tokens_map.json", {"mask_token": mask, "cls_token": "<s>"})
    ours, theirs = loaded(folder, "roberta")
    for text in ("a <mask> film", "a<mask>film", "  <mask>  "):
        assert ids(ours, text) == theirs(text)["input_ids"]
    assert ids(ours, "a <mask>") == [0, ours.token_to_id("a"), 4, 2], "the blank belongs to the mask"
    folder = old_folder(tmp_path / "bert", "bert uncased")
    once = {"content": "[MASK]", "single_word": True}
    write_json(folder / "special_tokens_map.json", {"mask_token": once})
    ours, theirs = loaded(folder, "bert uncased")
    for text in ("a [MASK] film", "a[MASK]film", "[MASK]"):
        assert ids(ours, text) == theirs(text)["input_ids"]
    assert ours.mask_id not in ids(ours, "a[MASK]film")


@pytest.mark.parametrize("kind", ["bert uncased", "gpt2", "roberta"])
def test_layouts_added_tokens_get_their_own_ids(tmp_path: Path, kind: str) -> None:
    folder = old_folder(tmp_path / "old", kind)
    size = Tokenizer.load(folder).vocab_size
    write_json(folder / "added_tokens.json", {"NewWord": size + 1, "<|pad|>": size})
    write_json(folder / "special_tokens_map.json", {"pad_token": "<|pad|>"})
    ours, theirs = loaded(folder, kind)
    for text in ("a newword NewWord b", "a<|pad|>b", "NewWordNewWord", "newword"):
        assert ids(ours, text) == theirs(text)["input_ids"], text
    assert (ours.token_to_id("<|pad|>"), ours.token_to_id("NewWord")) == (size, size + 1)
    assert ours.pad_id == size


@pytest.mark.parametrize("kind", ["bert uncased", "gpt2", "roberta"])
def test_layouts_added_tokens_may_be_listed_in_the_config(tmp_path: Path, kind: str) -> None:
    folder = old_folder(tmp_path / "old", kind)
    size = Tokenizer.load(folder).vocab_size
    flags = {"rstrip": False, "single_word": True, "normalized": False}
    tokens = {
        str(size): {"content": "<|pad|>", "special": True, "lstrip": True, **flags},
        str(size + 1): {"content": "NewWord", "special": False, "lstrip": False, **flags},
    }
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": tokens, "pad_token": "<|pad|>"})
    write_json(folder / "special_tokens_map.json", {"pad_token": "is not read any more"})
    ours, theirs = loaded(folder, kind)
    for text in ("a newword NewWord b", "a <|pad|>b", "a <|pad|> b", "NewWordNewWord", "NewWord."):
        assert ids(ours, text) == theirs(text)["input_ids"], text
    assert ours.pad_id == theirs.pad_token_id == size


def test_layouts_added_tokens_whose_ids_leave_a_gap_are_refused(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "old", "gpt2")
    write_json(folder / "added_tokens.json", {"<|pad|>": 5000})
    with pytest.raises(ModelFolderError, match=r"'<\|pad\|>' the id 5000"):
        Tokenizer.load(folder)


def test_layouts_bert_with_other_names_for_its_special_tokens(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "old", "bert uncased")
    text = (folder / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text(text.replace("[CLS]", "<cls>").replace("[UNK]", "<oov>"), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"cls_token": "<cls>", "unk_token": "<oov>"})
    ours, theirs = loaded(folder, "bert uncased")
    for words in ("a film", "j" * 101, "<cls> <oov>", "☃"):
        assert ids(ours, words) == theirs(words)["input_ids"]
    assert (ours.class_id, ours.unknown_id) == (2, 1)


def test_layouts_config_goes_over_tokenizer_json_as_in_their_classes(tmp_path: Path) -> None:
    for kind, key in (("bert uncased", "do_lower_case"), ("gpt2", "add_prefix_space"), ("roberta", "add_prefix_space")):
        theirs = KINDS[kind][0].from_pretrained(old_folder(tmp_path / f"{kind} old", kind))
        theirs.save_pretrained(folder := tmp_path / kind)
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        write_json(folder / "tokenizer_config.json", {**config, key: not config[key]})
        ours, changed = loaded(folder, kind)
        assert ids(ours, "Film film") == changed("Film film")["input_ids"] != theirs("Film film")["input_ids"]
        write_json(folder / "tokenizer_config.json", {**config, key: not config[key], "tokenizer_class": "TokenizersBackend"})
        assert ids(Tokenizer.load(folder), "Film film") == theirs("Film film")["input_ids"], "there tokenizer.json alone counts"


@pytest.mark.parametrize("kind", ["bert uncased", "gpt2"])
def test_layouts_of_classes_that_split_in_their_own_way_are_refused(tmp_path: Path, kind: str) -> None:
    folder = old_folder(tmp_path / "old", kind)
    for name in ("BertJapaneseTokenizer", "Qwen2TokenizerFast", "RobertaTokenizer" if "bert" in kind else "BertTokenizer"):
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": name})
        with pytest.raises(ModelFolderError, match=f"old files of a {name.removesuffix('Fast')}"):
            Tokenizer.load(folder)
    assert {"BertTokenizer", "GPT2Tokenizer", "RobertaTokenizer"} <= set(CLASSES)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vocab.json", "{", "cannot be read"),
        ("vocab.json", "[]", "cannot be read"),
        ("merges.txt", "#version: 0.2\nonly-one\n", "cannot be read"),
        ("merges.txt", "#version: 0.2\nnot there\n", "cannot be read"),
        ("merges.txt", b"\xff\xfe", "cannot be read"),
        ("added_tokens.json", "[1]", "JSON object"),
        ("added_tokens.json", '{"<|pad|>": "x"}', "added tokens cannot be read"),
        ("tokenizer_config.json", '{"added_tokens_decoder": [1]}', "added tokens cannot be read"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"600": {"content": 3}}}', "added tokens cannot be read"),
        ("tokenizer_config.json", '{"add_prefix_space": "yes"}', "add_prefix_space: 'yes'"),
        ("tokenizer_config.json", '{"add_bos_token": true, "bos_token": "<nowhere>"}', "has no <nowhere>"),
    ],
)
def test_layouts_damaged_files_are_named(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    folder = old_folder(tmp_path / "old", "gpt2")
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelFolderError, match=says):
        Tokenizer.load(folder)


def test_layouts_half_of_the_files_is_nothing(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "old", "gpt2")
    (folder / "merges.txt").unlink()
    with pytest.raises(ModelFolderError, match="holds no tokenizer"):
        Tokenizer.load(folder)
