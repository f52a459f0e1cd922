"""Prompting measured on models whose answers are known: one copies labels, one knows a word, one cannot choose."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fathom.checkpoint import About, save_model
from fathom.data import Columns, Example, text_digest
from fathom.errors import DataError, SettingsError
from fathom.inference import Predictor
from fathom.limits.statistics import paired_test, wilson
from fathom.model import Cache, LanguageModel
from fathom.pipeline.demonstrations import choose_rows
from fathom.pipeline.in_context import (
    InContextSettings,
    Mean,
    conclusions,
    evaluate_in_context,
    measure_in_context,
)
from fathom.pipeline.seen import SEEN, SeenTexts
from fathom.text import Tokenizer, train_bpe
from tests import tiny

TOPICS = {"good": ("sun", "rose", "song", "feast"), "bad": ("mud", "rust", "noise", "ash")}


def texts(copies: int, start: int = 0, share: float = 0.5) -> list[Example]:
    """Good and bad ones have no word in common, and each is of one topic."""
    numbers = range(start, start + copies)
    made = [
        Example(f"{label}ish {topic} {label}{number}x", label)
        for number in numbers
        for label, topics in TOPICS.items()
        for topic in topics
    ]
    return made if share == 0.5 else [row for place, row in enumerate(made) if row.label == "good" or place % 16 < 8]


def vocabulary() -> Tokenizer:
    rows = [f"Text: {row.text}\nLabel: {word} {row.label}\n\n" for row in texts(20) for word in ("very", "")]
    return train_bpe(rows, vocab_size=600, min_frequency=1)


class Scripted(LanguageModel):
    """Reads the prompt so far and says how the answer begins; every other token is as unlikely as the next."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tiny.config(vocab_size=tokenizer.vocab_size, causal=True, segments=0, max_length=4096))
        self.tokenizer = tokenizer

    def answer(self, text: str, demonstrations: list[tuple[str, str]]) -> str | None:
        raise NotImplementedError

    def forward(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        cache: Cache | None = None,
        only_last: bool = False,
        **others: Any,
    ) -> Tensor:
        assert cache is not None
        read, _ = cache.blocks[0].append(token_ids[:, None, :, None].float(), token_ids[:, None, :, None].float())
        ids = read[:, 0, :, 0].long()
        real = torch.ones_like(ids, dtype=torch.bool) if padding_mask is None else ~padding_mask
        assert real.shape == ids.shape
        length = token_ids.shape[1]
        logits = torch.zeros(*token_ids.shape, self.config.vocab_size)
        for row in range(len(ids)):
            for place in range(length - 1 if only_last else 0, length):
                end = ids.shape[1] - length + place + 1
                following = self.next_token(ids[row, :end][real[row, :end]].tolist())
                if following is not None:
                    logits[row, place, following] = 20.0
        return logits[:, -1:] if only_last else logits

    def next_token(self, sequence: list[int]) -> int | None:
        *before, last = self.tokenizer.decode(sequence).split("\n\n")
        found = re.fullmatch(r"Text: (.*)\nLabel:(.*)", last, re.DOTALL)
        if found is None:
            return None
        shown = [re.fullmatch(r"Text: (.*)\nLabel: (.*)", block, re.DOTALL) for block in before]
        answer = self.answer(found[1], [(one[1], one[2]) for one in shown if one is not None])
        spelled = self.tokenizer.prompt_ids(f"Label: {answer}")[len(self.tokenizer.prompt_ids("Label:")) :]
        said = len(self.tokenizer.prompt_ids(f"Label:{found[2]}")) - len(self.tokenizer.prompt_ids("Label:"))
        return spelled[said] if answer is not None and said < len(spelled) else None


class Copier(Scripted):
    """Gives the label of the demonstration with the most words in common."""

    def answer(self, text: str, demonstrations: list[tuple[str, str]]) -> str | None:
        words = set(text.split())
        return max(demonstrations, key=lambda shown: len(words & set(shown[0].split())))[1] if demonstrations else None


class Knower(Scripted):
    """Knows the answer, whatever it is shown."""

    def answer(self, text: str, demonstrations: list[tuple[str, str]]) -> str | None:
        return "good" if "goodish" in text else "bad"


class Indifferent(Scripted):
    """Finds every token as likely as any other."""

    def answer(self, text: str, demonstrations: list[tuple[str, str]]) -> str | None:
        return None


def predictor(kind: type[Scripted], max_length: int = 4096) -> Predictor:
    tokenizer = vocabulary()
    return Predictor(kind(tokenizer), tokenizer, About(task="causal", max_length=max_length))


