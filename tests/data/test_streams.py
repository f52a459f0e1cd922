"""Text that runs on from batch to batch: what a row holds goes on in the same row of the next batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Corpus, Example, Streams, build_corpus
from fathom.data.packing import DocumentFrame
from fathom.errors import DataError, SettingsError
from fathom.model import Transformer
from fathom.model.transformer import remember
from fathom.text import Tokenizer
from tests import tiny
from tests.data.test_packing import SETTINGS, documents


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny.tokenizer()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Corpus:
    return build_corpus(documents(), tokenizer, tmp_path_factory.mktemp("streams") / "corpus", SETTINGS)


def everything(corpus: Corpus, tokenizer: Tokenizer, order: list[int]) -> tuple[list[int], list[bool]]:
    """All documents, one after the other."""
    ids: list[int] = []
    words: list[bool] = []
    for document in order:
        assert tokenizer.class_id is not None
        assert tokenizer.separator_id is not None
        ids += [tokenizer.class_id, *corpus.tokens(document).tolist(), tokenizer.separator_id]
        words += [True, *corpus.word_starts(document).tolist(), True]
    return ids, words


@given(streams=st.integers(1, 9), length=st.integers(1, 90), seed=st.integers(0, 3), epoch=st.integers(0, 3))
def test_streams_put_together_are_all_documents_in_a_drawn_order(
    corpus: Corpus, tokenizer: Tokenizer, streams: int, length: int, seed: int, epoch: int
) -> None:
    data = Streams(corpus, tokenizer, streams=streams, length=length, seed=seed, epoch=epoch)
    batches = [data.batch(rows) for rows in data.batches]
    assert [tuple(batch.token_ids.shape) for batch in batches[:-1]] == [(streams, length)] * (len(batches) - 1)
    assert [batch.token_ids.shape[1] for batch in batches] == [data.lengths[rows[0]] for rows in data.batches]
    assert sum(batch.tokens for batch in batches) == data.lengths.sum()
    goes_on = [batch.continues.tolist() for batch in batches if batch.continues is not None]
    assert goes_on == [[number > 0] * streams for number in range(len(batches))]
    ids = torch.cat([batch.token_ids for batch in batches], dim=1).flatten().tolist()
    words = torch.cat([batch.word_starts for batch in batches if batch.word_starts is not None], dim=1).flatten().tolist()
    order = np.random.default_rng([seed, epoch]).permutation(corpus.documents("train")).tolist()
    expected_ids, expected_words = everything(corpus, tokenizer, order)
    assert ids == expected_ids[: len(ids)]
    assert words == expected_words[: len(words)]
    assert 0 <= len(expected_ids) - len(ids) < streams
    assert np.concatenate(data.batches).tolist() == list(range(len(data)))


def test_streams_are_decided_by_seed_and_epoch(corpus: Corpus, tokenizer: Tokenizer) -> None:
    def first(seed: int, epoch: int) -> list[list[int]]:
        rows: list[list[int]] = (
            Streams(corpus, tokenizer, streams=3, length=20, seed=seed, epoch=epoch).batch(np.arange(3)).token_ids.tolist()
        )
        return rows

    assert first(0, 0) == first(0, 0)
    assert len({str(first(*key)) for key in ((0, 0), (0, 1), (1, 0))}) == 3


def test_streams_with_memory_equal_one_long_pass(corpus: Corpus, tokenizer: Tokenizer) -> None:
    shape = {"positions": "relative", "causal": True, "depth": 1, "max_length": 64, "segments": 0, "initializer_range": 0.3}
    model = Transformer(tiny.config(vocab_size=tokenizer.vocab_size, **shape)).eval()
    data = Streams(corpus, tokenizer, streams=2, length=8)
    memory, read = None, []
    with torch.no_grad():
        for rows in data.batches[:4]:
            states = model.hidden_states(data.batch(rows).token_ids, memory=memory)
            memory = remember(states, 64, memory)
            read.append(states[-1])
        whole = model(Streams(corpus, tokenizer, streams=2, length=32).batch(np.arange(2)).token_ids)
    torch.testing.assert_close(torch.cat(read, dim=1), whole, atol=1e-5, rtol=0)


def test_streams_of_a_bare_frame_hold_the_documents_alone(corpus: Corpus, tokenizer: Tokenizer) -> None:
    data = Streams(corpus, tokenizer, "held-out", streams=1, length=1000, frame=DocumentFrame((), (), ()))
    assert data.lengths.sum() == corpus.lengths[corpus.documents("held-out")].sum()
    assert data.text_bytes == corpus.text_bytes[corpus.documents("held-out")].sum()


def test_streams_that_cannot_be_filled_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    corpus = build_corpus([Example("warm")], tokenizer, tmp_path / "corpus")
    assert Streams(corpus, tokenizer, streams=3, length=5).batch(np.arange(3)).token_ids.flatten().tolist() == [
        tokenizer.class_id,
        *corpus.tokens(0).tolist(),
        tokenizer.separator_id,
    ]
    with pytest.raises(DataError, match="3 train tokens for 4 streams"):
        Streams(corpus, tokenizer, streams=4, length=5)
    with pytest.raises(SettingsError, match="0 streams"):
        Streams(corpus, tokenizer, streams=0, length=5)
