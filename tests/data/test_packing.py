"""Rows without padding between documents: every token once, and each document read as if it stood alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Batch, Corpus, CorpusSettings, EachEpoch, Example, PackedRows, build_corpus, plan_batches
from fathom.data.packing import DocumentFrame, best_fit
from fathom.errors import DataError, SettingsError
from fathom.model import LanguageModel
from fathom.objectives import CausalLanguage, MaskedLanguage
from fathom.objectives.answers import Question, read
from fathom.text import Tokenizer, train_bpe
from tests import tiny

SETTINGS = CorpusSettings(sentences=None, held_out=0.2, shard_characters=2000)


def documents(count: int = 60) -> list[Example]:
    """Documents of 1 to 80 words."""
    generator = np.random.default_rng(1)
    words = " ".join((*tiny.GOOD, *tiny.BAD)).split()
    return [Example(" ".join(generator.choice(words, int(generator.geometric(0.05)) % 80 + 1))) for _ in range(count)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny.tokenizer()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Corpus:
    return build_corpus(documents(), tokenizer, tmp_path_factory.mktemp("packing") / "corpus", SETTINGS)


@given(length=st.integers(3, 200), seed=st.integers(0, 5), epoch=st.integers(0, 5), part=st.sampled_from(["train", "held-out"]))
def test_packing_every_token_of_a_part_stands_in_one_row(
    corpus: Corpus, tokenizer: Tokenizer, length: int, seed: int, epoch: int, part: Any
) -> None:
    rows = PackedRows(corpus, tokenizer, part, length=length, seed=seed, epoch=epoch)
    seen: dict[int, list[tuple[int, int]]] = {}
    for row in range(len(rows)):
        for document, start, end in rows.pieces(row):
            assert start < end
            seen.setdefault(document, []).append((start, end))
    assert sorted(seen) == corpus.documents(part).tolist()
    for document, pieces in seen.items():
        starts, ends = zip(*sorted(pieces), strict=True)
        assert (0, *ends) == (*starts, corpus.lengths[document])
    assert rows.lengths.tolist() == [length] * len(rows)
    assert rows.text_bytes == corpus.text_bytes[corpus.documents(part)].sum()


@given(length=st.integers(3, 64), epoch=st.integers(0, 3), take=st.randoms(use_true_random=False))
def test_packing_rows_say_what_stands_where(corpus: Corpus, tokenizer: Tokenizer, length: int, epoch: int, take: Any) -> None:
    rows = PackedRows(corpus, tokenizer, length=length, epoch=epoch)
    chosen = np.array(take.sample(range(len(rows)), min(5, len(rows))))
    batch = rows.batch(chosen)
    assert batch.token_ids.shape == (len(chosen), length)
    assert batch.documents is not None
    assert batch.position_ids is not None
    assert batch.word_starts is not None
    assert batch.example_ids == chosen.tolist()
    padding = torch.zeros_like(batch.token_ids, dtype=torch.bool) if batch.padding_mask is None else batch.padding_mask
    for place, row in enumerate(chosen.tolist()):
        ids, numbers, positions, words = [], [], [], []
        for number, (document, start, end) in enumerate(rows.pieces(row)):
            content = corpus.tokens(document)[start:end].tolist()
            ids += [tokenizer.class_id, *content, tokenizer.separator_id]
            numbers += [number] * (len(content) + 2)
            positions += range(len(content) + 2)
            words += [True, True, *corpus.word_starts(document)[start + 1 : end].tolist(), True]
        free = length - len(ids)
        assert batch.token_ids[place].tolist() == ids + [tokenizer.pad_id] * free
        assert batch.documents[place].tolist() == numbers + [-1] * free
        assert batch.position_ids[place].tolist() == positions + [0] * free
        assert batch.word_starts[place].tolist() == words + [True] * free
        assert padding[place].tolist() == [False] * len(ids) + [True] * free
    assert batch.tokens == (~padding).sum()


def test_packing_shares_of_padding_are_counted(corpus: Corpus, tokenizer: Tokenizer) -> None:
    rows = PackedRows(corpus, tokenizer, length=64)
    batch = rows.batch(np.arange(len(rows)))
    assert batch.padding_mask is not None
    assert rows.padding_share == pytest.approx(batch.padding_mask.float().mean().item())
    pieces = sum(len(rows.pieces(row)) for row in range(len(rows)))
    assert rows.unpacked_padding_share == pytest.approx(1 - batch.tokens / (64 * pieces))
    assert rows.padding_share < 0.05 < rows.unpacked_padding_share


def test_packing_is_decided_by_seed_and_epoch(corpus: Corpus, tokenizer: Tokenizer) -> None:
    def everything(seed: int, epoch: int) -> list[list[tuple[int, int, int]]]:
        rows = PackedRows(corpus, tokenizer, length=64, seed=seed, epoch=epoch)
        return [rows.pieces(row) for row in range(len(rows))]

    assert everything(0, 0) == everything(0, 0)
    held = [everything(*key) for key in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len({str(rows) for rows in held}) == 4
    together = [{frozenset(one[0] for one in row) for row in rows} for rows in held]
    assert together[0] != together[1]  # other documents side by side, not only other rows first


def test_packing_the_rows_of_an_epoch_can_be_had_again(corpus: Corpus, tokenizer: Tokenizer) -> None:
    drawn: list[int] = []

    def draw(epoch: int) -> PackedRows:
        drawn.append(epoch)
        return PackedRows(corpus, tokenizer, length=64, epoch=epoch)

    data = EachEpoch(draw)
    first = [data.epoch(0), data.epoch(0), data.epoch(1), data.epoch(0)]
    assert first[0] is first[1]
    assert drawn == [0, 1, 0]
    plans = [plan_batches(rows.lengths, max_tokens=256, shuffle=True, seed=3, epoch=0) for rows in (first[0], first[3])]
    for one, other in zip(*plans, strict=True):
        assert torch.equal(first[0].batch(one).token_ids, first[3].batch(other).token_ids)


@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=60))
def test_packing_best_fit_fills_no_row_beyond_its_length_and_opens_few(sizes: list[int]) -> None:
    row = best_fit(np.array(sizes), 20)
    filled = np.bincount(row, weights=sizes)
    assert sorted(set(row.tolist())) == list(range(len(filled)))
    assert filled.max() <= 20
    free: list[int] = []  # the same by its definition
    for size in sorted(sizes, reverse=True):
        fitting = [place for place, room in enumerate(free) if room >= size]
        if fitting:
            free[min(fitting, key=lambda place: free[place])] -= size
        else:
            free.append(20 - size)
    assert Counter(20 - int(used) for used in filled) == Counter(free)


# --- as if it stood alone ---

KINDS: dict[str, dict[str, Any]] = {
    "learned": {},
    "counting real tokens": {"padding_position": 0, "pad_id": 0},
    "sinusoidal": {"positions": "sinusoidal"},
    "rotary": {"positions": "rotary", "norm_position": "before"},
    "local": {"positions": "rotary", "pattern": "gl", "window": 2},
    "relative": {"positions": "relative"},
    "none": {"positions": "none"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "masked"])
def test_packing_a_documents_loss_is_its_loss_alone(corpus: Corpus, tokenizer: Tokenizer, kind: str, causal: bool) -> None:
    size = tokenizer.vocab_size
    shape = {"vocab_size": size, "segments": 0, "initializer_range": 0.3, "max_length": 64, "causal": causal, **KINDS[kind]}
    model = LanguageModel(tiny.config(**shape)).eval()
    special = tuple(range(5))
    objective = CausalLanguage() if causal else MaskedLanguage(4, size, special, rate=0.3)
    rows = PackedRows(corpus, tokenizer, length=48)
    crowded = sorted(range(len(rows)), key=lambda row: -len(rows.pieces(row)))[:4]
    batch = rows.batch(np.array([*crowded, 0]))
    with torch.no_grad():
        packed = objective.answers(model, batch)
        question = packed.question
        compared = 0
        for row in range(len(batch.token_ids)):
            assert batch.documents is not None
            for number in range(int(batch.documents[row].max()) + 1):
                places = (batch.documents[row] == number).nonzero().flatten()
                begin, end = int(places[0]), int(places[-1]) + 1
                mine = (question.rows == row) & (question.columns >= begin) & (question.columns < end)
                ids = question.batch.token_ids[row : row + 1, begin:end]
                alone = Batch(ids, None, None, None, [0], end - begin)
                asked = Question(
                    question.about,
                    alone,
                    torch.zeros_like(question.rows[mine]),
                    question.columns[mine] - begin,
                    question.right[mine],
                )
                expected = objective.answer(model, read(model, alone), asked)
                torch.testing.assert_close(packed.nats[mine], expected.nats, atol=1e-4, rtol=0)
                compared += int(mine.sum())
        assert compared == len(packed.nats) > 40
        mixed = objective.answer(model, read(model, replace(question.batch, documents=None, position_ids=None)), question)
        assert not torch.allclose(packed.nats, mixed.nats, atol=1e-2)  # the test would see documents that see each other


# --- special tokens ---


def test_packing_what_frames_nothing_ends_documents_with_its_end_token(tmp_path: Path) -> None:
    texts = documents()
    trained = train_bpe([example.text for example in texts], vocab_size=300)
    trained._backend.post_processor = None  # type: ignore[assignment]
    trained._backend.add_special_tokens(["<|endoftext|>"])
    bare = Tokenizer(trained._backend, {"eos_token": "<|endoftext|>"})
    bare = Tokenizer.load(_saved(bare, tmp_path))
    assert bare.eos_id is not None
    assert DocumentFrame.of(bare) == DocumentFrame((), (), (bare.eos_id,))
    corpus = build_corpus(texts, bare, tmp_path / "corpus", SETTINGS)
    rows = PackedRows(corpus, bare, length=32)
    batch = rows.batch(np.arange(len(rows)))
    assert int((batch.token_ids == bare.eos_id).sum()) == len(corpus.documents("train"))
    assert batch.tokens == corpus.lengths[corpus.documents("train")].sum() + len(corpus.documents("train"))
    both = PackedRows(corpus, bare, length=32, frame=DocumentFrame((bare.eos_id,), (), (bare.eos_id,)))
    assert both.batch(np.array([0])).token_ids[0, 0] == bare.eos_id


def _saved(tokenizer: Tokenizer, folder: Path) -> Path:
    (folder / "tokenizer").mkdir()
    tokenizer.save(folder / "tokenizer")
    return folder / "tokenizer"


def test_packing_of_one_document_of_one_word(tmp_path: Path, tokenizer: Tokenizer) -> None:
    corpus = build_corpus([Example("warm")], tokenizer, tmp_path / "corpus")
    rows = PackedRows(corpus, tokenizer, length=8)
    batch = rows.batch(np.array([0]))
    assert len(rows) == 1
    assert batch.tokens == 3
    with pytest.raises(DataError, match="no held-out documents"):
        PackedRows(corpus, tokenizer, "held-out", length=8)


def test_packing_rows_without_room_are_refused(corpus: Corpus, tokenizer: Tokenizer) -> None:
    with pytest.raises(SettingsError, match="rows of 2 tokens"):
        PackedRows(corpus, tokenizer, length=2)


def test_packing_reads_only_what_it_needs(corpus: Corpus, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    read_pieces: list[tuple[int, int, int]] = []
    stretches = Corpus.stretches

    def spy(self: Corpus, *pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        read_pieces.extend(zip(*(part.tolist() for part in pieces), strict=True))
        return stretches(self, *pieces)

    monkeypatch.setattr(Corpus, "stretches", spy)
    rows = PackedRows(corpus, tokenizer, length=64)
    assert not read_pieces
    rows.batch(np.array([2, 1]))
    assert read_pieces == rows.pieces(2) + rows.pieces(1)
    assert isinstance(corpus.tokens(0), np.memmap)
