"""A training run's whole state in a folder, so that a resumed run is the same run, bit for bit.

    checkpoints/step-00000120/   state.safetensors   weights, moments, what the objective holds
                                 best.safetensors    the best weights so far
                                 state.json          step, evaluations, settings' fingerprint
                                 SHA256SUMS

Chance needs no state: the order of the texts is a function of (seed, epoch), what is drawn for a batch one of (seed, update,
batch). Tensors are whole, whoever held parts of them, so any number of processes resumes. No pickle: safetensors and JSON.
The newest few checkpoints stay, so that one damaged on disk costs the steps between them, not the run.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fathom.errors import ModelFolderError, SettingsError
from fathom.folders import clear_leftovers, verify_folder, write_folder
from fathom.objectives import Objective, Remembering
from fathom.training.distributed import Ranks, shard_like, whole


@dataclass
class RunState:
    """Where a run stands, apart from weights and moments."""

    fingerprint: str  # SHA-256 of everything that decides the run; another one is another run
    step: int = 0  # updates done
    seconds: float = 0.0  # of training, over all its parts
    update_seconds: float = 0.0  # of these, in updates
    tokens: int = 0  # real tokens seen
    evaluated_at: int = -1  # the step of the last evaluation
    evaluations: list[dict[str, float]] = field(default_factory=list)
    best_score: float = float("-inf")
    best_step: int = -1
    processes: int = 1  # that computed the last part of the run
    threads: int = 0  # of each


def save_checkpoint(
    folder: Path,
    state: RunState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    best: dict[str, Tensor] | None,
    *,
    keep: int,
    ranks: Ranks | None = None,
) -> Path:
    """Writes `folder`/step-…, whole or not at all, and removes all but the newest `keep`. Returns the checkpoint's folder.

    Of several ranks all call it, with the parts that they hold, and the first writes.
    """
    ranks = ranks or Ranks()
    target = folder / f"step-{state.step:08d}"
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    if isinstance(objective, Remembering):
        tensors |= {f"objective.{name}": tensor for name, tensor in objective.state().items()}
    tensors, best = _to_write(tensors, ranks), None if best is None else _to_write(best, ranks)
    with ranks.first_goes_ahead():
        if ranks.is_first:
            with write_folder(target, overwrite=True) as temporary:
                save_file(tensors, temporary / "state.safetensors")
                if best is not None:
                    save_file(best, temporary / "best.safetensors")
                (temporary / "state.json").write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
            found = _checkpoints(folder)
            ahead = found.index(target)  # of this one: those that were damaged when the run resumed from before them
            for useless in found[:ahead] + found[ahead + keep :]:
                shutil.rmtree(useless, ignore_errors=True)
    return target


def _to_write(tensors: dict[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Gathered one after the other, and kept by the first rank."""
    gathered = ((name, whole(tensor.detach())) for name, tensor in tensors.items())
    return {name: tensor.cpu().contiguous() for name, tensor in gathered if ranks.is_first}


def load_checkpoint(
    folder: Path, fingerprint: str, model: nn.Module, optimizer: torch.optim.Optimizer, objective: Objective
) -> tuple[RunState, dict[str, Tensor] | None, list[str]]:
    """Restores the newest whole checkpoint into model, optimizer and objective.

    Returns:
        The run's state, the best weights so far (None before the first evaluation), and a sentence for each damaged
        checkpoint that was passed over.

    Raises:
        ModelFolderError: no checkpoint, or none that is whole.
        SettingsError: the checkpoint is of another run (other settings, data or base model).
    """
    damaged: list[str] = []
    clear_leftovers(folder)
    for checkpoint in _checkpoints(folder):
        try:
            verify_folder(checkpoint, strict=True)
            state = RunState(**json.loads((checkpoint / "state.json").read_text(encoding="utf-8")))
            tensors = load_file(checkpoint / "state.safetensors")
            best_file = checkpoint / "best.safetensors"
            best = load_file(best_file) if best_file.is_file() else None
        except (ModelFolderError, SafetensorError, OSError, ValueError, TypeError) as error:
            damaged.append(f"{checkpoint.name} was passed over: {str(error).splitlines()[0]}")
            continue
        if state.fingerprint != fingerprint:
            raise SettingsError(
                f"the checkpoint in {folder} belongs to another run: its settings, data or base model differ",
                expected="the command that started it, plus --resume",
                do="repeat that command, or start anew with another --output",
            )
        _restore(tensors, model, optimizer, objective)
        return state, best, damaged
    raise ModelFolderError(
        f"{folder} holds no checkpoint that is whole" + "".join(f"\n    {line}" for line in damaged),
        expected="the checkpoints of an interrupted run",
        do="start anew: --overwrite in place of --resume",
    )


def _restore(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, objective: Objective) -> None:
    load_weights(model, {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            parameter = parameters[int(index)]
            moment = shard_like(tensor, parameter) if tensor.shape == parameter.shape else tensor
            moments.setdefault(int(index), {})[key] = moment
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    if isinstance(objective, Remembering):
        device = next(model.parameters()).device
        held = {name.removeprefix("objective."): t.to(device) for name, t in tensors.items() if name.startswith("objective.")}
        objective.restore(held)


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Takes over whole tensors, or this rank's parts of them."""
    held = model.state_dict()
    model.load_state_dict({name: shard_like(tensor, held[name]) for name, tensor in weights.items()})


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted((path for path in folder.glob("step-*") if path.is_dir()), reverse=True)
