"""The training loop. There is one; objectives, data and schedules are handed in.

    for each update:   evaluate on the dev part if it is time, checkpoint if it is time, stop if asked
                       loss of every example → finite? → gradient → finite? → clip → rate → optimizer

Everything random comes from the seed: fresh weights and dropout from torch's generator (whose state is checkpointed), the
order of the texts from (seed, epoch). So a resumed run repeats what an uninterrupted one does, bit for bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from fathom.data import Batch, Epochs, OrderedRows, Rows, plan_batches
from fathom.errors import FathomError, InterruptedRunError
from fathom.model import Transformer
from fathom.objectives import Objective, Remembering
from fathom.training.optimizer import make_optimizer
from fathom.training.precision import autocast
from fathom.training.schedule import rate_factor
from fathom.training.settings import TrainingSettings
from fathom.training.signals import stop_requests
from fathom.training.state import RunState, load_checkpoint, save_checkpoint

METRICS = "metrics.jsonl"


class NonFiniteError(FathomError):
    """A loss or gradient that is NaN or infinite; the weights are as they were before it."""


class Listener(Protocol):
    """Whoever wants to show how a run goes."""

    def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
        """After each update. `loss` in nats, of this update's examples; `rate` the highest of the groups."""

    def on_evaluation(self, step: int, total: int, scores: dict[str, float]) -> None:
        """After each evaluation on the dev part."""

    def on_message(self, text: str) -> None:
        """Something a person should know."""