def pool(copies: int = 10) -> dict[int, Example]:
    return dict(enumerate(texts(copies, start=100)))


@pytest.mark.parametrize("words", [{}, {"good": "very good", "bad": "very bad"}, {"good": "bad", "bad": "good"}])
def test_a_model_that_copies_labels_is_right_with_them_and_at_chance_where_they_are_shuffled(words: dict[str, str]) -> None:
    settings = InContextSettings(shots=16, orderings=8, label_words=words)
    found = measure_in_context(predictor(Copier), texts(5), pool(), settings)
    what = found.demonstrated
    assert what is not None
    assert [ordering.given.score.accuracy for ordering in what.orderings] == [1.0] * 8
    assert what.shuffled is not None
    assert what.shuffled.value == pytest.approx(0.5, abs=0.15)
    assert what.beyond_shuffled is not None
    assert what.beyond_shuffled.interval[0] > 0.2
    assert what.beyond_majority.value == pytest.approx(0.5)
    said = conclusions(found)
    assert any(sentence.startswith("above chance with 16 demonstrations: +50.00 points") for sentence in said)
    assert any(sentence.startswith("the labels of the demonstrations matter: ") for sentence in said)
    assert any(sentence.startswith("at chance without demonstrations: ") for sentence in said)


def test_a_model_that_knows_the_answer_does_not_need_the_labels() -> None:
    found = measure_in_context(predictor(Knower), texts(5), pool(), InContextSettings(shots=4, orderings=3))
    what = found.demonstrated
    assert what is not None
    assert what.beyond_shuffled is not None
    assert (what.accuracy.value, what.beyond_shuffled.value, what.beyond_zero.value) == (1.0, 0.0, 0.0)
    said = conclusions(found)
    assert any(sentence.startswith("the labels of the demonstrations do not matter") for sentence in said)
    assert any(sentence.startswith("above chance without demonstrations: +50.00 points") for sentence in said)


def test_a_model_that_cannot_choose_is_at_chance_and_said_to_say_one_label() -> None:
    rows = texts(6, share=0.7)
    found = measure_in_context(predictor(Indifferent), rows, pool(), InContextSettings(shots=2, orderings=2))
    frequent = sum(row.label == "good" for row in rows)
    assert found.most_frequent == "good"
    assert found.majority.accuracy == pytest.approx(frequent / len(rows))
    assert found.majority.interval == pytest.approx(wilson(frequent, len(rows)))
    assert found.zero.said == {"bad": len(rows), "good": 0}
    said = conclusions(found)
    assert "without demonstrations the model always says 'bad'" in said
    assert "with 2 demonstrations the model always says 'bad'" in said
    assert any(sentence.startswith("below chance with 2 demonstrations: ") for sentence in said)


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        ((0.01, 0.3), "the labels of the demonstrations matter: "),
        ((-0.3, -0.01), "the model answers better where the labels of the demonstrations are shuffled: "),
        ((-0.04, 0.05), "the labels of the demonstrations do not matter: "),
        ((-0.06, 0.3), "whether the labels of the demonstrations matter stays open: "),
    ],
)
def test_only_a_narrow_interval_says_that_labels_do_not_matter(interval: tuple[float, float], sentence: str) -> None:
    found = measure_in_context(predictor(Knower), texts(2), pool(), InContextSettings(shots=4, orderings=2))
    assert found.demonstrated is not None
    assert found.demonstrated.unchanged < 2
    measured = Mean(sum(interval) / 2, interval, None)
    found = replace(found, demonstrated=replace(found.demonstrated, beyond_shuffled=measured))
    assert any(said.startswith(sentence) for said in conclusions(found))


def test_each_ordering_is_paired_with_the_majority_and_with_its_shuffled_labels() -> None:
    rows = texts(4, share=0.7)
    found = measure_in_context(predictor(Copier), rows, pool(), InContextSettings(shots=16, orderings=2))
    always = np.array([row.label == "good" for row in rows])
    assert found.demonstrated is not None
    for ordering in found.demonstrated.orderings:
        assert ordering.given.beyond_majority == paired_test(np.ones(len(rows), dtype=bool), always)
        assert ordering.shuffled is not None
        assert ordering.beyond_shuffled is not None
        assert ordering.beyond_shuffled.only_b == 0
        assert ordering.beyond_shuffled.difference == pytest.approx(1 - ordering.shuffled.score.accuracy)


