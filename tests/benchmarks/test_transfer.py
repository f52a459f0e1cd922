"""That the two starts are the same network, that labels are drawn fairly, and that a stopped benchmark goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from steps import finetuned, kept
from transfer import BLOCK, answered_rows, as_masked, dev_rows, drawn, without_training

from fathom.checkpoint import About, load_model, save_model
from fathom.data import Example
from fathom.errors import FathomError, SettingsError
from fathom.model import LanguageModel
from fathom.pipeline.settings import FinetuneSettings
from fathom.training import TrainingSettings
from tests import tiny

LABELS = ["negative"] * 1000 + ["positive"] * 1200


@pytest.fixture
def base(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    vocabulary = tiny.tokenizer()
    model = LanguageModel(tiny.config(vocab_size=vocabulary.vocab_size))
    about = About(task="masked", max_length=32)
    save_model(tmp_path / "base", model=model, tokenizer=vocabulary, about=about, made_by=tiny.made_by(), card="# base\n")
    return tmp_path / "base"


def test_the_start_without_training_is_the_same_network_with_other_weights(base: Path, tmp_path: Path) -> None:
    folders = [base, *(without_training(base, tmp_path / f"random-{seed}", seed) for seed in (0, 1))]
    loaded = [load_model(folder, labels=["a", "b"]) for folder in folders]
    assert loaded[0].model.config == loaded[1].model.config == loaded[2].model.config
    assert loaded[0].made == loaded[1].made == loaded[2].made
    assert len({one.tokenizer.digest for one in loaded}) == 1
    tables = [one.model.transformer.token_table for one in loaded]  # type: ignore[union-attr]
    assert all((tables[a] - tables[b]).abs().max() > 0.01 for a, b in ((0, 1), (0, 2), (1, 2)))
    assert float(tables[1].detach().std()) == pytest.approx(0.02, rel=0.1)


def test_what_pretraining_does_not_keep_is_fresh_in_both_starts(tmp_path: Path) -> None:
    published = tiny.model_folder(tmp_path / "published", pooler=True)
    masked = as_masked(published, tmp_path / "masked")
    loaded, whole = load_model(masked, labels=["a", "b"]), load_model(published)
    assert "pooler.layer.dense.weight" in loaded.made
    kept_as_it_was = whole.model.transformer.state_dict()  # type: ignore[union-attr]
    assert all((kept_as_it_was[name] == t).all() for name, t in loaded.model.transformer.state_dict().items())  # type: ignore[union-attr]


def test_the_dev_part_is_whole_blocks_of_each_label() -> None:
    taken = dev_rows(LABELS, 4 * BLOCK)
    assert taken.sum() == 4 * BLOCK
    for first, last in ((0, 1000), (1000, 2200)):
        rows = np.flatnonzero(taken[first:last])
        assert len(rows) == 2 * BLOCK
        assert len(set(rows // BLOCK)) == 2
    with pytest.raises(SettingsError, match="at most 2,0"):
        dev_rows(LABELS, 2400)


def test_labels_are_drawn_anew_by_seed_and_as_many_of_each() -> None:
    pool = [Example(f"text {row}", label) for row, label in enumerate(LABELS)]
    draws = [drawn(pool, 100, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert all(sum(example.label == "positive" for example in draw) == 50 for draw in draws)
    assert drawn(pool, None, 3) == pool
    for wrong in (101, 2400):
        with pytest.raises(SettingsError, match=f"{wrong} labels"):
            drawn(pool, wrong, 0)


def test_answered_rows() -> None:
    some = answered_rows(25_000, 500)
    assert len(set(some.tolist())) == 500
    assert (np.diff(some) > 0).all()
    assert (some == answered_rows(25_000, 500)).all()
    assert (answered_rows(20, None) == np.arange(20)).all()


def test_a_small_result_is_made_once_and_never_for_another_question(tmp_path: Path) -> None:
    path, made = tmp_path / "one" / "found.json", list[int]()

    def make() -> list[int]:
        made.append(1)
        return [1, 2]

    assert kept(path, {"seeds": (0, 1)}, make) == kept(path, {"seeds": (0, 1)}, make) == [1, 2]
    assert made == [1]
    with pytest.raises(FathomError, match="other values of seeds"):
        kept(path, {"seeds": (0, 2)}, make)


def test_a_trained_folder_is_used_again_and_never_for_other_settings(base: Path, tmp_path: Path) -> None:
    settings = FinetuneSettings(
        model=str(base), max_length=16, training=TrainingSettings(epochs=1, batch_tokens=256, checkpoint_minutes=1)
    )
    examples, folder = tiny.examples(), tmp_path / "run"
    (tmp_path / "run.partial").mkdir()  # of a run that was stopped before its first checkpoint
    first = finetuned(settings, examples, None, folder)
    patient = settings.model_copy(update={"training": settings.training.model_copy(update={"checkpoint_minutes": 9})})
    assert finetuned(patient, examples, None, folder) == first
    other = settings.model_copy(update={"training": settings.training.model_copy(update={"seed": 3})})
    with pytest.raises(FathomError, match="other values of training"):
        finetuned(other, examples, None, folder)
