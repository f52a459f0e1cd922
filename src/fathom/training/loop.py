"""The training loop. There is one; objectives, data and schedules are handed in.

    for each update:   evaluate on the dev part if it is time, checkpoint if it is time, stop if asked
                       loss of every example → finite? → gradient → finite? → clip → rate → optimizer

Everything random is a function of the seed and of where it happens: the order of the texts of (seed, epoch), what is dropped
and drawn for a batch of (seed, update, number in the update). So a resumed run repeats what an uninterrupted one does, bit for
bit, and several processes, which share the batches of an update, do what one does, up to rounding.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from fathom.allocator import kept_memory
from fathom.data import Batch, Epochs, OrderedRows, Rows, plan_batches
from fathom.errors import FathomError, InterruptedRunError
from fathom.folders import machine_errors, write_text_atomically
from fathom.model import Transformer
from fathom.model.precision import autocast
from fathom.objectives import Objective, Remembering
from fathom.training.compilation import compile_blocks
from fathom.training.distributed import Ranks, clip_gradient, not_yet_added_up, replicated, sharded_copy, whole
from fathom.training.optimizer import make_optimizer
from fathom.training.schedule import rate_factor
from fathom.training.settings import TrainingSettings
from fathom.training.signals import stop_requests
from fathom.training.state import RunState, load_checkpoint, load_weights, save_checkpoint

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
    """What a run was, or how far it is. When it is finished, the model that was handed in holds the best weights."""

    steps: int
    seconds: float
    update_seconds: float  # of these, in updates: neither evaluating nor saving
    tokens: int  # real tokens seen, without padding
    best_step: int
    evaluations: list[dict[str, float]]
    stopped_early: bool
    processes: int = 1  # that shared the work


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
    keep: Callable[[TrainingResult], None] | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    ranks: Ranks | None = None,
) -> TrainingResult:
    """Trains `model` in place, on the device where it is.

    Args:
        folder: where checkpoints and metrics.jsonl go while the run lasts.
        fingerprint: identifies the run; a checkpoint with another one is refused.
        evaluate: called with the model (in evaluation mode) and a function that says whether a stop was asked for;
            returns scores, of which "score" is maximised, or None if it gave up because of a stop. Without it the last
            weights are the result.
        keep: called after every `settings.keep_every` updates with how far the run is, to write the model down as it is then.
        resume: go on from the newest checkpoint in `folder`.
        ranks: the processes that train together, each of which calls this with the same arguments; None: this one alone.

    Raises:
        SettingsError: batches that the processes cannot share, or a checkpoint of another run.
        NonFiniteError: a loss or gradient that is not finite, before it reaches the weights.
        InterruptedRunError: Ctrl-C or SIGTERM; a checkpoint has been written.
        MachineError: the disk is full or read-only, or another process died; earlier checkpoints stay.
        ToldElsewhereError: one of these, in all processes but the first, where all found it.
    """
    ranks = ranks or Ranks()
    ranks.require_fit(settings, memory=objective.memory if isinstance(objective, Remembering) else 0)
    ranks.require_same("data, settings or versions", fingerprint)
    listener = listener if listener is not None and ranks.is_first else SilentListener()
    device = next(model.parameters()).device
    plans = _cut(
        _grouped([_plan(data.epoch(epoch), settings, epoch) for epoch in range(settings.epochs)], settings), settings.updates
    )
    total = sum(len(plan) for plan in plans)
    epoch_starts = set(accumulate((len(plan) for plan in plans), initial=0))
    evaluation_steps = _evaluation_steps([len(plan) for plan in plans], settings.evaluations)
    kept_steps = set(range(settings.keep_every, total + 1, settings.keep_every)) if settings.keep_every else set()
    sharded = sharded_copy(model, ranks) if settings.sharding == "fsdp" and ranks.world > 1 else None
    given, model = model, model if sharded is None else sharded.model
    optimizer = make_optimizer(model, settings)
    computation = replicated(model, ranks) if sharded is None else sharded
    for part in model.modules():
        if isinstance(part, Transformer):
            part.checkpoint_activations = settings.checkpoint_activations
    if settings.compile:
        compile_blocks(model, device)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state, best = RunState(fingerprint), None
    checkpoints = folder / "checkpoints"
    if resume:
        with ranks.first_goes_ahead():
            state, best, damaged = load_checkpoint(checkpoints, fingerprint, model, optimizer, objective)
        ranks.require_same("checkpoints", str(state.step))
        for sentence in [*damaged, f"resumed at update {state.step} of {total}", *_computed_otherwise(state, ranks)]:
            listener.on_message(sentence)
    state.processes, state.threads = ranks.world, torch.get_num_threads()
    folder.mkdir(parents=True, exist_ok=True)
    if ranks.is_first:
        _cut_metrics(folder / METRICS, state)
    metrics = (folder / METRICS if ranks.is_first else Path(os.devnull)).open("a", encoding="utf-8")
    started, last_saved, stopped_early = time.monotonic() - state.seconds, time.monotonic(), False

    def save(ranks: Ranks) -> None:
        nonlocal last_saved
        state.seconds = time.monotonic() - started
        if ranks.is_first:
            os.fsync(metrics.fileno())  # a checkpoint never knows of a line that a power cut took
        save_checkpoint(checkpoints, state, model, optimizer, objective, best, keep=settings.keep_newest, ranks=ranks)
        last_saved = time.monotonic()

    def rescued() -> str:
        if ranks.is_first and sharded is None:
            save(Ranks())  # between updates each process holds whole weights
        return f"update {state.step} of {total} was done; checkpoints are in {checkpoints}"

    def hand_back() -> None:
        if sharded is not None:
            given.load_state_dict({name: whole(tensor) for name, tensor in model.state_dict().items()})

    def result() -> TrainingResult:
        return TrainingResult(
            steps=state.step,
            seconds=time.monotonic() - started,
            update_seconds=state.update_seconds,
            tokens=state.tokens,
            best_step=state.best_step if best is not None else state.step,
            evaluations=state.evaluations,
            stopped_early=stopped_early,
            processes=ranks.world,
        )

    memory = kept_memory() if device.type == "cpu" else nullcontext()
    with machine_errors(folder), metrics, ranks.ending_if_one_is_lost(rescued), stop_requests() as stop_asked, memory:
        updates = _updates(plans, data, state.step, ranks)
        while True:
            if evaluate is not None and state.step in evaluation_steps and state.evaluated_at < state.step:
                model.eval()
                scores = _evaluated(computation, evaluate, stop_asked, ranks)
                if scores is not None:
                    state.evaluated_at = state.step
                    state.evaluations.append({"step": state.step, **scores})
                    if scores["score"] > state.best_score:
                        state.best_score, state.best_step = scores["score"], state.step
                        best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
                    _write(metrics, {"step": state.step, **scores})
                    listener.on_evaluation(state.step, total, scores)
                    stopped_early = _out_of_patience(state, settings.patience)
            if keep is not None and state.step in kept_steps:
                hand_back()
                with ranks.first_goes_ahead():
                    if ranks.is_first:
                        keep(result())
            stop, due = ranks.any(stop_asked(), time.monotonic() - last_saved > settings.checkpoint_minutes * 60)
            if stop:
                save(ranks)
                stopped = InterruptedRunError(
                    f"stopped at update {state.step} of {total}; everything so far is in {checkpoints}",
                    do="repeat the command with --resume to go on from here",
                )
                raise ranks.told_once(stopped)
            if state.step == total or stopped_early:
                save(ranks)  # so that a stop in what follows the training does not cost it
                break
            if due:
                save(ranks)
            begun = time.monotonic()
            model.train()
            if isinstance(objective, Remembering) and state.step in epoch_starts:
                objective.forget()
            update = next(updates)
            rate = _set_rate(optimizer, rate_factor(state.step, total, settings))
            loss, tokens = _gradient(computation, objective, update, settings, device, ranks, step=state.step + 1)
            norm = clip_gradient(parameters, settings.clip)
            _require_finite_gradient(norm, update, ranks, step=state.step + 1)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            state.tokens += tokens
            state.update_seconds += time.monotonic() - begun
            speed = state.tokens / state.update_seconds
            _write(metrics, {"step": state.step, "loss": loss, "rate": rate, "gradient_norm": norm, "tokens": state.tokens})
            listener.on_step(state.step, total, loss, rate, speed)
        if best is not None:
            load_weights(model, best)
        hand_back()
        given.to(device)
    given.eval()
    return result()


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


@dataclass(frozen=True)
class _Update:
    """What one rank computes of an update."""

    batches: list[tuple[int, Batch, bool]]  # number in the update, batch, whether it counts
    examples: int  # of all ranks


def _updates(plans: list[list[list[np.ndarray]]], data: Epochs, done: int, ranks: Ranks) -> Iterator[_Update]:
    number = 0
    for epoch, plan in enumerate(plans):
        if number + len(plan) > done:
            rows = data.epoch(epoch)
            for batches in plan[max(0, done - number) :]:
                dealt = [(place, rows.batch(indices), counts) for place, indices, counts in ranks.deal(batches)]
                yield _Update(dealt, sum(map(len, batches)))
        number += len(plan)


def _evaluation_steps(updates: list[int], evaluations: int) -> set[int]:
    """After which updates the dev part is measured: `evaluations` times in each epoch, the last at its end."""
    steps, before = set(), 0
    for count in updates:
        steps |= {before + max(1, round(count * part / evaluations)) for part in range(1, evaluations + 1)}
        before += count
    return steps


def _evaluated(
    computation: nn.Module, evaluate: Evaluate, stop_asked: Callable[[], bool], ranks: Ranks
) -> dict[str, float] | None:
    """The scores, which all ranks compute, so that they stop together; the first one's are everybody's."""

    def measured(model: nn.Module) -> dict[str, float] | None:
        return evaluate(model, lambda: ranks.any(stop_asked())[0])

    with torch.no_grad():
        found: dict[str, float] | None = computation(measured)
    return ranks.from_first(found)


def _gradient(
    computation: nn.Module,
    objective: Objective,
    update: _Update,
    settings: TrainingSettings,
    device: torch.device,
    ranks: Ranks,
    *,
    step: int,
) -> tuple[float, int]:
    """Adds the gradient of the mean loss over all examples of an update; returns that mean, and the tokens that were read."""
    total, tokens = 0.0, 0
    for left, (number, batch, counts) in zip(range(len(update.batches) - 1, -1, -1), update.batches, strict=True):
        torch.manual_seed(_seed_of_batch(settings.seed, step, number))
        with not_yet_added_up(computation) if left else nullcontext():
            with autocast(settings.precision, device):
                losses: Tensor = computation(partial(objective.losses, batch=batch.to(device)))
            _require_finite_losses(losses, batch, ranks, step=step)
            loss = losses.sum() / update.examples if counts else losses.sum() * 0
            total += loss.item()  # before the gradient: a GPU whose gradient waits for another that is lost would not answer
            torch.autograd.backward(loss * ranks.world)  # the ranks' gradients are averaged
        tokens += batch.tokens * counts
    total, read = ranks.sum(total, tokens)
    return total, int(read)


def _seed_of_batch(seed: int, step: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, step, number)).generate_state(1, np.uint64)[0])


def _require_finite_losses(losses: Tensor, batch: Batch, ranks: Ranks, *, step: int) -> None:
    bad = [batch.example_ids[index] for index in (~torch.isfinite(losses)).nonzero().flatten().tolist()]
    if ranks.any(bool(bad))[0]:
        bad = sorted({number for found in ranks.gather(bad) for number in found})
        raise ranks.told_once(
            NonFiniteError(
                f"the loss of update {step} is not finite, at training example {_some(bad)} (counted from 0)",
                expected="finite losses",
                do="look at that text; if it is ordinary, lower --learning-rate. The weights were not touched",
            )
        )


def _require_finite_gradient(norm: float, update: _Update, ranks: Ranks, *, step: int) -> None:
    if not np.isfinite(norm):
        gathered = ranks.gather([n for _, batch, counts in update.batches if counts for n in batch.example_ids])
        examples = [number for found in gathered for number in found]
        raise ranks.told_once(
            NonFiniteError(
                f"the gradient of update {step} is not finite; its training examples are {_some(examples)} (counted from 0)",
                expected="finite gradients",
                do="lower --learning-rate or raise --warmup. The weights were not touched",
            )
        )


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")


def _computed_otherwise(state: RunState, ranks: Ranks) -> Iterator[str]:
    before, now = (state.processes, state.threads), (ranks.world, torch.get_num_threads())
    if before != now:
        yield (
            f"the part before was computed by {before[0]} process(es) of {before[1]} thread(s), this one is by {now[0]} of "
            f"{now[1]}: the numbers are the same up to rounding, not bit for bit"
        )


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


def _cut_metrics(path: Path, state: RunState) -> None:
    """Forgets what a checkpoint does not know of: later updates, and later evaluations, even of its own update."""
    if path.is_file():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        entries = map(json.loads, lines)
        known = [entry["step"] <= (state.evaluated_at if "score" in entry else state.step) for entry in entries]
        write_text_atomically(path, "".join(line for line, keep in zip(lines, known, strict=True) if keep))
