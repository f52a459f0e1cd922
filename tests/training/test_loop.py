"""The loop: what it records, when it stops, and that nothing that is not finite reaches the weights."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from fathom.data import Batch, TokenizedDataset
from fathom.errors import InterruptedRunError, MachineError, ModelFolderError, SettingsError
from fathom.objectives import Classification
from fathom.training import NonFiniteError, SilentListener, TrainingResult, TrainingSettings, train
from fathom.training.loop import _grouped, _plan
from tests.tiny import classifier, examples, tokenizer

SETTINGS = TrainingSettings(
    epochs=3, batch_tokens=64, batch_rows=6, learning_rate=1e-3, checkpoint_minutes=1e-9, precision="float32"
)


def dataset() -> TokenizedDataset:
    return TokenizedDataset.build(examples(), tokenizer(), labels=["bad", "good"], max_length=32)


def run(folder: Path, settings: TrainingSettings = SETTINGS, **options: object) -> tuple[torch.nn.Module, object]:
    torch.manual_seed(settings.seed)
    model = options.pop("model", None) or classifier(dropout=0.1)
    objective = options.pop("objective", Classification())
    result = train(model, objective, dataset(), settings, folder=folder, fingerprint="f", **options)
    return model, result


class StopAt(SilentListener):
    """Sends a signal after a certain update."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.step, self.number = step, number

    def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
        if step == self.step:
            os.kill(os.getpid(), self.number)


class Listening(SilentListener):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def on_message(self, text: str) -> None:
        self.messages.append(text)


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [1, 7, 14, 23])
def test_loop_stopped_and_resumed_is_the_same_run_bit_for_bit(tmp_path: Path, step: int, number: int) -> None:
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(InterruptedRunError, match=f"stopped at update {step} of"):
        run(tmp_path / "parts", listener=StopAt(step, number))
    torch.rand(7)  # another process has other random numbers
    resumed, result = run(tmp_path / "parts", resume=True)
    assert same(whole, resumed)
    lines = [(tmp_path / kind / "metrics.jsonl").read_text() for kind in ("whole", "parts")]
    assert lines[0] == lines[1]
    assert result.steps == len(lines[0].splitlines())


def test_loop_resumes_from_the_checkpoint_before_a_damaged_one(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        run(tmp_path / "parts", listener=StopAt(9))
    newest = max((tmp_path / "parts" / "checkpoints").iterdir())
    content = bytearray((newest / "state.safetensors").read_bytes())
    content[-1] ^= 1
    (newest / "state.safetensors").write_bytes(content)
    listener = Listening()
    resumed, _ = run(tmp_path / "parts", resume=True, listener=listener)
    assert same(whole, resumed)
    assert listener.messages[0].startswith(f"{newest.name} was passed over")


def test_loop_refuses_to_resume_another_run_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no checkpoint that is whole"):
        run(tmp_path, resume=True)
    with pytest.raises(InterruptedRunError):
        run(tmp_path, listener=StopAt(3))
    with pytest.raises(SettingsError, match="another run"):
        train(classifier(), Classification(), dataset(), SETTINGS, folder=tmp_path, fingerprint="other", resume=True)


@pytest.mark.parametrize("keep", [1, 2, 4])
def test_loop_keeps_the_newest_checkpoints_and_clears_up_after_killed_writes(tmp_path: Path, keep: int) -> None:
    settings = SETTINGS.model_copy(update={"keep_newest": keep})
    whole, _ = run(tmp_path / "whole", settings)
    with pytest.raises(InterruptedRunError):
        run(tmp_path / "parts", settings, listener=StopAt(8))
    checkpoints = tmp_path / "parts" / "checkpoints"
    newest = checkpoints / "step-00000008"
    assert sorted(checkpoints.iterdir()) == [newest.with_name(f"step-{step:08d}") for step in range(9 - keep, 9)]
    half = checkpoints / ".step-00000009.abcdefgh.partial"  # as `write_folder` names them
    half.mkdir()
    (half / "state.safetensors").write_bytes(b"half")
    aside = checkpoints / ".step-00000008.abcdefgh.replaced"  # killed between the two renames of an overwrite
    aside.mkdir()
    newest.rename(aside / newest.name)
    listener = Listening()
    resumed, _ = run(tmp_path / "parts", settings, resume=True, listener=listener)
    assert "resumed at update 8" in listener.messages[0]
    assert not list(checkpoints.glob(".*"))
    assert same(whole, resumed)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("state.safetensors", "changed"),
        ("SHA256SUMS", "changed"),
        ("SHA256SUMS", "cut"),
        ("SHA256SUMS", "gone"),
        ("more", "new"),
    ],
)
def test_loop_a_damaged_checkpoint_never_takes_the_place_of_a_whole_one(tmp_path: Path, name: str, how: str) -> None:
    whole, _ = run(tmp_path / "whole")
    settings = SETTINGS.model_copy(update={"keep_newest": 2})
    with pytest.raises(InterruptedRunError):
        run(tmp_path / "parts", settings, listener=StopAt(9))
    checkpoints = tmp_path / "parts" / "checkpoints"
    file = checkpoints / "step-00000009" / name
    if how == "gone":
        file.unlink()
    else:
        held = file.read_bytes() if file.exists() else b""
        file.write_bytes({"changed": bytes([255]) + held[1:], "cut": b"", "new": b"not ours"}[how])

    class Dying(Listening):
        """As a process that is killed after its next update."""

        def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
            raise ConnectionError

    listener = Dying()
    one = settings.model_copy(update={"keep_newest": 1})
    with pytest.raises(ConnectionError):
        run(tmp_path / "parts", one, resume=True, listener=listener)
    assert listener.messages[0].startswith("step-00000009 was passed over")
    assert [path.name for path in checkpoints.iterdir()] == ["step-00000008"]
    again = Listening()
    resumed, result = run(tmp_path / "parts", one, resume=True, listener=again)
    assert again.messages == [f"resumed at update 8 of {result.steps}"]
    assert same(whole, resumed)


