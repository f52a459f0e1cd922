"""Text to windows of ids: the same ids as the original's, and nothing cut in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tokenizers
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, normalizers

from fathom.checkpoint import resolve_model
from fathom.errors import DataError, ModelFolderError, SettingsError
from fathom.text import LongText, Tokenizer, blank_markup, train_bpe, train_unigram, train_wordpiece, train_words
from fathom.text.splitting import is_han
from tests import tiny

TEXTS = [
    "A wonderful film -- isn't it?  U.S.A., $3.50!",
    "Naïve café: résumé, ﬁn, Ⅷ, ＦＵＬＬ width, ΟΔΟΣ, İstanbul, Straße",
    "今天天气很好，我们去看电影。中文English混排 日本語 한국어",
    "🎉 great 👍🏽 film 👨‍👩‍👧 ❤️",
    "\x00nul \x01\x02 bell\x07 \u200bzero\u200dwidth\ufeff soft\u00adhyphen \u202eright",
    "tabs\tand\nlines\r\nand\u00a0blanks\u3000wide\u2028",
    "العربية हिन्दी ไทย עברית",
    "[CLS] a [SEP] b [MASK] [PAD] [UNK] ##ing",
    "j" * 101 + " " + "k" * 100,
    "<br /><b>bold</b> &amp; 1 < 2 > 0",
    "\U0010ffff\ue000\ufffd\ufffe",
    "",
    " \t\n ",
]
WORDS = ["joy", "warm", "dull", "endless", "film", "story", "unseenword", "很", "🎉", "!"]
long_texts = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)


@pytest.fixture(scope="module")
def minilm() -> Tokenizer:
    return Tokenizer.load(resolve_model("minilm"))


KINDS = ["wordpiece", "bpe", "unigram", "words"]


@pytest.fixture(scope="module")
def every() -> dict[str, Tokenizer]:
    texts = [*tiny.GOOD, *tiny.BAD, " ".join(WORDS)]
    return {
        "wordpiece": tiny.tokenizer(),
        "bpe": train_bpe(texts, vocab_size=300, min_frequency=1),
        "unigram": train_unigram(texts * 2, vocab_size=200),
        "words": train_words(texts, language="simple"),
    }


def whole(tokenizer: Tokenizer, text: str, pair: str | None = None) -> list[int]:
    """All ids of a text, with the special tokens around it."""
    pairs = None if pair is None else [pair]
    return tokenizer.encode([text], pairs, max_length=10**9)[0][0].token_ids


def content(tokenizer: Tokenizer, text: str) -> list[int]:
    """All ids of a text, without special tokens."""
    ids = whole(tokenizer, text)
    return ids[1:-1] if tokenizer.class_id is not None else ids


def frame(tokenizer: Tokenizer) -> int:
    """How many special tokens stand around a text."""
    return 0 if tokenizer.class_id is None else 2


# --- ids as the original's ---


@pytest.fixture(scope="module")
def berts() -> transformers.PreTrainedTokenizerBase:
    found: transformers.PreTrainedTokenizerBase = transformers.BertTokenizerFast.from_pretrained(resolve_model("minilm"))
    return found


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_tokenizer_ids_of_minilm_are_berts(minilm: Tokenizer, berts: transformers.PreTrainedTokenizerBase, text: str) -> None:
    assert whole(minilm, text) == berts(text)["input_ids"]


@given(text=st.text(max_size=100), pair=st.text(min_size=1, max_size=40))
def test_tokenizer_ids_of_any_text_are_berts(
    minilm: Tokenizer, berts: transformers.PreTrainedTokenizerBase, text: str, pair: str
) -> None:
    assert whole(minilm, text) == berts(text)["input_ids"]
    theirs, (ours,) = berts(text, pair), minilm.encode([text], [pair], max_length=10**6)[0]
    assert ours.token_ids == theirs["input_ids"]
    assert (ours.segment_ids or [0] * len(ours.token_ids)) == theirs["token_type_ids"]


@pytest.mark.parametrize("text", TEXTS[:6], ids=range(6))
def test_tokenizer_offsets_of_minilm_are_berts(
    minilm: Tokenizer, berts: transformers.PreTrainedTokenizerBase, text: str
) -> None:
    theirs = berts(text, return_offsets_mapping=True)["offset_mapping"]
    assert minilm.encode([text], max_length=10**6, offsets=True)[0][0].offsets == theirs


@pytest.mark.parametrize("max_length", [3, 8, 512])
def test_tokenizer_cuts_as_bert_does(minilm: Tokenizer, berts: transformers.PreTrainedTokenizerBase, max_length: int) -> None:
    for text in TEXTS:
        cut = berts(text, truncation=True, max_length=max_length)["input_ids"]
        assert minilm.encode([text], max_length=max_length)[0][0].token_ids == cut


def test_tokenizer_an_old_vocabulary_file_gives_the_same_ids(tmp_path: Path, minilm: Tokenizer) -> None:
    shutil.copy(resolve_model("minilm") / "vocab.txt", tmp_path)
    old = Tokenizer.load(tmp_path)
    assert old.tokens() == minilm.tokens()
    assert [whole(old, text) for text in TEXTS] == [whole(minilm, text) for text in TEXTS]
    assert [whole(old, text, "a pair") for text in TEXTS] == [whole(minilm, text, "a pair") for text in TEXTS]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    assert whole(Tokenizer.load(tmp_path), "FILM") != whole(minilm, "FILM")


def test_tokenizer_saved_again_gives_the_same_ids_in_transformers(tmp_path: Path, minilm: Tokenizer) -> None:
    minilm.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert theirs(text)["input_ids"] == whole(minilm, text)
    assert theirs("a", "b")["token_type_ids"] == minilm.encode(["a"], ["b"], max_length=9)[0][0].segment_ids


# --- long texts ---


def test_tokenizer_head_keeps_the_start_and_counts_the_rest(minilm: Tokenizer) -> None:
    text = " ".join(str(number) for number in range(10))
    ids = whole(minilm, text)
    (window,) = minilm.encode([text], max_length=6)[0]
    assert window.token_ids == [*ids[:5], minilm.separator_id]
    assert window.dropped == 6


def test_tokenizer_head_and_tail_keep_a_quarter_and_the_rest(minilm: Tokenizer) -> None:
    text = "a " * 300 + "b " * 400
    a, b = content(minilm, "a") + content(minilm, "b")
    (window,) = minilm.encode([text], max_length=512, long_text="head+tail")[0]
    assert window.token_ids == [minilm.class_id, *[a] * 128, *[b] * 382, minilm.separator_id], "Sun et al. 2019"
    assert window.dropped == 700 - 510


@pytest.mark.parametrize("kind", KINDS)
@given(text=long_texts, max_length=st.integers(5, 40), long_text=st.sampled_from(["head", "head+tail"]))
def test_tokenizer_what_is_cut_is_counted(
    every: dict[str, Tokenizer], kind: str, text: str, max_length: int, long_text: LongText
) -> None:
    tokenizer = every[kind]
    ids, edge = content(tokenizer, text), frame(tokenizer) // 2
    (window,) = tokenizer.encode([text], max_length=max_length, long_text=long_text, offsets=True)[0]
    assert len(window.token_ids) <= max_length
    kept = window.token_ids[edge : len(window.token_ids) - edge]
    assert len(kept) + window.dropped == len(ids)
    if window.dropped:
        assert len(window.token_ids) == max_length, "no more is cut than has to be"
        head = len(kept) if long_text == "head" else round(len(kept) * 128 / 510)
        tail = len(kept) - head
        assert kept == ids[:head] + ids[len(ids) - tail :]
    else:
        assert kept == ids
    assert window.offsets is not None
    assert len(window.offsets) == len(window.token_ids)


@pytest.mark.parametrize("kind", KINDS)
@given(text=long_texts, max_length=st.integers(5, 40), data=st.data())
def test_tokenizer_windows_together_hold_every_token(
    every: dict[str, Tokenizer], kind: str, text: str, max_length: int, data: st.DataObject
) -> None:
    tokenizer = every[kind]
    edge = frame(tokenizer) // 2
    stride = data.draw(st.integers(0, max_length - 2 * edge - 1))
    ids = content(tokenizer, text)
    windows = tokenizer.encode([text], max_length=max_length, long_text="windows", stride=stride, offsets=True)[0]
    together: list[int] = []
    for number, window in enumerate(windows):
        assert len(window.token_ids) <= max_length
        assert window.dropped == 0
        assert window.offsets is not None
        assert len(window.offsets) == len(window.token_ids)
        kept = window.token_ids[edge : len(window.token_ids) - edge]
        assert number == 0 or kept[:stride] == together[len(together) - stride :], "each shares `stride` tokens with the last"
        assert number == 0 or len(kept) > stride, "each adds something"
        together += kept if number == 0 else kept[stride:]
    assert together == ids
    budget = max_length - 2 * edge
    assert len(windows) == max(1, -(-(len(ids) - stride) // (budget - stride))), "and there are no more than are needed"


def test_tokenizer_windows_keep_their_places_in_the_text(minilm: Tokenizer) -> None:
    text = "one two three four five six seven eight nine ten"
    windows = minilm.encode([text], max_length=5, long_text="windows", stride=1, offsets=True)[0]
    spelled = [[text[slice(*place)] for place in (window.offsets or [])[1:-1]] for window in windows]
    assert spelled == [
        ["one", "two", "three"],
        ["three", "four", "five"],
        ["five", "six", "seven"],
        ["seven", "eight", "nine"],
        ["nine", "ten"],
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_length": 2}, "leaves no room"),
        ({"max_length": 0}, "leaves no room"),
        ({"max_length": 10, "long_text": "windows", "stride": 8}, "stride 8 in windows of 8"),
        ({"max_length": 10, "long_text": "windows", "stride": -1}, "stride -1"),
        ({"max_length": 10, "long_text": "windows", "stride": 1, "pairs": ["b"]}, "pairs of texts"),
        ({"max_length": 4, "pairs": ["b"]}, "leaves no room"),
    ],
)
def test_tokenizer_lengths_that_leave_no_room_are_refused(minilm: Tokenizer, options: dict[str, object], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        minilm.encode(["a"], **options)


@pytest.mark.parametrize("kind", ["wordpiece", "words"])
def test_tokenizer_text_of_10_mb_is_encoded_and_what_is_cut_is_counted(every: dict[str, Tokenizer], kind: str) -> None:
    word, count = "wonderful ", 1_050_000
    tokenizer = every[kind]
    assert len(content(tokenizer, word)) == 1
    (window,) = tokenizer.encode([word * count], max_length=256, long_text="head+tail")[0]
    assert len(window.token_ids) == 256
    assert window.dropped == count - 256 + frame(tokenizer)


# --- pairs ---


@given(first=long_texts, second=long_texts, max_length=st.integers(8, 60), long_text=st.sampled_from(["head", "head+tail"]))
def test_tokenizer_of_two_texts_the_longer_gives_way_first(
    every: dict[str, Tokenizer], first: str, second: str, max_length: int, long_text: LongText
) -> None:
    tokenizer = every["wordpiece"]
    sizes = [len(content(tokenizer, text)) for text in (first, second)]
    (window,) = tokenizer.encode([first], [second], max_length=max_length, long_text=long_text, offsets=True)[0]
    assert window.segment_ids is not None
    assert window.offsets is not None
    assert len(window.token_ids) == len(window.segment_ids) == len(window.offsets) <= max_length
    separators = [place for place, token_id in enumerate(window.token_ids) if token_id == tokenizer.separator_id]
    kept = [separators[0] - 1, separators[1] - separators[0] - 1]
    assert window.segment_ids == [0] * (kept[0] + 2) + [1] * (kept[1] + 1)
    assert sum(kept) + window.dropped == sum(sizes)
    if window.dropped:
        assert len(window.token_ids) == max_length
        for place in (0, 1):
            assert kept[place] == sizes[place] or kept[place] >= kept[1 - place] - 1, "only what is longer is cut"
    else:
        assert kept == sizes
        assert window.token_ids == whole(tokenizer, first, second)


def test_tokenizer_pairs_keep_the_start_or_both_ends_of_each(minilm: Tokenizer) -> None:
    a, b = "a " * 30, "one two three"
    ids_a, ids_b = content(minilm, a), content(minilm, b)
    (window,) = minilm.encode([a], [b], max_length=16)[0]
    assert window.token_ids == [101, *ids_a[:10], 102, *ids_b, 102]
    assert window.dropped == 20
    (window,) = minilm.encode([b], [a], max_length=16)[0]
    assert window.token_ids == [101, *ids_b, 102, *ids_a[:10], 102]


# --- markup ---


def test_tokenizer_without_markup_reads_a_tag_as_a_blank(minilm: Tokenizer) -> None:
    blind = minilm.without_markup()
    tagged = 'Good.<br /><br />It <i class="x">moves</i> me<!-- note --></p>, 1 < 2 > 0 <3'
    assert whole(blind, tagged) == whole(minilm, "Good.  It  moves  me , 1 < 2 > 0 <3")
    assert whole(minilm, tagged) != whole(blind, tagged), "the original is as it was"
    window = blind.encode([tagged], max_length=60, offsets=True)[0][0]
    spelled = [tagged[start:end] for start, end in (window.offsets or [])[1:-1]]
    assert spelled == ["Good", ".", "It", "moves", "me", ",", "1", "<", "2", ">", "0", "<", "3"]


def test_tokenizer_without_markup_is_saved_in_standard_form(tmp_path: Path, minilm: Tokenizer) -> None:
    blind = minilm.without_markup()
    blind.save(tmp_path)
    text = "Good.<br /><br />It <b>moves</b> me"
    assert whole(Tokenizer.load(tmp_path), text) == whole(blind, text)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(text)["input_ids"] == whole(blind, text)
    assert theirs("a<br />", "b")["token_type_ids"] == blind.encode(["a"], ["b"], max_length=9)[0][0].segment_ids


def test_tokenizer_of_words_without_markup_keeps_places(tmp_path: Path, every: dict[str, Tokenizer]) -> None:
    blind = every["words"].without_markup()
    text = "joy<br />film <b>story</b>"
    assert blind.words(text) == ["joy", "film", "story"]
    window = blind.encode([text], max_length=9, offsets=True)[0][0]
    assert [text[start:end] for start, end in window.offsets or []] == ["joy", "film", "story"]
    blind.save(tmp_path)
    assert whole(Tokenizer.load(tmp_path), text) == whole(blind, text) == whole(every["words"], "joy film story")
    assert every["words"].words(text) != blind.words(text)


@given(text=st.text("<>/!ab \n", max_size=60))
def test_markup_is_blanked_in_place(text: str) -> None:
    blank = blank_markup(text)
    assert len(blank) == len(text)
    assert all(after in (before, " ") for before, after in zip(text, blank, strict=True))
    assert "<a>" not in blank
    assert "</b>" not in blank


def test_markup_that_never_ends_is_text() -> None:
    for text in ("a < b > c", "<3", "<" + "b" * 500 + ">", "i <b", "<>"):
        assert blank_markup(text) == text


# --- any text, any file ---


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.text(st.characters() | st.characters(categories=["Cs"]), max_size=40), max_size=4))
def test_tokenizer_takes_any_string(every: dict[str, Tokenizer], kind: str, texts: list[str]) -> None:
    tokenizer = every[kind]
    windows = tokenizer.encode(texts, max_length=64, offsets=True)
    assert len(windows) == len(texts)
    for (window,) in windows:
        assert len(window.token_ids) >= 1
        assert all(0 <= token_id < tokenizer.vocab_size for token_id in window.token_ids)
    assert [window for (window,) in windows] == [tokenizer.encode([text], max_length=64, offsets=True)[0][0] for text in texts]


def test_tokenizer_lone_surrogates_count_as_the_replacement_character(minilm: Tokenizer) -> None:
    assert whole(minilm, "a \ud800 b") == whole(minilm, "a \ufffd b")


@pytest.mark.parametrize("value", [None, 1, b"bytes", ["a"]])
def test_tokenizer_what_is_no_string_is_refused(minilm: Tokenizer, value: object) -> None:
    with pytest.raises(DataError, match="a text is"):
        minilm.encode(["fine", value], max_length=9)


def test_tokenizer_roles_may_be_objects_or_come_from_the_names_in_use(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    bare = Tokenizer.load(tmp_path)
    assert (bare.pad_id, bare.unknown_id, bare.class_id, bare.separator_id, bare.mask_id) == (0, 1, 2, 3, 4)
    as_object = {"pad_token": {"content": "film", "lstrip": False}, "mask_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(as_object), encoding="utf-8")
    assert Tokenizer.load(tmp_path).pad_id == bare.token_to_id("film")
    assert Tokenizer.load(tmp_path).mask_id == 4


def test_tokenizer_stored_truncation_and_padding_are_not_applied(tmp_path: Path) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.save(tmp_path)
    stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    stored["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored), encoding="utf-8")
    assert whole(Tokenizer.load(tmp_path), "a joy from start to finish") == whole(tokenizer, "a joy from start to finish")


def test_tokenizer_keeps_what_the_configuration_says_besides(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "note": "kept"}), encoding="utf-8")
    Tokenizer.load(tmp_path).save(tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["note"] == "kept"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "holds no tokenizer"),
        ({"tokenizer.json": b""}, "cannot be read"),
        ({"tokenizer.json": b'{"version": "1.0"'}, "cannot be read"),
        ({"tokenizer.json": b"[]"}, "cannot be read"),
        ({"tokenizer.json": b"\xff\xfe"}, "cannot be read"),
        ({"tokenizer.json": b'{"version": "1.0", "model": {"type": "Abacus", "vocab": {}}}'}, "cannot be read"),
        ({"vocab.txt": b""}, "empty vocabulary"),
        ({"vocab.txt": b"[UNK]\n\xff\n"}, "vocab.txt cannot be read"),
        ({"vocab.txt": b"[UNK]\na\n", "tokenizer_config.json": b"{"}, "tokenizer_config.json cannot be read"),
        ({"vocab.txt": b"[UNK]\na\n", "tokenizer_config.json": b"[]"}, "holds a list"),
        ({"vocab.txt": b"[UNK]\na\n", "special_tokens_map.json": b"\xff"}, "special_tokens_map.json cannot be read"),
    ],
)
def test_tokenizer_damaged_folder_is_refused(tmp_path: Path, files: dict[str, bytes], says: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFolderError, match=says):
        Tokenizer.load(tmp_path)


def test_tokenizer_damaged_json_is_refused(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelFolderError, match="cannot be read"):
        Tokenizer.load(tmp_path)


def test_tokenizer_old_vocabulary_may_hold_any_token(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2028", "\x85", "\x0b", "很", "film"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.tokens() == tokens
    assert whole(loaded, "很 film") == [2, 8, 9, 3]


# --- all of a text: spelling, words, digest ---


def spelled_words(tokenizer: Tokenizer, text: str, **options: bool) -> list[str]:
    """The tokens of each word, glued together."""
    found = tokenizer.spell([text], **options)[0]
    words: list[str] = []
    for token, starts in zip(map(tokenizer.id_to_token, found.token_ids), found.word_starts, strict=True):
        if starts:
            words.append(token)
        else:
            words[-1] += token
    return words


@pytest.mark.parametrize("kind", KINDS)
def test_spelling_is_what_encode_frames(every: dict[str, Tokenizer], kind: str) -> None:
    tokenizer = every[kind]
    frame = tokenizer.frame()
    for text, one in zip(TEXTS, tokenizer.spell(TEXTS), strict=True):
        if one.token_ids:
            assert [*frame.before, *one.token_ids, *frame.after] == whole(tokenizer, text)
            assert one.word_starts[0]
        assert len(one.token_ids) == len(one.offsets) == len(one.word_starts)


def test_spelling_words_start_where_each_kind_of_vocabulary_parts_them(every: dict[str, Tokenizer]) -> None:
    text = "warm, untold  story"
    assert [word.replace("##", "") for word in spelled_words(every["wordpiece"], text)][:2] == ["warm", "[UNK]"]
    assert spelled_words(every["bpe"], text) == ["warm", ",", "Ġuntold", "Ġ", "Ġstory"]
    assert [word for word in spelled_words(every["unigram"], text) if word != "▁"] == ["▁warm[UNK]", "▁untold", "▁story"]
    assert spelled_words(every["words"], text) == ["warm", "[UNK]", "[UNK]", "story"]


def test_spelling_words_of_a_wordpiece_vocabulary_start_without_hashes(minilm: Tokenizer) -> None:
    text = "Antidisestablishmentarianism isn't fathomable, is it? 我很好"
    found = minilm.spell([text])[0]
    tokens = [minilm.id_to_token(token) for token in found.token_ids]
    assert found.word_starts == [not token.startswith("##") for token in tokens]
    assert not all(found.word_starts)


def test_spelling_words_start_at_blanks_where_the_vocabulary_takes_a_text_for_one_word() -> None:
    backend = tokenizers.Tokenizer(models.BPE({"a": 0, "▁": 1, "▁a": 2}, [("▁", "a")]))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    assert Tokenizer(backend, {}).spell(["aa aaa"])[0].word_starts == [True, False, True, False, False]
    assert Tokenizer(backend, {}).spell([""])[0].word_starts == []


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_spelling_chinese_words_are_jiebas(kind: str) -> None:
    text = "我来到北京清华大学, really good，3.5分"
    texts = [text, *"我来到北京清华大学分", "really"] * 3
    tokenizer = {  # of a size at which no token spells two characters
        "wordpiece": train_wordpiece(texts, vocab_size=100),
        "bpe": train_bpe(texts, vocab_size=261),
        "unigram": train_unigram(texts, vocab_size=42),
    }[kind]
    found = tokenizer.spell([text], chinese_words=True)[0]
    places = [start + text[start:end].startswith(" ") for start, end in found.offsets]
    starts = [place for place, begins in zip(places, found.word_starts, strict=True) if begins]
    assert "".join(text[place] for place in starts if is_han(text[place])) == "我来北清分"
    assert 9 in starts  # a sign after a Chinese word does not belong to it
    alone = [begins for begins, place in zip(tokenizer.spell([text])[0].word_starts, places, strict=True) if place == 11]
    assert [begins for begins, place in zip(found.word_starts, places, strict=True) if place == 11] == alone


@pytest.mark.parametrize("kind", KINDS)
def test_digest_stays_through_a_folder_and_differs_between_vocabularies(
    tmp_path: Path, every: dict[str, Tokenizer], kind: str
) -> None:
    every[kind].save(tmp_path)
    assert Tokenizer.load(tmp_path).digest == every[kind].digest
    assert every[kind].without_markup().digest != every[kind].digest
    assert len({tokenizer.digest for tokenizer in every.values()}) == len(every)
