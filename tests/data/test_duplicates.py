"""Copies, near copies and shared passages: what was planted is found, and what is found is what brute force finds."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Duplicates, Example, find_duplicates, find_shared_passages, normalise_for_matching, open_file
from fathom.data.duplicates import PASSAGE, RUN, SHORTEST_PASSAGE
from fathom.errors import DataError, SettingsError
from fathom.text.splitting import WORD


def random_texts(count: int, words: int = 60, seed: int = 0) -> list[str]:
    """Texts of different words, so that nothing is repeated by chance."""
    generator = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in generator.integers(0, 10**9, words)) for _ in range(count)]


def examples(texts: list[str]) -> list[Example]:
    return [Example(text) for text in texts]


def split(text: str) -> list[str]:
    return re.findall(WORD, normalise_for_matching(text))


def runs(words: list[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


# --- inside a corpus ---


def test_duplicates_that_were_planted_are_found() -> None:
    texts = random_texts(200)
    texts.insert(150, texts[3].upper() + "!")  # a copy
    texts.insert(160, f"<br /> {texts[3]}")  # and another
    texts.append(texts[20].replace(" ", " other ", 1))  # one word more in 60
    texts.append(" ".join(texts[30].split()[:57]))  # three fewer
    texts.append(" ".join([*texts[40].split()[:30], *texts[41].split()[:30]]))  # half of two others
    found = find_duplicates(examples(texts))
    assert (found.documents, found.copies, found.near_copies) == (205, 2, 2)
    assert found.share == round(4 / 205, 6)
    assert [(shown["row"], shown["earlier_row"]) for shown in found.examples] == [(202, 20), (203, 30), (150, 3), (160, 3)]
    assert found.examples[2]["similarity"] == 1
    assert found.examples[0]["text"] == texts[202][:200]
    assert found.examples[0]["earlier_text"] == texts[20][:200]
    assert found == find_duplicates(examples(texts))


WORDS = st.sampled_from([f"w{number}" for number in range(12)])
BASE = st.lists(WORDS, max_size=30)


@st.composite
def corpora(draw: st.DrawFn) -> list[str]:
    """Texts of few words, many of which come from one another by a change."""
    texts: list[list[str]] = []
    for _ in range(draw(st.integers(0, 14))):
        text = list(draw(st.sampled_from(texts)) if texts and draw(st.booleans()) else draw(BASE))
        for _ in range(draw(st.integers(0, 2))):
            if text:
                text[draw(st.integers(0, len(text) - 1))] = draw(WORDS)
        texts.append(text)
    return [" ".join(text) for text in texts]


@given(texts=corpora(), similarity=st.sampled_from([0.8, 0.9, 1.0]), seed=st.integers(0, 3))
def test_duplicates_are_those_of_brute_force(texts: list[str], similarity: float, seed: int) -> None:
    found = find_duplicates(examples(texts), similarity=similarity, seed=seed, examples=100)
    copies = {row for row, text in enumerate(texts) if text in texts[:row]}
    shingles = [runs(text.split(), min(RUN, len(text.split()))) if text else set() for text in texts]
    near: dict[int, float] = {}
    for row, mine in enumerate(shingles):
        if row in copies or not mine:
            continue
        others = [shingles[other] for other in range(row) if other not in copies and shingles[other]]
        alike = max((len(mine & other) / len(mine | other) for other in others), default=0.0)
        if alike >= similarity:
            near[row] = round(alike, 3)
    assert (found.documents, found.copies, found.near_copies) == (len(texts), len(copies), len(near))
    assert {shown["row"]: shown["similarity"] for shown in found.examples} == near | dict.fromkeys(copies, 1.0)


def test_duplicates_that_are_less_alike_than_asked_for_are_not_reported() -> None:
    text = random_texts(1, words=100)[0].split()
    texts = [" ".join(text), " ".join(text[:50])]  # 46 of 96 runs
    assert find_duplicates(examples(texts), similarity=0.5).near_copies == 0
    found = find_duplicates(examples(texts), similarity=0.3, seed=5)
    assert found.examples == [] or found.examples[0]["similarity"] == round(46 / 96, 3)


def test_duplicates_of_a_crowd_are_all_counted() -> None:
    base = random_texts(1, words=80)[0]
    texts = [f"{base} {number}" for number in range(300)]
    assert find_duplicates(examples(texts)).near_copies == 299


def test_duplicates_of_chinese_texts_are_told_by_characters() -> None:
    text = "这部电影非常好看我和家人一起看了三遍每一遍都觉得很感动"
    texts = [text, text + "！", text[:-1], "这家酒店非常好服务员也很热情下次还会再来房间干净"]
    found = find_duplicates(examples(texts))
    assert (found.copies, found.near_copies) == (1, 1)


def test_duplicates_of_blank_and_short_texts_are_copies_or_nothing() -> None:
    found = find_duplicates(examples(["", "", "a", "A.", "b", "...", "!!", "..."]))
    assert (found.copies, found.near_copies) == (3, 0)
    assert find_duplicates([]) == Duplicates(0, 0, 0, 0.8, 0.0, [])


def test_duplicates_of_texts_in_a_file(tmp_path: Path) -> None:
    texts = random_texts(5)
    (tmp_path / "texts.txt").write_text("\n".join([*texts, texts[2]]))
    found = find_duplicates(open_file(tmp_path / "texts.txt"))
    assert found.to_dict()["copies"] == 1
    with pytest.raises(DataError, match="read only once"):
        find_duplicates(iter(examples(texts)))
    with pytest.raises(SettingsError, match="similarity is 0"):
        find_duplicates(examples(texts), similarity=0)


class Many:
    """Documents of 1,000 characters that are made when they are read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Example]:
        for number in range(self.count):
            words = np.random.default_rng(number // 2).integers(0, 10**3, 50)
            yield Example(" ".join(f"quite-a-long-word-{word}" for word in words))


def test_duplicates_of_many_documents_take_little_memory() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert find_duplicates(Many(count)).copies == count // 2
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4096) - peak(2048) < 2048 * 700  # a text has 1,000 and more