def test_demonstrations_are_drawn_by_the_seed_and_each_ordering_draws_its_own() -> None:
    def draws(seed: int) -> list[list[int]]:
        settings = InContextSettings(shots=4, orderings=3, seed=seed)
        what = measure_in_context(predictor(Indifferent), texts(1), pool(), settings).demonstrated
        assert what is not None
        for ordering in what.orderings:
            assert ordering.labels == [pool()[row].label for row in ordering.rows]
            assert sorted(ordering.labels) == sorted(ordering.shuffled_labels)
        return [ordering.rows for ordering in what.orderings]

    first = draws(0)
    assert first == draws(0)
    assert first != draws(1)
    assert len({tuple(rows) for rows in first}) == 3
    assert all(len(set(rows)) == 4 for rows in first)


def test_no_demonstrations_and_one_demonstration_are_measured_as_far_as_that_goes() -> None:
    none = measure_in_context(predictor(Knower), texts(2), {}, InContextSettings(shots=0))
    assert none.demonstrated is None
    assert none.zero.score.accuracy == 1.0
    one = measure_in_context(predictor(Knower), texts(2), pool(), InContextSettings(shots=1, orderings=1))
    assert one.demonstrated is not None
    assert one.demonstrated.shuffled is None
    assert one.demonstrated.accuracy.over_orderings is None
    assert any("one demonstration has no labels to shuffle" in sentence for sentence in conclusions(one))


def test_labels_that_shuffling_leaves_as_they_are_say_nothing_of_whether_they_matter() -> None:
    alike = {row: example for row, example in pool().items() if example.label == "good"}
    found = measure_in_context(predictor(Copier), texts(2), alike, InContextSettings(shots=2, orderings=2))
    assert found.demonstrated is not None
    assert found.demonstrated.unchanged == 2
    assert conclusions(found)[-1] == "shuffling left all labels as they were: whether they matter was not measured"


def test_normalising_divides_by_bytes() -> None:
    """Where every token is as likely as any other, one token costs less than two, and less a byte the longer it is."""
    words = {"good": "very noise", "bad": "sun"}
    assert [len(vocabulary().prompt_ids(f" {word}")) for word in words.values()] == [2, 1]
    for normalise, answer in ((False, "bad"), (True, "good")):
        settings = InContextSettings(shots=0, label_words=words, normalise=normalise)
        assert measure_in_context(predictor(Indifferent), texts(1), {}, settings).zero.said[answer] == 8


