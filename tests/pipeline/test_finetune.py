"""From labelled texts to a folder: what is written, that it is the same every time, and that Hugging Face's library agrees."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import fathom
from fathom.data import CANARIES, Example, planted, read_canaries
from fathom.errors import DataError, FathomError, SettingsError
from fathom.folders import verify_folder
from fathom.pipeline.finetune import FinetuneResult, finetune
from fathom.pipeline.labelled_parts import split_examples
from fathom.pipeline.settings import validate_settings
from tests import tiny


def run(output: Path, *, rows: list[Example] | None = None, **changes: Any) -> FinetuneResult:
    values = {**tiny.SCRATCH, **changes}
    return finetune(validate_settings(values), output, train_examples=tiny.examples() if rows is None else rows)


def test_finetune_writes_a_whole_folder_that_answers(tmp_path: Path) -> None:
    result = run(tmp_path / "model", training={**tiny.SCRATCH["training"], "epochs": 8})
    verify_folder(result.folder)
    names = {path.name for path in result.folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "fathom.json", "made_by.json", "README.md"} < names
    assert {path.name for path in tmp_path.iterdir()} == {"model"}, "nothing is left beside the folder"
    predictor = fathom.load(result.folder)
    texts = [example.text for example in tiny.examples()]
    labels = [example.label for example in tiny.examples()]
    assert np.mean([found.label == label for found, label in zip(predictor.predict(texts), labels, strict=True)]) > 0.9
    np.testing.assert_array_equal(predictor.predict_proba(texts), result.predictor.predict_proba(texts))


def test_finetune_made_by_is_enough_to_make_it_again(tmp_path: Path) -> None:
    first = run(tmp_path / "first")
    made_by = json.loads((first.folder / "made_by.json").read_text())
    assert made_by["metrics"]["facts"]["train_rows"] + made_by["metrics"]["facts"]["dev_rows"] == len(tiny.examples())
    assert set(made_by["data"]) == {"train", "dev"}
    again = finetune(validate_settings(made_by["settings"]), tmp_path / "again", train_examples=tiny.examples())
    weights = [load_file(folder / "model.safetensors") for folder in (first.folder, again.folder)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    other = run(tmp_path / "other", training={**tiny.SCRATCH["training"], "seed": 1})
    different = load_file(other.folder / "model.safetensors")
    assert any(not np.array_equal(weights[0][name], different[name]) for name in different if name in weights[0])


def test_finetune_of_the_packaged_model_answers_as_hugging_face_does(tmp_path: Path) -> None:
    settings = {"model": "minilm", "max_length": 16, "training": {"epochs": 1, "batch_rows": 16, "freeze_embeddings": True}}
    folder = finetune(validate_settings(settings), tmp_path / "model", train_examples=tiny.examples(4)).folder
    texts = ["a joy from start to finish", "dull and endless, and far too long for anybody who has something else to do", "好"]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", padding=True, truncation=True, max_length=16)
    with torch.no_grad():
        expected = model(**batch).logits
    predictor = fathom.load(folder)
    torch.testing.assert_close(predictor.logits(batch["input_ids"]), expected, atol=1e-4, rtol=0)
    assert [model.config.id2label[number] for number in expected.argmax(1).tolist()] == [
        found.label for found in predictor.predict(texts)
    ]
    probabilities = torch.softmax(expected.double() / predictor.about.temperature, 1).numpy()
    np.testing.assert_allclose(predictor.predict_proba(texts), probabilities, atol=1e-5)


def test_finetune_scores_texts_not_windows(tmp_path: Path) -> None:
    rows = [
        Example(" ".join([row.text] * (1 + number % 7)), row.label, group=f"{number // 4}")
        for number, row in enumerate(tiny.examples())
    ]
    result = run(tmp_path / "model", rows=rows, max_length=16, long_text="windows", stride=4)
    dev = list(split_examples(rows, validate_settings(result.made_by.settings)).dev)
    found = result.predictor.predict([row.text for row in dev])
    right = np.mean([answer.label == row.label for answer, row in zip(found, dev, strict=True)])
    assert result.made_by.metrics["dev"]["accuracy"] == pytest.approx(right)


def test_finetune_keeps_groups_together_and_stores_what_it_read() -> None:
    rows = [Example(example.text, example.label, group=str(number // 4)) for number, example in enumerate(tiny.examples())]
    parts = split_examples(rows, validate_settings({"dev_fraction": 0.2}))
    groups = [{example.group for example in part} for part in (parts.train, parts.dev)]
    assert not groups[0] & groups[1]
    assert len(list(parts.train)) + len(list(parts.dev)) == len(rows)
    again = split_examples(list(rows), validate_settings({"dev_fraction": 0.2}))
    assert parts.facts == again.facts
    changed = [*rows[:-1], Example("another text", "bad", group="x")]
    assert split_examples(changed, validate_settings({})).facts["data_sha256"] != parts.facts["data_sha256"]


def test_finetune_never_puts_copies_of_a_text_into_both_parts() -> None:
    rows = tiny.examples(2) + [Example(example.text.upper() + "!", example.label) for example in tiny.examples(2)]
    parts = split_examples(rows, validate_settings({"dev_fraction": 0.3}))
    train = {example.text.casefold().rstrip("!") for example in parts.train}
    assert not train & {example.text.casefold().rstrip("!") for example in parts.dev}
    assert parts.facts["duplicates"] == len(rows) // 2


def test_finetune_from_a_finetuned_folder_goes_on_and_names_its_parent(tmp_path: Path) -> None:
    first = run(tmp_path / "first")
    result = run(tmp_path / "second", model=str(first.folder), vocabulary=None, architecture=None)
    about = json.loads((result.folder / "fathom.json").read_text())
    assert len(about["parents"]["model"]) == 64


def test_finetune_takes_a_vocabulary_that_was_learned_before(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").mkdir()
    tiny.tokenizer().save(tmp_path / "vocabulary")
    result = run(tmp_path / "model", vocabulary={"folder": str(tmp_path / "vocabulary")})
    assert result.predictor.tokenizer.tokens() == tiny.tokenizer().tokens()


def test_finetune_starts_embeddings_from_vectors_and_says_how_many(tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("".join(f"{word} {' '.join(['0.25'] * 16)}\n" for word in ("film", "joy", "unheard-of")))
    words = {"kind": "words", "size": 200, "vectors": str(vectors)}
    messages: list[str] = []

    class Listening(tiny_listener()):  # type: ignore[misc]
        def on_message(self, text: str) -> None:
            messages.append(text)

    settings = validate_settings({**tiny.SCRATCH, "vocabulary": words, "training": {"epochs": 1, "learning_rate": 1e-12}})
    result = finetune(settings, tmp_path / "m", train_examples=tiny.examples(), listener=Listening())
    tokenizer, weights = result.predictor.tokenizer, result.predictor.model.transformer.embeddings.token.weight
    for word in ("film", "joy"):
        torch.testing.assert_close(weights[tokenizer.token_to_id(word)], torch.full((16,), 0.25), atol=1e-4, rtol=0)
    assert any("% of the vocabulary starts from" in message for message in messages)
    wrong = {**tiny.SCRATCH, "vocabulary": words, "architecture": {"width": 8, "heads": 2}}
    with pytest.raises(SettingsError, match="vectors of 16 numbers, the model's width is 8"):
        finetune(validate_settings(wrong), tmp_path / "n", train_examples=tiny.examples())


def tiny_listener() -> type:
    from fathom.training import SilentListener

    return SilentListener


def test_finetune_plants_canaries_whose_exposure_is_measured(tmp_path: Path) -> None:
    training = {**tiny.SCRATCH["training"], "epochs": 30}
    result = run(tmp_path / "model", canaries=8, training=training, dropout={"hidden": 0.0})
    found = read_canaries(result.folder / CANARIES)
    rows = planted(found)
    assert len(rows) == 8
    assert {row.label for row in rows} <= {"bad", "good"}
    assert result.made_by.metrics["facts"]["canaries"] == 8
    assert "8 random texts with random labels" in (result.folder / "README.md").read_text(encoding="utf-8")
    verify_folder(result.folder)
    fresh = [Example(f"{example.text} again", example.label) for example in tiny.examples()]
    exposure = fathom.audit(result.folder, fresh, only=["memorisation"]).measure("exposure")
    assert exposure is not None
    assert (exposure.status, exposure.n) == ("measured", 8)
    with pytest.raises(DataError, match="canaries cannot be planted among pairs"):
        run(tmp_path / "pairs", canaries=8, rows=[Example(e.text, e.label, pair="b") for e in tiny.examples()])
    assert not (run(tmp_path / "none").folder / CANARIES).exists()


def test_finetune_refuses_an_output_that_is_there_and_leaves_it(tmp_path: Path) -> None:
    result = run(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in result.folder.iterdir()}
    with pytest.raises(FathomError, match="already exists"):
        run(tmp_path / "model")
    assert {path.name: path.read_bytes() for path in result.folder.iterdir()} == before


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "holds no texts"),
        ([Example("a", "x"), Example("b", "x")], "every one of the 2 texts has the label 'x'"),
        ([Example("a", "x"), Example("b")], "has no labels"),
        ([Example("a", "x"), Example("a", "y")], "leave nothing for the"),
    ],
)
def test_finetune_says_what_it_cannot_learn_from(tmp_path: Path, rows: list[Example], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        run(tmp_path / "model", rows=rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"epochs": 3}, "epochs: Extra inputs"),
        ({"training": {"learning_rate": -1}}, "training.learning_rate"),
        ({"model": "minilm", "architecture": {"width": 16}}, "from scratch"),
        ({"long_text": "windows", "max_length": 32, "stride": 16}, "stride 16 must be less than half"),
    ],
)
def test_settings_that_cannot_be_used_are_named(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        validate_settings(values)
