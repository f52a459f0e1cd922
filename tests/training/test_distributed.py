"""Two processes do what one does: losses, weights, checkpoints that either takes over, and what is said when one is lost.

Run as a program, this file is one of the processes: `torchrun --nproc-per-node 2 -m tests.training.test_distributed …`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fathom.cli.main import main
from fathom.data import Batch, plan_batches
from fathom.errors import DataError, FathomError, InterruptedRunError, SettingsError, ToldElsewhereError
from fathom.model import LanguageModel
from fathom.objectives import MaskedLanguage, Objective, PermutationLanguage
from fathom.training import NonFiniteError, Ranks, TrainingSettings, joined, train
from tests.tiny import config
from tests.training.test_loop import StopAt
from tests.training.test_pretraining import MASKED, SHAPE, SPECIAL_IDS, model, objective, pairs, windows

ROOT = Path(__file__).parents[2]
SETTINGS = TrainingSettings(
    epochs=1, batch_tokens=64, batch_rows=6, accumulate=4, learning_rate=3e-3, precision="float32", evaluations=2
)
FSDP = {"sharding": "fsdp"}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {  # what is trained, and with which settings
    "replicated": ("mixture", {}),
    "replicated-with-parts-that-rest": ("permutation", {}),
    "sharded": ("mixture", FSDP),
    "sharded-and-tied-across-models": ("replaced", FSDP),
    "sharded-and-shared": ("albert", FSDP | {"checkpoint_activations": True, "clip": 0.1}),
    "sharded-and-orthogonal": ("albert", FSDP | {"optimizer": "muon", "freeze_embeddings": True}),
}
STOPPED = 3  # updates before a stop


def run(kind: str, folder: Path, changes: dict[str, Any], **options: Any) -> nn.Module:
    """Trains in float64, so that only what is really different differs."""
    if kind == "albert":
        torch.manual_seed(0)
        trained: nn.Module = LanguageModel(config(**SHAPE, groups=1, embedding_width=8, output_transform=True))
    else:
        trained = model(kind)
    chosen: Objective = objective("masked" if kind == "albert" else kind)
    chosen = PermutationLanguage(SPECIAL_IDS) if kind == "permutation" else options.pop("objective", chosen)
    data = windows() if kind == "permutation" else pairs()
    trained.double()
    train(
        trained,
        chosen,
        data,
        SETTINGS.model_copy(update=changes),
        folder=folder,
        fingerprint="f",
        evaluate=_held_out,
        **options,
    )
    return trained


def _held_out(model: nn.Module, stop: Any) -> dict[str, float] | None:
    """Some number that depends on the weights, and on no other."""
    tokens = torch.arange(5, 25)[None]
    stack = model.detector.transformer if hasattr(model, "detector") else model.transformer
    return None if stop() else {"score": -float(stack(tokens).std())}


class Ending(MaskedLanguage):
    """One rank ends itself, at a certain batch of its own."""

    rank, batches, number = -1, 0, signal.SIGKILL

    def losses(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        type(self).batches -= 1
        if self.batches == 0 and os.environ.get("RANK") == str(self.rank):
            os.kill(os.getpid(), self.number)
        return super().losses(model, batch)


class Poisoned(MaskedLanguage):
    """A loss that is NaN for one example."""

    def losses(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        hit = torch.tensor([number == 17 for number in batch.example_ids])
        return super().losses(model, batch).masked_fill(hit, float("nan"))


def ending(kind: type[MaskedLanguage]) -> MaskedLanguage:
    return kind(MASKED.mask_id, MASKED.vocab_size, MASKED.special_ids)


def in_each_process(what: str, folder: Path) -> None:
    """What one of the processes does."""
    torch.set_num_threads(1)
    with joined() as ranks:
        if what == "all":
            _all(ranks, folder)
        lost = 0 if what == "lost-0" else 1
        Ending.rank, Ending.batches, Ending.number = lost, 2 * STOPPED + 2, signal.SIGKILL  # in the midst of an update
        minutes = 1e-9 if lost == 0 else 5.0  # if it is not the first that is lost, that one still saves
        run("albert", folder / "lost", {"checkpoint_minutes": minutes}, objective=ending(Ending), ranks=ranks)


def _all(ranks: Ranks, folder: Path) -> None:
    for name, (kind, changes) in RUNS.items():
        _record(ranks, kind, folder / name, changes)
    for name, changes in (("ddp", {}), ("fsdp", FSDP)):
        _record(ranks, "albert", folder / f"from-one-{name}", changes, resume=True)
        Ending.rank, Ending.batches, Ending.number = 1, 2 * STOPPED, signal.SIGTERM
        _record(ranks, "albert", folder / f"from-two-{name}", changes, objective=ending(Ending))
    _record(ranks, "albert", folder / "poisoned", FSDP, objective=ending(Poisoned))
    _record(ranks, "albert", folder / "uneven", {"accumulate": 3})
    _record(ranks, "albert", folder / "memory", {}, objective=PermutationLanguage(SPECIAL_IDS, memory=16))
    try:
        with ranks.first_goes_ahead():
            assert ranks.is_first, "the others do not get here"
            raise DataError("no documents")
    except FathomError as error:
        _write_error(folder / "ahead", ranks, error)


def _write_error(folder: Path, ranks: Ranks, error: FathomError) -> None:
    folder.mkdir(exist_ok=True)
    found = {"kind": type(error).__name__, "text": str(error), "code": error.exit_code}
    (folder / f"error-{ranks.rank}.json").write_text(json.dumps(found))


def errors(folder: Path) -> list[dict[str, Any]]:
    """What each process raised."""
    return [json.loads((folder / f"error-{rank}.json").read_text()) for rank in (0, 1)]


def _record(ranks: Ranks, kind: str, folder: Path, changes: dict[str, Any], **options: Any) -> None:
    """Weights, or what was raised."""
    try:
        trained = run(kind, folder, changes, ranks=ranks, **options)
    except FathomError as error:
        _write_error(folder, ranks, error)
    else:
        weights = {name: tensor.contiguous() for name, tensor in trained.state_dict().items()}
        save_file(weights, folder / f"weights-{ranks.rank}.safetensors")


def environment(**more: str) -> dict[str, str]:
    source = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **more}


def two_processes(*arguments: str) -> list[tuple[int, str]]:
    """Exit codes and standard errors; without torchrun, which takes seconds to start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "tests.training.test_distributed", *arguments]
    each = [
        subprocess.Popen(command, env=environment(RANK=rank, LOCAL_RANK=rank, **shared), stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    return [(process.wait(timeout=200), process.communicate()[1]) for process in each]


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of everything that two processes did."""
    folder = tmp_path_factory.mktemp("together")
    for name in ("ddp", "fsdp"):  # what two processes go on with
        with pytest.raises(InterruptedRunError):
            run("albert", folder / f"from-one-{name}", {}, listener=StopAt(STOPPED))
    (code, error), (lost, _) = two_processes("all", str(folder))
    assert (code, lost) == (4, -signal.SIGKILL), error
    (folder / "last-words.txt").write_text(error)
    return folder


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-9, rtol=0, msg=lambda text, name=name: f"{name}: {text}")


def assert_same_metrics(found: Path, expected: Path) -> None:
    lines = [[json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()] for folder in (found, expected)]
    assert [entry.keys() for entry in lines[0]] == [entry.keys() for entry in lines[1]]
    for one, other in zip(*lines, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_distributed_an_epoch_ends_with_an_update_that_leaves_a_process_without_a_batch() -> None:
    """Otherwise the tests below would not see what becomes of it."""
    plan = plan_batches(pairs().lengths, max_tokens=64, max_rows=6, shuffle=True, seed=0, epoch=0)
    assert len(plan) % SETTINGS.accumulate % 2 == 1


@pytest.mark.parametrize("name", RUNS)
def test_distributed_two_processes_train_as_one_does(name: str, together: Path, tmp_path: Path) -> None:
    kind, changes = RUNS[name]
    alone = run(kind, tmp_path / "alone", changes)
    before = [tensor.clone() for tensor in model(kind if kind != "albert" else "masked").parameters()]
    assert not torch.equal(next(iter(alone.parameters())), before[0].double()) or changes.get("freeze_embeddings")
    for rank in (0, 1):
        assert_same(load_file(together / name / f"weights-{rank}.safetensors"), alone.state_dict())
    assert_same_metrics(together / name, tmp_path / "alone")


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_distributed_two_processes_go_on_with_what_one_began(way: str, together: Path, tmp_path: Path) -> None:
    alone = run("albert", tmp_path / "alone", {})
    for rank in (0, 1):
        assert_same(load_file(together / f"from-one-{way}" / f"weights-{rank}.safetensors"), alone.state_dict())
    assert_same_metrics(together / f"from-one-{way}", tmp_path / "alone")


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_distributed_a_stop_of_one_process_stops_both_and_one_goes_on(way: str, together: Path, tmp_path: Path) -> None:
    stopped = together / f"from-two-{way}"
    told, silent = errors(stopped)
    assert (told["kind"], told["code"]) == (InterruptedRunError.__name__, 130)
    assert (silent["kind"], silent["code"], silent["text"]) == (ToldElsewhereError.__name__, 130, told["text"])
    assert told["text"].startswith(f"stopped at update {STOPPED} of")
    assert [path.name for path in (stopped / "checkpoints").iterdir()] == [f"step-{STOPPED:08d}"]
    messages: list[str] = []

    class Listening(StopAt):
        def on_message(self, text: str) -> None:
            messages.append(text)

    resumed = run("albert", stopped, {}, resume=True, listener=Listening(-1))
    alone = run("albert", tmp_path / "alone", {})
    assert_same(dict(resumed.state_dict()), dict(alone.state_dict()))
    assert_same_metrics(stopped, tmp_path / "alone")
    assert any("up to rounding" in message for message in messages)


def test_distributed_a_loss_that_is_not_finite_stops_both_and_its_example_is_named(together: Path) -> None:
    told, silent = errors(together / "poisoned")
    assert told["kind"] == NonFiniteError.__name__
    assert "at training example 17 " in told["text"]
    assert silent["kind"] == ToldElsewhereError.__name__


@pytest.mark.parametrize(
    ("name", "complaint"), [("uneven", "accumulate is 3 and the run has 2"), ("memory", "remembers 16 tokens")]
)
def test_distributed_what_cannot_be_shared_is_refused(name: str, complaint: str, together: Path) -> None:
    told, silent = errors(together / name)
    assert (told["kind"], silent["kind"]) == (SettingsError.__name__, ToldElsewhereError.__name__)
    assert complaint in told["text"]
    assert not (together / name / "checkpoints").exists()


def test_distributed_a_first_process_that_fails_alone_ends_both(together: Path) -> None:
    told, silent = errors(together / "ahead")
    assert (told["kind"], silent["kind"]) == (DataError.__name__, ToldElsewhereError.__name__)
    assert (silent["text"], silent["code"]) == ("no documents", 2)


def assert_lost_and_resumed(folder: Path, said: str, alone: Path) -> None:
    """What `said` says is so, and the run can be brought to its end."""
    assert f"one of the run's 2 processes was lost: update {STOPPED} of" in said, said
    assert f"checkpoints are in {folder / 'checkpoints'}" in said
    assert "repeat the command with --resume" in said
    assert "Traceback" not in said, said
    assert max((folder / "checkpoints").iterdir()).name == f"step-{STOPPED:08d}"
    resumed = run("albert", folder, {}, resume=True)
    assert_same(dict(resumed.state_dict()), dict(run("albert", alone, {}).state_dict()))


def test_distributed_a_process_that_is_killed_ends_the_run_with_a_message_and_a_checkpoint(
    together: Path, tmp_path: Path
) -> None:
    assert_lost_and_resumed(together / "lost", (together / "last-words.txt").read_text(), tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_distributed_a_process_that_is_killed_under_torchrun(lost: int, tmp_path: Path) -> None:
    """The launcher ends the other one, which says its last words all the same."""
    ended = torchrun("tests.training.test_distributed", f"lost-{lost}", str(tmp_path))
    assert ended.returncode != 0
    assert "exitcode  : 4 " in ended.stderr, ended.stderr
    ours = ended.stderr.split(" torch/distributed/elastic/multiprocessing/api.py")  # the launcher's log starts in these lines
    assert_lost_and_resumed(tmp_path / "lost", "".join(ours[:2]), tmp_path / "alone")


def test_distributed_pretrain_from_the_shell(tmp_path: Path) -> None:
    documents = tmp_path / "documents.txt"
    documents.write_text("".join(f"a wonderful film {i}, warm and funny, and number {i * 7} of {i + 3}\n" for i in range(60)))
    flags = ["--max-length", "24", "--held-out", "0.1", "--batch-tokens", "128", "--epochs", "2", "--json"]
    chosen = {"vocabulary.size": 200, "vocabulary.min_frequency": 1, "architecture.width": 16, "architecture.heads": 2}
    chosen |= {"training.accumulate": 2, "training.precision": "float32", "dropout.hidden": 0.1}
    flags += [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]

    def command(output: str) -> list[str]:
        return ["pretrain", str(documents), "--output", str(tmp_path / output), *flags]

    ended = torchrun("fathom", *command("two"))
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    assert json.loads(line)["model"] == str(tmp_path / "two")
    assert ended.stderr.count("documents to train on") == 1, "one process tells"
    assert main(command("one")) == 0
    made = [json.loads((tmp_path / name / "made_by.json").read_text())["metrics"] for name in ("two", "one")]
    assert [metrics["processes"] for metrics in made] == [2, 1]
    assert made[0]["held_out"] == pytest.approx(made[1]["held_out"], abs=1e-5)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=0)
    assert not list(tmp_path.glob("*.partial"))


def test_distributed_batches_are_dealt_evenly_and_each_counts_once() -> None:
    for world in (1, 2, 3):
        for count in range(1, 8):
            dealt = [Ranks(rank, world).deal(list("abcdefg"[:count])) for rank in range(world)]
            assert len({len(part) for part in dealt}) == 1
            counted = sorted((n, batch) for part in dealt for n, batch, counts in part if counts)
            assert counted == list(enumerate("abcdefg"[:count]))


if __name__ == "__main__":
    try:
        in_each_process(sys.argv[1], Path(sys.argv[2]))
    except FathomError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