def test_prompts_that_are_too_long_are_refused_with_their_length_unless_texts_are_cut() -> None:
    rows, reader = [*texts(1), Example("goodish sun " * 40, "good")], predictor(Knower, max_length=60)
    with pytest.raises(DataError, match=r"1 of 9 prompts are longer than the model reads, the longest with \d+ tokens"):
        measure_in_context(reader, rows, pool(), InContextSettings(shots=0))
    found = measure_in_context(reader, rows, pool(), InContextSettings(shots=2, orderings=1, text_tokens=12))
    assert (found.cut, found.zero.score.accuracy) == (1, 1.0)
    assert 20 < found.longest <= 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shots": -1}, "shots is -1"),
        ({"shots": 1, "orderings": 0}, "orderings is 0"),
        ({"shots": 1, "prompt": "Label: {label} Text: {text}"}, "the prompt is"),
        ({"shots": 1, "prompt": "Text: {text}"}, "the prompt is"),
        ({"shots": 1, "prompt": "{text} {label}."}, "the prompt is"),
        ({"shots": 1, "prompt": "{text} {topic} {label}"}, "the prompt is"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        InContextSettings(**changes)


def test_braces_in_a_text_are_text() -> None:
    settings = InContextSettings(shots=1)
    assert settings.show("{label} {text}", "good") == "Text: {label} {text}\nLabel: good\n\n"


def test_what_cannot_be_measured_is_refused() -> None:
    reader = predictor(Knower)
    with pytest.raises(SettingsError, match="there is a word for 'fine', but the labels are 'bad', 'good'"):
        measure_in_context(reader, texts(1), pool(), InContextSettings(shots=1, label_words={"fine": "good"}))
    with pytest.raises(SettingsError, match="a word of its own for each"):
        measure_in_context(reader, texts(1), pool(), InContextSettings(shots=1, label_words={"bad": "good"}))
    with pytest.raises(DataError, match="4 demonstrations are to be drawn from 3 texts"):
        measure_in_context(reader, texts(1), dict(list(pool().items())[:3]), InContextSettings(shots=4))
    with pytest.raises(DataError, match="there is one text to measure on"):
        measure_in_context(reader, texts(1)[:1], pool(), InContextSettings(shots=1))
    with pytest.raises(DataError, match="1 different label"):
        measure_in_context(reader, texts(1)[:4], {}, InContextSettings(shots=0))
    classifier = Predictor(tiny.classifier(), tiny.tokenizer(), About(labels=["bad", "good"], max_length=32))
    with pytest.raises(SettingsError, match="leave --shots out"):
        measure_in_context(classifier, texts(1), pool(), InContextSettings(shots=1))


def language_folder(folder: Path, **options: Any) -> Path:
    """A decoder with random weights."""
    tokenizer = vocabulary()
    torch.manual_seed(0)
    fields = {"vocab_size": tokenizer.vocab_size, "causal": True, "segments": 0, "max_length": 512, "initializer_range": 0.2}
    save_model(
        folder,
        model=LanguageModel(tiny.config(**fields)).eval(),
        tokenizer=tokenizer,
        about=About(task="causal", max_length=512),
        made_by=tiny.made_by(),
        card="# tiny\n",
        **options,
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return language_folder(tmp_path_factory.mktemp("in_context") / "model")


def test_rows_of_a_file_are_divided_so_that_nothing_shown_shares_a_group_or_text_with_what_is_measured(tmp_path: Path) -> None:
    rows = texts(10)
    lines = [f"{row.text},{row.label},film {place // 4}\n" for place, row in enumerate(rows)]
    copies = [f"{row.text.upper()}!,{row.label},film {99 - place}\n" for place, row in enumerate(rows[:40])]
    data = tmp_path / "data.csv"
    data.write_text("text,label,film\n" + "".join(lines + copies), encoding="utf-8")
    for limit in (None, 20):
        found = choose_rows(str(data), columns=Columns(group="film"), limit=limit)
        shown = list(found.pool.values())
        assert shown
        assert not {text_digest(row) for row in shown} & {text_digest(row) for row in found.measured}
        assert not {row.group for row in shown} & {row.group for row in found.measured}
        assert len({text_digest(row) for row in shown}) == len(shown)
        assert 0.7 * 120 < found.available < 0.9 * 120
        assert len(found.measured) == (limit or found.available)
    assert found == choose_rows(str(data), columns=Columns(group="film"), limit=20)
    assert found.measured != choose_rows(str(data), columns=Columns(group="film"), limit=20, seed=1).measured


def test_rows_of_a_folder_are_shown_from_its_training_part_but_for_what_is_measured(tmp_path: Path) -> None:
    train, test = texts(3), texts(2, start=50)
    tiny.csv_file(tmp_path / "train.csv", [*train, *test])
    tiny.csv_file(tmp_path / "test.csv", test)
    found = choose_rows(str(tmp_path))
    assert (found.split, found.source) == ("test", "the part train")
    assert [row.text for row in found.measured] == [row.text for row in test]
    assert [row.text for row in found.pool.values()] == [row.text for row in train]
    assert list(found.pool) == list(range(len(train)))
    turned = choose_rows(str(tmp_path), split="train", train_split="test")
    assert (len(turned.measured), turned.pool, turned.source) == (len(train) + len(test), {}, "the part test")
    assert choose_rows(str(tmp_path), split="train").source.startswith("20 % of the rows")


def test_evaluating_a_folder_makes_a_record_that_is_json(folder: Path, tmp_path: Path) -> None:
    data = tiny.csv_file(tmp_path / "data.csv", texts(5))
    told: list[tuple[int, int]] = []
    settings = InContextSettings(shots=3, orderings=2)
    found, record = evaluate_in_context(
        str(folder), str(data), settings, limit=10, on_batch=lambda rows, total: told.append((rows, total))
    )
    assert found.demonstrated is not None
    assert sum(rows for rows, _ in told) == found.n * (1 + 2 * 2 - found.demonstrated.unchanged) == told[0][1]
    written = json.loads(json.dumps(record, allow_nan=False))
    assert written["name"] == "model"
    assert written["seen"] is None
    assert written["settings"]["prompt"] == "Text: {text}\nLabel: {label}"
    assert written["zero"]["score"]["n"] == written["n"] == 10
    assert len(written["demonstrated"]["orderings"]) == 2
    assert written["conclusions"] == conclusions(found)
    assert written["demonstrated"]["beyond_shuffled"]["interval"][0] >= -1


def test_the_record_says_how_many_texts_the_model_was_trained_on(tmp_path: Path) -> None:
    rows = texts(2)
    seen = SeenTexts()
    for row in rows[:5]:
        seen.add(row)
    folder = language_folder(tmp_path / "model", writers={SEEN: seen.save})
    data = tiny.csv_file(tmp_path / "data.csv", rows)
    found, record = evaluate_in_context(str(folder), str(data), InContextSettings(shots=0))
    assert 0 < record["seen"] <= 5
    assert record["seen"] <= found.n < len(rows)
