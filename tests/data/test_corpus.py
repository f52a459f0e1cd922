"""A corpus holds every token of every document, whoever built it and however often the build was stopped."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Corpus, CorpusSettings, Example, build_corpus, corpus_building, open_file
from fathom.data.splits import normalise_for_matching
from fathom.errors import DataError, FathomError, MachineError, MissingExtraError, ModelFolderError
from fathom.folders import write_folder
from fathom.text import Tokenizer, train_bpe, train_unigram, train_words
from fathom.text.sentences import _sentencizer
from tests import tiny

SENTENCES = ["A joy from start to finish.", "Warm, and funny!", "Is it a film?", "Great acting; a poor story."]
SENTENCES += ["很好看。", "Dull"]


def documents(count: int = 40) -> list[Example]:
    """Different documents of one to six sentences, with some that are blank."""
    generator = np.random.default_rng(0)
    made = [Example(" ".join(generator.choice(SENTENCES, generator.integers(1, 7))) + f" {n}.") for n in range(count)]
    return [*made[:3], Example(" \n"), *made[3:], Example("")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny.tokenizer()


SMALL = CorpusSettings(shard_characters=500, held_out=0.2)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "words"])
def test_corpus_holds_tokens_words_and_sentences_of_every_document(tmp_path: Path, kind: str) -> None:
    texts = [example.text for example in documents() if example.text.strip()]
    tokenizer = {
        "wordpiece": lambda: tiny.tokenizer(),
        "bpe": lambda: train_bpe(texts, vocab_size=300),
        "unigram": lambda: train_unigram(texts, vocab_size=100),
        "words": lambda: train_words(texts, language="simple"),
    }[kind]()
    corpus = build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL)
    assert len(corpus) == len(texts)
    assert len(corpus.manifest.seals) > 3
    for number, (text, spelled) in enumerate(zip(texts, tokenizer.spell(texts), strict=True)):
        assert corpus.tokens(number).tolist() == spelled.token_ids
        assert corpus.word_starts(number).tolist() == spelled.word_starts
        assert corpus.lengths[number] == len(spelled.token_ids)
        assert corpus.text_bytes[number] == len(text.encode())
        ends = corpus.sentence_ends(number).tolist()
        assert ends[-1] == len(spelled.token_ids)
        last = [text[: spelled.offsets[end - 1][1]] for end in ends]
        assert all(part.rstrip().endswith((".", "!", "?", "。", text[-2:])) for part in last)
        assert len(ends) == sum(text.count(stop) for stop in ".!?。")
    manifest = corpus.manifest
    assert manifest.blank == 2
    assert manifest.tokens == corpus.lengths.sum()
    assert manifest.sentences == sum(len(corpus.sentence_ends(number)) for number in range(len(corpus)))
    assert manifest.text_bytes == sum(len(text.encode()) for text in texts)
    assert manifest.documents == {part: len(corpus.documents(part)) for part in ("train", "held-out")}
    assert manifest.tokenizer_sha256 == tokenizer.digest


@given(data=st.data())
def test_corpus_any_stretch_of_a_document_can_be_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "stretch"
    corpus = build_corpus(documents(), tiny.tokenizer(), folder, SMALL) if not folder.exists() else Corpus.open(folder)
    document = data.draw(st.integers(0, len(corpus) - 1))
    start = data.draw(st.integers(0, int(corpus.lengths[document])))
    end = data.draw(st.integers(start, int(corpus.lengths[document]) + 3) | st.none())
    assert corpus.tokens(document, start, end).tolist() == corpus.tokens(document)[start:end].tolist()
    assert corpus.word_starts(document, start, end).tolist() == corpus.word_starts(document)[start:end].tolist()


def test_corpus_is_a_memory_map_of_the_narrowest_type(tmp_path: Path, tokenizer: Tokenizer) -> None:
    corpus = build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL)
    assert isinstance(corpus.tokens(0), np.memmap)
    assert corpus.tokens(0).dtype == np.uint16
    wide = train_words((f"w{number}" for number in range(70_000)), language="simple", max_words=70_000)
    corpus = build_corpus([Example("w69999 w0 w65535")], wide, tmp_path / "wide")
    assert corpus.tokens(0).dtype == np.int32
    assert [wide.id_to_token(token) for token in corpus.tokens(0).tolist()] == ["w69999", "w0", "w65535"]


def test_corpus_of_pairs_holds_both_texts(tmp_path: Path, tokenizer: Tokenizer) -> None:
    corpus = build_corpus([Example("warm", pair="dull film")], tokenizer, tmp_path / "corpus")
    assert corpus.tokens(0).tolist() == tokenizer.spell(["warm\ndull film"])[0].token_ids


def test_corpus_without_sentences_needs_no_spacy(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    _sentencizer.cache_clear()
    corpus = build_corpus(documents(), tokenizer, tmp_path / "corpus", CorpusSettings(sentences=None))
    assert [corpus.sentence_ends(number).tolist() for number in range(len(corpus))] == [[n] for n in corpus.lengths.tolist()]
    with pytest.raises(MissingExtraError, match="words"):
        build_corpus(documents(), tokenizer, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_corpus_chinese_words_are_jiebas_where_asked(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = [Example("我来到北京清华大学")]
    found = {
        words: build_corpus(text, tokenizer, tmp_path / str(words), CorpusSettings(chinese_words=words))
        .word_starts(0)
        .astype(int)
        .tolist()
        for words in (False, True)
    }
    assert found == {False: [1] * 9, True: [1, 1, 0, 1, 0, 1, 0, 0, 0]}


# --- parts ---


def test_corpus_copies_stand_in_one_part_and_shares_are_kept(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [Example(f"a joy {number % 50}") for number in range(100)] + [Example(f"A JOY, {number}!") for number in range(50)]
    corpus = build_corpus(rows, tokenizer, tmp_path / "corpus", SMALL)
    held, train = corpus.documents("held-out"), corpus.documents("train")
    assert sorted([*held.tolist(), *train.tolist()]) == list(range(150))
    assert abs(len(held) - 30) <= 3
    keys = [normalise_for_matching(row.text) for row in rows]
    assert not {keys[number] for number in held} & {keys[number] for number in train}
    other = build_corpus(rows, tokenizer, tmp_path / "other", SMALL.model_copy(update={"seed": 1}))
    assert other.documents("held-out").tolist() != held.tolist()


@pytest.mark.parametrize("rows", [[Example("a joy from start to finish")], [Example("warm")]], ids=["document", "word"])
def test_corpus_of_one_document_has_nothing_to_hold_out(tmp_path: Path, tokenizer: Tokenizer, rows: list[Example]) -> None:
    corpus = build_corpus(rows, tokenizer, tmp_path / "corpus")
    assert corpus.documents("train").tolist() == [0]
    with pytest.raises(DataError, match="no held-out documents: 1 in all"):
        corpus.documents("held-out")


# --- whoever builds it ---


def test_corpus_does_not_depend_on_the_number_of_processes(tmp_path: Path, tokenizer: Tokenizer) -> None:
    seen: list[tuple[int, int]] = []
    build_corpus(documents(), tokenizer, tmp_path / "one", SMALL, on_shard=lambda *done: seen.append(done))
    build_corpus(iter(documents()), tokenizer, tmp_path / "two", SMALL, processes=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert seen[-1] == (len(list((tmp_path / "one").glob("shard-*"))), 40)


def test_corpus_build_goes_on_where_it_was_stopped(tmp_path: Path, tokenizer: Tokenizer) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "corpus"
    build_corpus(documents(), tokenizer, whole, SMALL)

    def stopped() -> Iterator[Example]:
        yield from documents()[:25]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(stopped(), tokenizer, folder, SMALL)
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("shard-*/tokens.npy")}
    assert finished
    with pytest.raises(ModelFolderError, match="unfinished"):
        Corpus.open(folder)
    build_corpus(documents(), tokenizer, folder, SMALL)
    assert contents(folder) == contents(whole)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


@pytest.mark.parametrize("processes", [1, 2])
def test_corpus_build_that_was_killed_goes_on(tmp_path: Path, processes: int) -> None:
    code = f"""
