"""Rows that grow longer: every document of every epoch once, in the stage in which it belongs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Corpus, OrderedRows, PackedRows, Stage, StagedRows, build_corpus
from fathom.errors import SettingsError
from fathom.text import Tokenizer
from tests import tiny
from tests.data.test_packing import SETTINGS, documents

STAGES = [Stage(12, 0.5), Stage(40, 0.3), Stage(24, 0.2)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tiny.tokenizer()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Corpus:
    return build_corpus(documents(), tokenizer, tmp_path_factory.mktemp("stages") / "corpus", SETTINGS)


def staged(corpus: Corpus, tokenizer: Tokenizer, epochs: int, epoch: int, stages: list[Stage] = STAGES) -> StagedRows:
    return StagedRows(corpus, tokenizer, stages=stages, epochs=epochs, max_tokens=100, seed=3, epoch=epoch)


def read_documents(rows: PackedRows) -> set[int]:
    return {document for row in range(len(rows)) for document, _, _ in rows.pieces(row)}


@given(epochs=st.integers(1, 4))
def test_stages_share_out_the_documents_of_a_run(corpus: Corpus, tokenizer: Tokenizer, epochs: int) -> None:
    read: Counter[int] = Counter()  # documents by the length of their rows
    lengths = []
    for epoch in range(epochs):
        rows = staged(corpus, tokenizer, epochs, epoch)
        parts = [read_documents(stage) for stage in rows.stages]
        assert sorted(document for part in parts for document in part) == corpus.documents("train").tolist()
        assert rows.text_bytes == corpus.text_bytes[corpus.documents("train")].sum()
        read.update({stage.length: 0 for stage in rows.stages})
        for stage, part in zip(rows.stages, parts, strict=True):
            read[stage.length] += len(part)
        lengths += [stage.length for stage in rows.stages]
    order = [length for place, length in enumerate(lengths) if place == 0 or lengths[place - 1] != length]
    assert order == [12, 40, 24], "each stage once, in their order"
    of_all = epochs * len(corpus.documents("train"))
    for stage in STAGES:
        assert abs(read[stage.length] - stage.share * of_all) <= epochs


def test_staged_rows_are_read_stage_after_stage_under_the_budget(corpus: Corpus, tokenizer: Tokenizer) -> None:
    rows = staged(corpus, tokenizer, 1, 0)
    assert isinstance(rows, OrderedRows)
    assert sorted(np.concatenate(rows.batches).tolist()) == list(range(len(rows)))
    shapes = [tuple(rows.batch(batch).token_ids.shape) for batch in rows.batches]
    assert [length for _, length in shapes] == sorted((length for _, length in shapes), key=[12, 40, 24].index)
    assert all(count * length <= 100 for count, length in shapes)
    first = rows.batches[0]
    assert (rows.batch(first).token_ids == rows.stages[0].batch(first).token_ids).all()
    last = rows.batches[-1]
    assert (rows.batch(last).token_ids == rows.stages[-1].batch(last - len(rows) + len(rows.stages[-1])).token_ids).all()
    assert (rows.lengths[last] == 24).all()


def test_staged_rows_differ_by_epoch_and_not_from_one_reading_to_the_next(corpus: Corpus, tokenizer: Tokenizer) -> None:
    def ids(epoch: int) -> list[int]:
        rows = staged(corpus, tokenizer, 4, epoch, [Stage(12, 1.0)])
        return [number for batch in rows.batches for number in rows.batch(batch).token_ids.flatten().tolist()]

    assert ids(0) == ids(0) != ids(1)


def test_staged_rows_whose_shares_leave_something_out_are_refused(corpus: Corpus, tokenizer: Tokenizer) -> None:
    with pytest.raises(SettingsError, match=r"\[0.5, 0.3\]"):
        staged(corpus, tokenizer, 1, 0, STAGES[:2])


def test_a_stage_that_no_document_falls_into_is_left_out(tmp_path: Path, tokenizer: Tokenizer) -> None:
    small = build_corpus(documents(4), tokenizer, tmp_path / "corpus", SETTINGS)
    rows = staged(small, tokenizer, 1, 0, [Stage(12, 0.99), Stage(40, 0.01)])
    assert [stage.length for stage in rows.stages] == [12]