class SilentListener:
    """Shows nothing."""

    def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
        """Nothing."""

    def on_evaluation(self, step: int, total: int, scores: dict[str, float]) -> None:
        """Nothing."""

    def on_message(self, text: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run was; the model that was handed in now holds the best weights."""

    steps: int
    seconds: float
    update_seconds: float  # of these, in updates: neither evaluating nor saving
    tokens: int  # real tokens seen, without padding
    best_step: int
    evaluations: list[dict[str, float]]
    stopped_early: bool


# scores of the model on the dev part; "score" is the one to maximise
Evaluate = Callable[[nn.Module, Callable[[], bool]], dict[str, float] | None]


def train(
    model: nn.Module,
    objective: Objective,
    data: Epochs,
    settings: TrainingSettings,
    *,
    folder: Path,
    fingerprint: str,
    evaluate: Evaluate | None = None,
    resume: bool = False,
    listener: Listener | None = None,
) -> TrainingResult:
    """Trains `model` in place, on the device where it is.

    Args:
        folder: where checkpoints and metrics.jsonl go while the run lasts.
        fingerprint: identifies the run; a checkpoint with another one is refused.
        evaluate: called with the model (in evaluation mode) and a function that says whether a stop was asked for;
            returns scores, of which "score" is maximised, or None if it gave up because of a stop. Without it the last
            weights are the result.
        resume: go on from the newest checkpoint in `folder`.

    Raises:
        NonFiniteError: a loss or gradient that is not finite, before it reaches the weights.
        InterruptedRunError: Ctrl-C or SIGTERM; a checkpoint has been written.
        MachineError: the disk is full or read-only; earlier checkpoints stay.
    """
    listener = listener or SilentListener()
    device = next(model.parameters()).device
    plans = _cut(
        _grouped([_plan(data.epoch(epoch), settings, epoch) for epoch in range(settings.epochs)], settings), settings.updates
    )
    total = sum(len(plan) for plan in plans)
    epoch_starts = set(accumulate((len(plan) for plan in plans), initial=0))
    evaluation_steps = _evaluation_steps([len(plan) for plan in plans], settings.evaluations)
    torch.manual_seed(settings.seed)
    optimizer = make_optimizer(model, settings)
    for part in model.modules():
        if isinstance(part, Transformer):
            part.checkpoint_activations = settings.checkpoint_activations
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state, best = RunState(fingerprint), None
    checkpoints = folder / "checkpoints"
    if resume:
        state, best, damaged = load_checkpoint(checkpoints, fingerprint, model, optimizer, objective)
        for sentence in damaged:
            listener.on_message(sentence)
        listener.on_message(f"resumed at update {state.step} of {total}")
    folder.mkdir(parents=True, exist_ok=True)
    _cut_metrics(folder / METRICS, state.step)
    metrics = (folder / METRICS).open("a", encoding="utf-8")
    started, last_saved, stopped_early = time.monotonic() - state.seconds, time.monotonic(), False

    def save() -> None:
        nonlocal last_saved
        state.seconds = time.monotonic() - started
        save_checkpoint(checkpoints, state, model, optimizer, objective, best)
        last_saved = time.monotonic()

    with metrics, stop_requests() as stop_asked:
        updates = _updates(plans, data, state.step)
        while True:
            if evaluate is not None and state.step in evaluation_steps and state.evaluated_at < state.step:
                model.eval()
                scores = evaluate(model, stop_asked)
                if scores is not None:
                    state.evaluated_at = state.step
                    state.evaluations.append({"step": state.step, **scores})
                    if scores["score"] > state.best_score:
                        state.best_score, state.best_step = scores["score"], state.step
                        best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
                    _write(metrics, {"step": state.step, **scores})
                    listener.on_evaluation(state.step, total, scores)
                    stopped_early = _out_of_patience(state, settings.patience)
            if stop_asked():
                save()
                raise InterruptedRunError(
                    f"stopped at update {state.step} of {total}; everything so far is in {checkpoints}",
                    do="repeat the command with --resume to go on from here",
                )
            if state.step == total or stopped_early:
                save()  # so that a stop in what follows the training does not cost it
                break
            if time.monotonic() - last_saved > settings.checkpoint_minutes * 60:
                save()
            begun = time.monotonic()
            model.train()
            if isinstance(objective, Remembering) and state.step in epoch_starts:
                objective.forget()
            batches = next(updates)
            rate = _set_rate(optimizer, rate_factor(state.step, total, settings))
            loss = _gradient(model, objective, batches, settings, device, step=state.step + 1)
            norm = float(nn.utils.clip_grad_norm_(parameters, settings.clip))
            _require_finite_gradient(norm, batches, step=state.step + 1)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            state.tokens += sum(batch.tokens for batch in batches)
            state.update_seconds += time.monotonic() - begun
            speed = state.tokens / state.update_seconds
            _write(metrics, {"step": state.step, "loss": loss, "rate": rate, "gradient_norm": norm, "tokens": state.tokens})
            listener.on_step(state.step, total, loss, rate, speed)
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    seconds = time.monotonic() - started
    best_step = state.best_step if best is not None else state.step
    return TrainingResult(
        steps=state.step,
        seconds=seconds,
        update_seconds=state.update_seconds,
        tokens=state.tokens,
        best_step=best_step,
        evaluations=state.evaluations,
        stopped_early=stopped_early,
    )


def _plan(dataset: Rows, settings: TrainingSettings, epoch: int) -> list[np.ndarray]:
    """The batches of an epoch, each an array of row numbers."""
    if isinstance(dataset, OrderedRows):
        return dataset.batches
    return plan_batches(
        dataset.lengths,
        max_tokens=settings.batch_tokens,
        max_rows=settings.batch_rows,
        shuffle=True,
        seed=settings.seed,
        epoch=epoch,
    )


def _grouped(plans: list[list[np.ndarray]], settings: TrainingSettings) -> list[list[list[np.ndarray]]]:
    """The updates of each epoch, each a list of batches: `accumulate` of them, and fewer while the size of updates warms up.

    Early on, the gradient is large beside its noise, and a small batch tells most of what a large one does (McCandlish et al.
    2018, 1812.06162). No update reaches from one epoch into the next.
    """
    warming = settings.batch_warmup * sum(map(len, plans))
    grouped, done = [], 0
    for plan in plans:
        updates, start = [], 0
        while start < len(plan):
            size = settings.accumulate
            if done + start < warming:
                size = max(1, round(settings.accumulate * (done + start) / warming))
            updates.append(plan[start : start + size])
            start += size
        grouped.append(updates)
        done += len(plan)
    return grouped


def _cut(plans: list[list[list[np.ndarray]]], updates: int | None) -> list[list[list[np.ndarray]]]:
    """The first `updates` of all."""
    if updates is None:
        return plans
    kept: list[list[list[np.ndarray]]] = []
    for plan in plans:
        kept.append(plan[: updates - sum(map(len, kept))])
    return [plan for plan in kept if plan]


def _updates(plans: list[list[list[np.ndarray]]], data: Epochs, done: int) -> Iterator[list[Batch]]:
    number = 0
    for epoch, plan in enumerate(plans):
        if number + len(plan) > done:
            rows = data.epoch(epoch)
            for batches in plan[max(0, done - number) :]:
                yield [rows.batch(indices) for indices in batches]
        number += len(plan)


def _evaluation_steps(updates: list[int], evaluations: int) -> set[int]:
    """After which updates the dev part is measured: `evaluations` times in each epoch, the last at its end."""
    steps, before = set(), 0
    for count in updates:
        steps |= {before + max(1, round(count * part / evaluations)) for part in range(1, evaluations + 1)}
        before += count
    return steps


def _gradient(
    model: nn.Module, objective: Objective, batches: list[Batch], settings: TrainingSettings, device: torch.device, *, step: int
) -> float:
    """Adds the gradient of the mean loss over all examples of an update; returns that mean."""
    examples = sum(len(batch.example_ids) for batch in batches)
    total = 0.0
    for batch in batches:
        with autocast(settings.precision, device):
            losses = objective.losses(model, batch.to(device))
        finite = torch.isfinite(losses)
        if not finite.all():
            bad = [batch.example_ids[index] for index in (~finite).nonzero().flatten().tolist()]
            raise NonFiniteError(
                f"the loss of update {step} is not finite, at training example {_some(bad)} (counted from 0)",
                expected="finite losses",
                do="look at that text; if it is ordinary, lower --learning-rate. The weights were not touched",
            )
        loss: Tensor = losses.sum() / examples
        torch.autograd.backward(loss)
        total += loss.item()
    return total


def _require_finite_gradient(norm: float, batches: list[Batch], *, step: int) -> None:
    if not np.isfinite(norm):
        examples = [number for batch in batches for number in batch.example_ids]
        raise NonFiniteError(
            f"the gradient of update {step} is not finite; its training examples are {_some(examples)} (counted from 0)",
            expected="finite gradients",
            do="lower --learning-rate or raise --warmup. The weights were not touched",
        )


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")


def _set_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return max(float(group["lr"]) for group in optimizer.param_groups)


def _out_of_patience(state: RunState, patience: int | None) -> bool:
    if patience is None:
        return False
    since_best = [entry for entry in state.evaluations if entry["step"] > state.best_step]
    return len(since_best) >= patience


def _write(file: object, entry: dict[str, float]) -> None:
    print(json.dumps(entry), file=file, flush=True)  # type: ignore[call-overload]


def _cut_metrics(path: Path, step: int) -> None:
    """Forgets what was recorded after the checkpoint that a run resumes from."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")