import sys
from pathlib import Path
from fathom.data import build_corpus
from tests import tiny
from tests.data.test_corpus import SMALL, documents
if __name__ == "__main__":
    def said(shards, documents):
        print(shards, flush=True)
    build_corpus(documents(600), tiny.tokenizer(), Path(sys.argv[1]), SMALL, processes={processes}, on_shard=said)
"""
    script = tmp_path / "build.py"
    script.write_text(code)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(script), str(tmp_path / "corpus")]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(5)][-1] == "5\n"
        process.send_signal(signal.SIGKILL)
    time.sleep(0.5 * processes)  # what the killed process left behind notices and ends
    before = len(list((tmp_path / "corpus").glob("shard-*")))
    corpus = build_corpus(documents(600), tiny.tokenizer(), tmp_path / "corpus", SMALL)
    assert 5 <= before < len(corpus.manifest.seals) - 1
    assert len(corpus) == 600
    assert not list((tmp_path / "corpus").glob(".*"))


def test_corpus_a_full_disk_costs_nothing_that_was_finished(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    save = corpus_building._save

    def full(path: Path, array: np.ndarray) -> None:
        written.append(path)
        if len(written) > 15:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(path, array)

    with monkeypatch.context() as patched:
        patched.setattr(corpus_building, "_save", full)
        with pytest.raises(MachineError, match="the disk is full"):
            build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL)
    assert sorted(path.name for path in (tmp_path / "corpus").iterdir()) == ["corpus.json", "shard-00000", "shard-00001"]
    build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL)
    build_corpus(documents(), tokenizer, tmp_path / "other", SMALL)
    assert contents(tmp_path / "corpus") == contents(tmp_path / "other")


# --- what cannot be used ---


@pytest.fixture
def built(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL)
    return tmp_path / "corpus"


@pytest.mark.parametrize("name", ["tokens.npy", "word_starts.npy", "document_ends.npy", "shard.json", "SHA256SUMS"])
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_corpus_a_damaged_shard_is_named_and_can_be_built_again(built: Path, tokenizer: Tokenizer, name: str, how: str) -> None:
    whole = contents(built)
    file = built / "shard-00002" / name
    held = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(held[:-1] if how == "cut" else held[:-1] + bytes([held[-1] ^ 1]))
    for use in (lambda: Corpus.open(built), lambda: build_corpus(documents(), tokenizer, built, SMALL)):
        with pytest.raises(ModelFolderError, match="shard-00002 is damaged") as caught:
            use()
        assert "delete the folder shard-00002 and build the corpus again" in str(caught.value)
    shutil.rmtree(file.parent)
    build_corpus(documents(), tokenizer, built, SMALL)
    assert contents(built) == whole


def test_corpus_a_missing_shard_or_one_of_another_corpus_is_named(tmp_path: Path, built: Path, tokenizer: Tokenizer) -> None:
    build_corpus(documents()[1:], tokenizer, tmp_path / "other", SMALL)
    shutil.rmtree(built / "shard-00001")
    with pytest.raises(ModelFolderError, match="shard-00001 is damaged"):
        Corpus.open(built)
    shutil.copytree(tmp_path / "other" / "shard-00001", built / "shard-00001")
    with pytest.raises(ModelFolderError, match="shard-00001 is damaged"):
        Corpus.open(built)


def test_corpus_is_bound_to_its_tokenizer(built: Path, tokenizer: Tokenizer) -> None:
    other = train_bpe(["a joy"], vocab_size=300)
    assert len(Corpus.open(built, tokenizer)) == 40
    with pytest.raises(ModelFolderError, match="another tokenizer"):
        Corpus.open(built, other)
    with pytest.raises(ModelFolderError, match="another tokenizer"):
        build_corpus(documents(), other, built, SMALL)


def test_corpus_is_bound_to_its_settings_and_documents(built: Path, tokenizer: Tokenizer) -> None:
    before = contents(built)
    with pytest.raises(FathomError, match=r"held_out was 0\.2 and is 0\.3"):
        build_corpus(documents(), tokenizer, built, SMALL.model_copy(update={"held_out": 0.3}))
    with pytest.raises(DataError, match="shard-00000 was made of other documents"):
        build_corpus(documents()[1:], tokenizer, built, SMALL)
    *others, last = sorted(built.glob("shard-*"))
    held = [json.loads((shard / "shard.json").read_text()) for shard in others]
    rows = sum(summary["documents"] + summary["blank"] for summary in held)
    with pytest.raises(DataError, match=f"holds {last.name}"):
        build_corpus(documents()[:rows], tokenizer, built, SMALL)
    assert contents(built) == before


def test_corpus_unknown_keys_and_damaged_manifests_are_refused(built: Path) -> None:
    manifest = json.loads((built / "corpus.json").read_text())
    for text in ("{", json.dumps(manifest | {"more": 1}), json.dumps(manifest | {"format": 2}), "\xff"):
        (built / "corpus.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(ModelFolderError, match=r"corpus\.json cannot be read"):
            Corpus.open(built)


def test_corpus_never_touches_a_folder_of_something_else(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FathomError, match="holds no corpus"):
        build_corpus(documents(), tokenizer, tmp_path)
    with pytest.raises(ModelFolderError, match="holds no corpus"):
        Corpus.open(tmp_path)
    with pytest.raises(FathomError, match="holds no corpus"):
        build_corpus(documents(), tokenizer, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("rows", "says"), [([], "no rows"), ([Example(" ")] * 3, "3 rows without a word")])
def test_corpus_of_nothing_is_refused(tmp_path: Path, tokenizer: Tokenizer, rows: list[Example], says: str) -> None:
    with pytest.raises(DataError, match=says):
        build_corpus(rows, tokenizer, tmp_path / "corpus")


def test_corpus_bytes_that_are_not_utf8_are_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "texts.txt").write_bytes(b"one\ntwo\n\xffthree\n")
    with pytest.raises(DataError, match=r"texts\.txt, line 3 is not UTF-8"):
        build_corpus(open_file(tmp_path / "texts.txt"), tokenizer, tmp_path / "corpus", CorpusSettings(shard_characters=1))
    assert len(list((tmp_path / "corpus").glob("shard-*"))) == 2
    (tmp_path / "texts.txt").write_bytes(b"one\ntwo\nthree\n")
    settings = CorpusSettings(shard_characters=1)
    assert len(build_corpus(open_file(tmp_path / "texts.txt"), tokenizer, tmp_path / "corpus", settings)) == 3


@pytest.mark.parametrize("unit", ["A joy from start to finish. ", "joy", pytest.param("!", marks=pytest.mark.slow)])
def test_corpus_10_mb_on_one_line_are_a_document(tmp_path: Path, tokenizer: Tokenizer, unit: str) -> None:
    (tmp_path / "texts.txt").write_text("warm\n" + unit * (10_000_000 // len(unit)) + "\ndull\n")
    corpus = build_corpus(open_file(tmp_path / "texts.txt"), tokenizer, tmp_path / "corpus")
    assert len(corpus) == 3
    assert corpus.text_bytes[1] == corpus.manifest.text_bytes - 8
    if unit.endswith(" "):
        assert corpus.manifest.sentences == 10_000_000 // len(unit) + 2
    parts = 20  # in which it is tokenised; a word that never ends is unknown once in each
    assert corpus.lengths[1] == {"A joy from start to finish. ": 357_142 * 7, "joy": parts, "!": 10_000_000}[unit]


def test_corpus_a_process_that_dies_is_said_and_nothing_is_lost(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_building, "_write_in_process", _die)
    with pytest.raises(MachineError, match="a process that built a shard was killed"):
        build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL, processes=2)
    monkeypatch.undo()
    assert len(build_corpus(documents(), tokenizer, tmp_path / "corpus", SMALL)) == 40


def _die(bundle: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_corpus_shards_are_never_overwritten(built: Path) -> None:
    with pytest.raises(FathomError, match="already exists"), write_folder(built / "shard-00000"):
        pass


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "words"])
def test_corpus_parts_of_a_long_document_are_spelled_as_the_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    rows = [Example(example.text.replace(" ", "  ", number % 2)) for number, example in enumerate(documents(12))]
    texts = [example.text for example in rows]
    tokenizer = {
        "wordpiece": tiny.tokenizer,
        "bpe": lambda: train_bpe(texts, vocab_size=300),
        "unigram": lambda: train_unigram(texts, vocab_size=100),
        "words": lambda: train_words(texts, language="simple"),
    }[kind]()
    whole = build_corpus(rows, tokenizer, tmp_path / "whole", SMALL)
    longest = max(len(word) for text in texts for word in text.split())
    for characters in (longest + 2, 100):
        monkeypatch.setattr(corpus_building, "_TOGETHER", characters)
        build_corpus(rows, tokenizer, tmp_path / str(characters), SMALL)
        assert contents(tmp_path / str(characters)) == contents(tmp_path / "whole")
    monkeypatch.setattr(corpus_building, "_TOGETHER", 1)  # no blank in reach: words are cut, and all of them are there
    cut = build_corpus(rows, tokenizer, tmp_path / "cut", SMALL)
    assert len(cut) == len(whole)
    assert (cut.text_bytes == whole.text_bytes).all()
    assert (cut.lengths >= whole.lengths).all()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Corpus:
    return build_corpus(documents(), tokenizer, tmp_path_factory.mktemp("many") / "corpus", SMALL)


@given(st.data())
def test_corpus_reads_many_parts_of_documents_as_it_reads_each(many: Corpus, data: st.DataObject) -> None:
    numbers = np.array(data.draw(st.lists(st.integers(0, len(many) - 1), max_size=8)), dtype=np.int64)
    starts = np.array([data.draw(st.integers(0, int(many.lengths[n]))) for n in numbers], dtype=np.int64)
    ends = np.array(
        [data.draw(st.integers(s, int(many.lengths[n]))) for n, s in zip(numbers, starts, strict=True)], dtype=np.int64
    )
    ids, words = many.stretches(numbers, starts, ends)
    parts = list(zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True))
    assert ids.tolist() == [token for part in parts for token in many.tokens(*part).tolist()]
    assert words.tolist() == [start for part in parts for start in many.word_starts(*part).tolist()]