def test_loop_writes_the_model_down_after_every_so_many_updates(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"schedule": "constant", "warmup": 0.0, "keep_every": 5})
    model, kept = classifier(dropout=0.1), {}

    def keep(so_far: TrainingResult) -> None:
        kept[so_far.steps] = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    _, result = run(tmp_path, settings, model=model, keep=keep)
    assert list(kept) == list(range(5, result.steps + 1, 5))
    short, _ = run(tmp_path / "short", settings.model_copy(update={"updates": 5}))
    assert all(torch.equal(tensor, kept[5][name]) for name, tensor in short.state_dict().items())


class Poisoned(Classification):
    """A loss that is NaN for one example."""

    def losses(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        losses = super().losses(model, batch)
        hit = torch.tensor([number == 17 for number in batch.example_ids])
        return torch.where(hit, torch.full_like(losses, float("nan")), losses)


def test_loop_stops_before_a_loss_that_is_not_finite_and_names_its_example(tmp_path: Path) -> None:
    model = classifier()
    with pytest.raises(NonFiniteError, match="at training example 17 "):
        run(tmp_path, model=model, objective=Poisoned())
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


class Exploding(Classification):
    """A finite loss with an infinite gradient."""

    def losses(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        losses = super().losses(model, batch)
        return losses + (model.classifier.weight.sum() * 0).sqrt()


def test_loop_stops_before_a_gradient_that_is_not_finite(tmp_path: Path) -> None:
    model = classifier()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(NonFiniteError, match="the gradient of update 1 is not finite; its training examples are"):
        run(tmp_path, model=model, objective=Exploding())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_loop_accumulated_batches_give_the_gradient_of_one_large_batch(tmp_path: Path) -> None:
    data = dataset()
    settings = SETTINGS.model_copy(update={"epochs": 1, "batch_tokens": 10**6, "batch_rows": len(data), "learning_rate": 1e-2})
    large, _ = run(tmp_path / "a", settings, model=classifier(dropout=0.0))
    small_settings = settings.model_copy(update={"batch_rows": 7, "accumulate": 100})
    small, _ = run(tmp_path / "b", small_settings, model=classifier(dropout=0.0))
    losses = [json.loads((tmp_path / kind / "metrics.jsonl").read_text())["loss"] for kind in "ab"]
    norms = [json.loads((tmp_path / kind / "metrics.jsonl").read_text())["gradient_norm"] for kind in "ab"]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    for a, b in zip(large.state_dict().values(), small.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-2, rtol=0)  # Adam's first step is ± the rate, whatever the rounding


def test_loop_keeps_the_best_weights_and_stops_when_out_of_patience(tmp_path: Path) -> None:
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.95, 0.95])
    states = []

    def evaluate(model: torch.nn.Module, stop: object) -> dict[str, float]:
        assert not model.training
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        score = next(scores)
        return {"accuracy": score, "loss": 1 - score, "score": score}

    settings = SETTINGS.model_copy(update={"evaluations": 2, "patience": 2})
    model, result = run(tmp_path, settings, evaluate=evaluate)
    assert result.stopped_early
    assert len(states) == 4
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in model.state_dict().items())
    assert [entry["accuracy"] for entry in result.evaluations] == [0.5, 0.9, 0.8, 0.7]


