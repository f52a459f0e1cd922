"""That tasks of pairs are fair: no group on both sides, labels in balance, and a bag of words that sees both texts apart."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from relations import _bag_of_words, _compared, _read, answerable, better, folds_of

from fathom.data import CorpusSettings, Example, build_corpus
from fathom.data.pairs import SentencePairs
from fathom.errors import DataError
from fathom.model import LanguageModel, PretrainingModel
from tests import tiny


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    for name, first in (("train", 0), ("dev", 30)):
        rows = ["Sentiment\tText\tbatch_id"]
        for number in range(first, first + 30):
            rows += [f"Negative\tdull film {number}\t{number}", f'Positive\t"a ""good"" film {number}"\t{number}']
        (tmp_path / f"{name}_paired.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_twins_stand_in_either_order_and_the_label_says_which(twins: Path) -> None:
    examples = better(twins)
    assert len(examples) == len({example.group for example in examples}) == 60
    assert sum(example.label == "first" for example in examples) == 30
    for example in examples:
        kind, unkind = (example.text, example.pair) if example.label == "first" else (example.pair, example.text)
        assert kind == str(unkind).replace("dull", 'a "good"')


def test_twins_without_a_twin_are_refused(twins: Path) -> None:
    with (twins / "dev_paired.tsv").open("a", encoding="utf-8") as file:
        file.write("Negative\talone\t99\n")
    with pytest.raises(DataError, match="1 of 31 pairs"):
        better(twins)


def test_questions_and_their_paragraphs(tmp_path: Path) -> None:
    asked = [{"question": "who?", "is_impossible": False}, {"question": "when?", "is_impossible": True}]
    data = {"data": [{"title": "T", "paragraphs": [{"context": "somebody", "qas": asked}]}]}
    (tmp_path / "squad.json.gz").write_bytes(gzip.compress(json.dumps(data).encode()))
    assert answerable(tmp_path / "squad.json.gz") == [
        Example("who?", "answerable", "somebody", "T"),
        Example("when?", "unanswerable", "somebody", "T"),
    ]


def test_folds_keep_groups_together_and_are_about_the_same_size() -> None:
    groups = [f"article {number}" for number in range(16) for _ in range(200 + 20 * number)]
    found = folds_of(groups, 4)
    by_group: dict[str, set[int]] = {}
    for group, fold in zip(groups, found.tolist(), strict=True):
        by_group.setdefault(group, set()).add(fold)
    assert all(len(folds) == 1 for folds in by_group.values())
    sizes = np.bincount(found)
    assert len(sizes) == 4
    assert sizes.max() < 1.1 * sizes.min()


def test_the_bag_of_words_tells_the_texts_of_a_pair_apart(twins: Path) -> None:
    examples = better(twins)
    assert _bag_of_words(examples[:40], examples[40:]).mean() == 1


def test_compared_is_paired() -> None:
    examples = [Example("a", "yes" if row % 4 else "no", "b", f"group {row // 2}") for row in range(40)]
    right = np.arange(40) % 2 == 0
    found = _compared({"one": right, "two": ~right}, examples, np.ones(40, dtype=bool))
    assert found["majority"] == 0.75
    assert found["groups"] == 20
    assert found["bases"]["one"]["value"] == 0.5
    assert found["differences"]["two minus one"]["value"] == 0
    assert found["differences"]["two minus one"]["interval"] == (0, 0)  # in every group one of each


@pytest.mark.parametrize("kind", [LanguageModel, PretrainingModel])
def test_states_of_a_pair_do_not_depend_on_its_batch(kind: type[LanguageModel | PretrainingModel], tmp_path: Path) -> None:
    """The means are of one text each: what is padded beside it is not in them."""
    tokenizer = tiny.tokenizer()
    documents = [Example(". ".join(["A joy from start to finish", "Warm and funny", "Dull"] * n) + ".") for n in (1, 2, 3)]
    corpus = build_corpus(documents, tokenizer, tmp_path / "corpus", CorpusSettings(held_out=0.0))
    pairs = SentencePairs(corpus, tokenizer, "train", relation="sentence_order", length=24)
    torch.manual_seed(0)
    model = kind(tiny.config(vocab_size=tokenizer.vocab_size, initializer_range=0.3)).eval()
    said, states = _read(model, pairs, np.arange(len(pairs)))
    assert len(set(pairs.lengths.tolist())) > 1
    assert (said is None) == (kind is LanguageModel)
    for row in range(len(pairs)):
        assert states[row] == pytest.approx(_read(model, pairs, np.array([row]))[1][0], abs=1e-5)
