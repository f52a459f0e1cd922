"""Each objective of pre-training through the one loop: it learns, and a stopped run goes on as if it had not been."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fathom.data import Batch, Example, TokenizedDataset
from fathom.errors import InterruptedRunError
from fathom.model import LanguageModel, PretrainingModel, Transformer
from fathom.objectives import (
    CausalLanguage,
    GeneratorAndDetector,
    MaskedLanguage,
    Mixture,
    NextSentence,
    Objective,
    PermutationLanguage,
    ReplacedTokens,
    generator_config,
)
from fathom.training import TrainingSettings, train
from tests.objectives.test_permutation import RELATIVE
from tests.tiny import BAD, GOOD, config, tokenizer
from tests.training.test_loop import StopAt, same

VOCABULARY = tokenizer()
SPECIAL_IDS = tuple(range(5))
SETTINGS = TrainingSettings(epochs=2, batch_tokens=64, batch_rows=6, learning_rate=3e-3, precision="float32")
MASKED = MaskedLanguage(4, VOCABULARY.vocab_size, SPECIAL_IDS)
SHAPE = {"vocab_size": VOCABULARY.vocab_size, "dropout": 0.1}


@dataclass(frozen=True)
class Rows(TokenizedDataset):
    """The whole text in windows of ten tokens that go on where the one before ended."""

    def epoch(self, number: int) -> "Rows":
        return self

    @property
    def batches(self) -> list[np.ndarray]:
        """Three texts at a time, side by side, as long as the shortest of them goes on."""
        rows = [np.flatnonzero(self.example_of == text) for text in range(6)]
        threes = [zip(*rows[:3], strict=False), zip(*rows[3:], strict=False)]
        return [np.array(batch) for three in threes for batch in three]

    def batch(self, rows: np.ndarray) -> Batch:
        goes_on = np.diff(self.example_of, prepend=-1) == 0
        return replace(super().batch(rows), continues=torch.from_numpy(goes_on[rows]))


def pairs() -> TokenizedDataset:
    examples = [Example(a, "0" if (a in GOOD) == (b in GOOD) else "1", b) for a in GOOD + BAD for b in GOOD + BAD]
    return TokenizedDataset.build(examples, VOCABULARY, labels=["0", "1"], max_length=32)


def windows() -> Rows:
    texts = [" ".join(np.random.default_rng(number).permutation(GOOD + BAD)) for number in range(6)]
    return Rows.build(map(Example, texts), VOCABULARY, max_length=10, long_text="windows", stride=0)


def model(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "mixture":
        return PretrainingModel(config(**SHAPE))
    if kind == "replaced":
        return GeneratorAndDetector(config(**SHAPE), generator_config(config(**SHAPE), 0.5))
    changes = {"causal": {"causal": True, "segments": 0}, "permutation": RELATIVE}.get(kind, {})
    return LanguageModel(config(**SHAPE, **changes))


def objective(kind: str) -> Objective:
    return {
        "masked": MASKED,
        "mixture": Mixture(((1.0, MASKED), (1.0, NextSentence()))),
        "causal": CausalLanguage(),
        "replaced": ReplacedTokens(replace(MASKED, masked=1.0, random=0.0)),
        "permutation": PermutationLanguage(SPECIAL_IDS, memory=16),
    }[kind]


def run(kind: str, folder: Path, settings: TrainingSettings = SETTINGS, **options: object) -> nn.Module:
    trained = model(kind)
    data = windows() if kind == "permutation" else pairs()
    train(trained, objective(kind), data, settings, folder=folder, fingerprint="f", **options)
    return trained


KINDS = ["masked", "mixture", "causal", "replaced", "permutation"]


@pytest.mark.parametrize("kind", KINDS)
def test_pretraining_stopped_and_resumed_is_the_same_run_bit_for_bit(tmp_path: Path, kind: str) -> None:
    whole = run(kind, tmp_path / "whole")
    last = len((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines())
    for step in (1, last // 2 + 1):
        folder = tmp_path / str(step)
        with pytest.raises(InterruptedRunError):
            run(kind, folder, listener=StopAt(step))
        torch.rand(7)  # another process has other random numbers
        assert same(whole, run(kind, folder, resume=True)), step
        assert (folder / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_pretraining_keeps_the_memory_of_a_permutation_objective_in_its_checkpoints(tmp_path: Path) -> None:
    """The test above would find nothing if nothing were remembered."""
    forgetful = PermutationLanguage(SPECIAL_IDS)
    other = model("permutation")
    train(other, forgetful, windows(), SETTINGS, folder=tmp_path / "other", fingerprint="f")
    assert not same(other, run("permutation", tmp_path / "whole"))
    assert len(windows().batches) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointed_activations_change_no_number(tmp_path: Path, kind: str) -> None:
    settings = SETTINGS.model_copy(update={"updates": 4})
    kept = run(kind, tmp_path / "kept", settings)
    again = run(kind, tmp_path / "again", settings.model_copy(update={"checkpoint_activations": True}))
    assert same(kept, again)
    assert (tmp_path / "kept" / "metrics.jsonl").read_text() == (tmp_path / "again" / "metrics.jsonl").read_text()
    blocks = [part for part in again.modules() if isinstance(part, Transformer)]
    assert blocks
    assert all(part.checkpoint_activations for part in blocks)


def test_what_an_objective_remembers_is_forgotten_where_an_epoch_starts_and_nowhere_else(tmp_path: Path) -> None:
    forgotten = []

    class Counting(PermutationLanguage):
        seen = 0

        def forget(self) -> None:
            forgotten.append(self.seen)
            super().forget()

        def losses(self, model: nn.Module, batch: Batch) -> torch.Tensor:
            self.seen += 1
            return super().losses(model, batch)

    counting = Counting(SPECIAL_IDS, memory=16)
    train(model("permutation"), counting, windows(), SETTINGS, folder=tmp_path, fingerprint="f")
    assert forgotten == [0, counting.seen / 2]
