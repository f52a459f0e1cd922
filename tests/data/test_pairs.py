"""Pairs for the next sentence and for the order of sentences, as their papers define them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Corpus, CorpusSettings, Example, Relation, SentencePairs, build_corpus
from fathom.data.pairs import _shortened
from fathom.errors import DataError, SettingsError
from fathom.text import Tokenizer, train_bpe, train_words
from tests import tiny

AROUND = 3  # [CLS] a [SEP] b [SEP]


def documents(count: int = 80) -> list[Example]:
    """Documents of one to twenty sentences, the sentences of one to fifteen words."""
    generator = np.random.default_rng(2)
    words = " ".join((*tiny.GOOD, *tiny.BAD)).split()
    made = []
    for _ in range(count):
        sentences = [
            " ".join(generator.choice(words, generator.integers(1, 16))) + "." for _ in range(generator.integers(1, 21))
        ]
        made.append(Example(" ".join(sentences)))
    return made


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny.tokenizer()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Corpus:
    settings = CorpusSettings(sentences="xx", held_out=0.2, shard_characters=5000)
    return build_corpus(documents(), tokenizer, tmp_path_factory.mktemp("pairs") / "corpus", settings)


relations = st.sampled_from(["next_sentence", "sentence_order"])


@given(relation=relations, length=st.integers(8, 128), seed=st.integers(0, 3), epoch=st.integers(0, 3))
def test_pairs_are_what_their_labels_say(
    corpus: Corpus, tokenizer: Tokenizer, relation: Relation, length: int, seed: int, epoch: int
) -> None:
    pairs = SentencePairs(corpus, tokenizer, relation=relation, length=length, seed=seed, epoch=epoch)
    assert abs(int((pairs.labels == 1).sum()) - int((pairs.labels == 0).sum())) <= 1
    train = set(corpus.documents("train").tolist())
    for row, label in enumerate(pairs.labels.tolist()):
        first, second = pairs.stretches(row)
        sizes = [end - start for _, start, end in (first, second)]
        assert min(sizes) > 0
        assert sum(sizes) + AROUND == pairs.lengths[row] <= length
        assert {first[0], second[0]} <= train
        if label == 1 and relation == "next_sentence":
            assert first[0] != second[0]
        else:
            earlier, later = (second, first) if label == 1 else (first, second)
            assert earlier[0] == later[0]
            assert earlier[2] <= later[1]
        if sum(sizes) < length - AROUND:  # nothing was cut off: whole sentences, and right after one another
            for document, start, end in (first, second):
                assert {start, end} <= {0, *corpus.sentence_ends(document).tolist()}
            if first[0] == second[0]:
                assert first[2] == second[1] or second[2] == first[1]


@pytest.mark.parametrize("relation", ["next_sentence", "sentence_order"])
def test_pairs_become_framed_rows(corpus: Corpus, tokenizer: Tokenizer, relation: Relation) -> None:
    pairs = SentencePairs(corpus, tokenizer, relation=relation, length=64)
    rows = np.array([5, 0, len(pairs) - 1, 7])
    batch = pairs.batch(rows)
    assert batch.labels is not None
    assert batch.segment_ids is not None
    assert batch.word_starts is not None
    assert batch.padding_mask is not None
    assert batch.labels.tolist() == pairs.labels[rows].tolist()
    assert batch.example_ids == rows.tolist()
    assert batch.tokens == pairs.lengths[rows].sum() == (~batch.padding_mask).sum()
    for place, row in enumerate(rows.tolist()):
        first, second = (corpus.tokens(*stretch).tolist() for stretch in pairs.stretches(row))
        ids = [tokenizer.class_id, *first, tokenizer.separator_id, *second, tokenizer.separator_id]
        free = batch.token_ids.shape[1] - len(ids)
        assert batch.token_ids[place].tolist() == ids + [tokenizer.pad_id] * free
        assert batch.segment_ids[place].tolist() == [0] * (len(first) + 2) + [1] * (len(second) + 1) + [0] * free
        assert batch.padding_mask[place].tolist() == [False] * len(ids) + [True] * free
        words = []
        for document, start, end in pairs.stretches(row):
            words += [True, True, *corpus.word_starts(document)[start + 1 : end].tolist()]
        assert batch.word_starts[place, : len(ids)].tolist() == [*words, True]


@pytest.mark.parametrize("relation", ["next_sentence", "sentence_order"])
def test_pairs_are_decided_by_seed_and_epoch(corpus: Corpus, tokenizer: Tokenizer, relation: Relation) -> None:
    def everything(seed: int, epoch: int) -> list[Any]:
        pairs = SentencePairs(corpus, tokenizer, relation=relation, length=64, seed=seed, epoch=epoch)
        return [(pairs.stretches(row), pairs.labels[row]) for row in range(len(pairs))]

    assert everything(0, 0) == everything(0, 0)
    assert len({str(everything(*key)) for key in ((0, 0), (0, 1), (1, 0))}) == 3


def test_pairs_hold_several_sentences_and_a_tenth_are_short(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [Example("film. " * 4000), Example("joy. " * 4000)]
    settings = CorpusSettings(sentences="xx", held_out=0)
    corpus = build_corpus(rows, tokenizer, tmp_path / "corpus", settings)
    pairs = SentencePairs(corpus, tokenizer, relation="sentence_order", length=43)  # sentences of 2 tokens, 40 to fill
    sizes = np.array([[end - start for _, start, end in pairs.stretches(row)] for row in range(len(pairs))])
    assert 0.05 < (sizes.sum(axis=1) < 40).mean() < 0.15
    assert (sizes.sum(axis=1) < 20).any()
    full = sizes[sizes.sum(axis=1) == 40]
    assert set(full[:, 0].tolist()) == set(range(2, 40, 2))  # cut between any two sentences
    assert pairs.read_share == pytest.approx(1, abs=0.01)
    never = SentencePairs(corpus, tokenizer, relation="sentence_order", length=43, short=0)
    assert (never.lengths < 43).sum() <= 2  # the ends of the two documents


def test_pairs_next_sentence_gives_back_what_a_foreign_text_took_the_place_of(corpus: Corpus, tokenizer: Tokenizer) -> None:
    pairs = SentencePairs(corpus, tokenizer, relation="next_sentence", length=512, short=0)
    firsts = {pairs.stretches(row)[0][:2]: row for row in range(len(pairs))}
    continued = 0
    for row in np.flatnonzero(pairs.labels == 1).tolist():
        document, _, end = pairs.stretches(row)[0]
        if end < corpus.sentence_ends(document)[-2]:
            assert (document, end) in firsts
            continued += 1
    assert continued > 10


def test_pairs_second_texts_are_as_long_whichever_their_label(corpus: Corpus, tokenizer: Tokenizer) -> None:
    sizes: dict[int, list[int]] = {0: [], 1: []}
    for epoch in range(10):
        pairs = SentencePairs(corpus, tokenizer, relation="next_sentence", length=40, epoch=epoch)
        for row, label in enumerate(pairs.labels.tolist()):
            sizes[label].append(pairs.stretches(row)[1][2] - pairs.stretches(row)[1][1])
    assert np.mean(sizes[0]) == pytest.approx(np.mean(sizes[1]), rel=0.2)


@given(first=st.integers(1, 60), second=st.integers(1, 60), room=st.integers(2, 60), seed=st.integers(0, 9))
def test_pairs_that_are_too_long_lose_tokens_one_by_one_from_the_longer(first: int, second: int, room: int, seed: int) -> None:
    (_, start, end), (_, begin, stop) = _shortened((0, 5, 5 + first), (1, 7, 7 + second), room, np.random.default_rng(seed))
    assert 5 <= start < end <= 5 + first
    assert 7 <= begin < stop <= 7 + second
    sizes = [first, second]  # BERT's rule, token by token
    while sum(sizes) > room:
        sizes[0 if sizes[0] > sizes[1] else 1] -= 1
    assert [end - start, stop - begin] == sizes


def test_pairs_lose_tokens_at_either_end() -> None:
    cut = [_shortened((0, 0, 9), (1, 0, 9), 10, np.random.default_rng(seed))[0][1] for seed in range(50)]
    assert min(cut) == 0
    assert max(cut) == 4


def test_pairs_that_cannot_be_drawn_are_refused(tmp_path: Path, corpus: Corpus, tokenizer: Tokenizer) -> None:
    one = build_corpus([Example("a joy. a film.")], tokenizer, tmp_path / "one", CorpusSettings(sentences="xx"))
    assert len(SentencePairs(one, tokenizer, relation="sentence_order", length=16)) == 1
    with pytest.raises(DataError, match="has one train document"):
        SentencePairs(one, tokenizer, relation="next_sentence", length=16)
    words = build_corpus([Example("joy"), Example("film")], tokenizer, tmp_path / "words", CorpusSettings(held_out=0))
    with pytest.raises(DataError, match="none of its 2 train documents has two sentences"):
        SentencePairs(words, tokenizer, relation="next_sentence", length=16)
    with pytest.raises(SettingsError, match="rows of 4 tokens"):
        SentencePairs(corpus, tokenizer, relation="next_sentence", length=4)
    bare = train_words(["a joy"], language="simple")
    with pytest.raises(SettingsError, match="nothing between two texts"):
        SentencePairs(corpus, bare, relation="next_sentence", length=16)


def test_pairs_of_any_vocabulary_that_frames_pairs(tmp_path: Path) -> None:
    tokenizer = train_bpe([example.text for example in documents()], vocab_size=300)
    corpus = build_corpus(documents(10), tokenizer, tmp_path / "corpus", CorpusSettings(sentences="xx", held_out=0))
    pairs = SentencePairs(corpus, tokenizer, relation="sentence_order", length=32)
    batch = pairs.batch(np.arange(4))
    assert int((batch.token_ids == tokenizer.separator_id).sum()) == 8
    assert torch.equal(batch.token_ids[:, 0], torch.full((4,), tokenizer.class_id))