def test_loop_learns_what_can_be_learned(tmp_path: Path) -> None:
    model, _ = run(tmp_path, SETTINGS.model_copy(update={"epochs": 20, "learning_rate": 3e-3}))
    data = dataset()
    batch = data.batch(np.arange(len(data)))
    with torch.no_grad():
        accuracy = (model(batch.token_ids, batch.padding_mask).argmax(1) == batch.labels).double().mean()
    assert accuracy > 0.95


def test_checkpoint_on_a_full_disk_is_the_machines_fault_and_the_one_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InterruptedRunError):
        run(tmp_path, listener=StopAt(4))
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(MachineError, match="the disk is full"):
        patch.setattr("fathom.folders._fsync", full)
        run(tmp_path, resume=True)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == kept
    whole, _ = run(tmp_path.parent / "whole")
    resumed, _ = run(tmp_path, resume=True)
    assert same(whole, resumed)


def test_metrics_hold_a_line_for_each_update(tmp_path: Path) -> None:
    _, result = run(tmp_path)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, result.steps + 1))
    assert entries[-1]["tokens"] == result.tokens == 3 * int(dataset().lengths.sum())
    assert set(entries[0]) == {"step", "loss", "rate", "gradient_norm", "tokens"}


def test_save_checkpoint_is_safetensors_and_json_alone(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(tmp_path, listener=StopAt(2))
    names = {path.name for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()}
    assert names == {"SHA256SUMS", "state.json", "state.safetensors"}


@pytest.mark.parametrize("warming", [0.0, 0.5, 1.0])
def test_updates_grow_to_their_full_size_and_every_batch_is_in_one(warming: float) -> None:
    plans = [[np.array([epoch, number]) for number in range(50)] for epoch in range(2)]
    settings = SETTINGS.model_copy(update={"accumulate": 8, "batch_warmup": warming})
    updates = _grouped(plans, settings)
    assert [[tuple(batch) for update in epoch for batch in update] for epoch in updates] == [list(map(tuple, p)) for p in plans]
    sizes = [len(update) for epoch in updates for update in epoch]
    whole = [size for epoch in updates for size in map(len, epoch[:-1])]  # the last of an epoch may be short
    assert whole == sorted(whole)
    assert whole[-1] == 8 if warming < 1 else whole[-1] > 4
    assert sizes[0] == (1 if warming else 8)
    if warming == 0.5:
        at_full_size = sum(size for size in sizes if size == 8)
        assert 40 <= at_full_size <= 56


def test_loop_with_growing_updates_resumes_bit_for_bit(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"accumulate": 3, "batch_warmup": 0.7})
    whole, _ = run(tmp_path / "whole", settings)
    with pytest.raises(InterruptedRunError):
        run(tmp_path / "parts", settings, listener=StopAt(5))
    resumed, _ = run(tmp_path / "parts", settings, resume=True)
    assert same(whole, resumed)


def test_an_evaluation_that_a_checkpoint_does_not_know_of_is_recorded_once(tmp_path: Path) -> None:
    """Stopped while it was measured, then killed right after the measurement that the resumed run made."""
    settings = SETTINGS.model_copy(update={"checkpoint_minutes": 1e9})
    step = len(_plan(dataset(), settings, 0))  # the end of the first epoch

    def scores(model: torch.nn.Module, stop: object) -> dict[str, float]:
        return {"loss": 1.0, "score": -1.0}

    def stopped(model: torch.nn.Module, stop: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    class Killed(SilentListener):
        def on_step(self, *_: object) -> None:
            raise KeyboardInterrupt

    whole, _ = run(tmp_path / "whole", settings, evaluate=scores)
    with pytest.raises(InterruptedRunError, match=f"update {step} of"):
        run(tmp_path / "parts", settings, evaluate=stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", settings, evaluate=scores, resume=True, listener=Killed())
    resumed, _ = run(tmp_path / "parts", settings, evaluate=scores, resume=True)
    assert same(whole, resumed)
    lines = [(tmp_path / kind / "metrics.jsonl").read_text() for kind in ("whole", "parts")]
    assert lines[0] == lines[1]