# --- with evaluation texts ---


def brute_force(documents: list[str], texts: list[str]) -> tuple[int, int, int]:
    """Texts that are touched, mostly and wholly in documents."""
    held = [split(text) for text in documents]
    touched = mostly = wholly = 0
    for text in map(split, texts):
        size = min(PASSAGE, len(text))
        if not size:
            continue
        passages = [tuple(text[start : start + size]) for start in range(len(text) - size + 1)]
        if size < SHORTEST_PASSAGE:
            hits = int(text in held)
        else:
            known = set().union(*(runs(document, size) for document in held))
            hits = sum(passage in known for passage in passages)
        touched += hits > 0
        mostly += hits > 0 and 2 * hits >= len(passages)
        wholly += hits == len(passages)
    return touched, mostly, wholly


@given(data=st.data(), documents=corpora(), texts=corpora())
def test_passages_are_those_of_brute_force(data: st.DataObject, documents: list[str], texts: list[str]) -> None:
    for _ in range(data.draw(st.integers(0, 3))):  # plant some
        if texts and documents:
            text = data.draw(st.sampled_from(texts)).split()
            start = data.draw(st.integers(0, len(text)))
            planted = text[start : start + data.draw(st.integers(0, 20))]
            documents.append(" ".join([*data.draw(BASE), *planted, *data.draw(BASE)]))
    found = find_shared_passages(examples(documents), examples(texts), examples=100)
    assert (found.touched, found.mostly, found.wholly) == brute_force(documents, texts)
    assert (found.documents, found.texts) == (len(documents), len(texts))
    assert found.touched_share == (round(found.touched / len(texts), 6) if texts else 0)
    assert len(found.examples) == found.touched
    for shown in found.examples:
        assert shown["passage"] in " ".join(split(texts[shown["row"]]))
        assert shown["passage"] in " ".join(split(documents[shown["document_row"]]))
        holding = [row for row, text in enumerate(documents) if f" {shown['passage']} " in f" {' '.join(split(text))} "]
        if len(shown["passage"].split()) >= SHORTEST_PASSAGE:
            assert shown["document_row"] == holding[0]


def test_passages_count_what_was_planted() -> None:
    texts, documents = random_texts(50), random_texts(80, seed=1)
    documents[7] = "Before: " + " ".join(texts[3].split()[10:23]).upper() + ", after"  # 13 words
    documents[8] = " ".join(texts[4].split()[10:22])  # 12: too few
    documents[9] = documents[60] = f"{texts[5]} and more"
    documents[10] = " ".join(texts[6].split()[:40])
    found = find_shared_passages(iter(examples(documents)), examples(texts))
    assert (found.touched, found.mostly, found.wholly) == (3, 2, 1)
    assert found.touched_share == 3 / 50
    assert found.passages == 50 * 48
    assert found.passages_found == 1 + 48 + 28
    assert [(shown["row"], shown["document_row"]) for shown in found.examples] == [(3, 7), (5, 9), (6, 10)]
    assert found.examples[0]["passage"] == " ".join(texts[3].split()[10:23])


def test_passages_of_short_texts_are_the_texts() -> None:
    eight = "one two three four five six seven eight"
    documents = examples([f"so {eight} nine", "good film", "a good film indeed"])
    found = find_shared_passages(documents, examples([eight, "Good film!", "good", "indeed", "film indeed", ""]))
    assert (found.touched, found.wholly, found.texts) == (2, 2, 6)
    assert [shown["row"] for shown in found.examples] == [0, 1]


def test_passages_of_pairs_are_looked_for_in_both_texts() -> None:
    text = random_texts(1)[0]
    found = find_shared_passages([Example("a", pair=text)], [Example("question", pair=text)])
    assert (found.touched, found.wholly) == (1, 0)


def test_passages_of_nothing_are_none() -> None:
    assert find_shared_passages([], []).to_dict() | {"examples": None} == {
        **dict.fromkeys(("documents", "texts", "touched", "mostly", "wholly", "passages", "passages_found"), 0),
        "touched_share": 0.0,
        "examples": None,
    }
    assert find_shared_passages(examples(["a"]), examples([])).touched == 0
    assert find_shared_passages([], examples(["a"])).touched == 0
    with pytest.raises(DataError, match="read only once"):
        find_shared_passages([], iter([]))
