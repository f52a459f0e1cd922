"""How fast a classifier answers, beside what people would otherwise use: the same weights, the same texts, the same answers.

python benchmarks/inference.py --model runs/quickstart/model     all engines that are installed; some ten minutes
python benchmarks/inference.py --quick                           few texts, four engines; under 2 minutes

Three tasks: 512 IMDB reviews of at most 256 tokens, 2,048 one-sentence verdicts, and single sentences one after the other. Each
engine (engines.py) has a process of its own with the same number of threads; each round gives every engine the task in turn.
What is measured includes tokenization; loading, converting and compiling happen before, and their seconds are told apart.
Answers are compared with those of transformers in float32; the ratio is against the fastest peer that gives the same ones.
Needs the extra `bench`, and FATHOM_DATA for the reviews. Writes benchmarks/results/inference.json and a picture; what could not
be measured, and why, stands in the record.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from engines import ENGINES
from steps import RESULTS, run, say, write_record
from timing import machine, summary

from fathom.cli.console import table
from fathom.data import open_data
from fathom.errors import FathomError, SettingsError
from fathom.folders import write_text_atomically

REFERENCE = "transformers"  # whose answers count as right
SAME_LABEL, SAME_PROBABILITY = 0.998, 0.01  # at least, and on average at most: then the answers are the same
OURS = ("fathom", "fathom, auto")
AS_IT_COMES = "transformers pipeline"
QUICK = ("fathom", "transformers pipeline", "transformers", "ONNX Runtime")
MAX_LENGTH = 256  # tokens
SINGLE = 40  # sentences that are asked one after the other
PATIENCE = 900  # seconds in which an engine has to be ready

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Asked:
    """A task: texts that are asked together, or one after the other."""

    texts: list[str]
    together: bool = True


# ------------------------------------------------------------------------------------------------------ one process an engine


def _serve(pipe: Connection, name: str, folder: Path, threads: int, calibration: list[str], device: str) -> None:
    """Answers tasks with seconds and probabilities until it is told None. Runs in a process of its own."""
    with tempfile.TemporaryDirectory() as work:
        try:
            started = time.perf_counter()
            engine = ENGINES[name](folder, _length(folder), threads, Path(work), calibration, device)
            engine.probabilities(calibration)  # what is compiled or allocated once
            pipe.send((ENGINES[name].version(), time.perf_counter() - started))
        except Exception as error:  # a peer that does not run here is told of, and does not end the others
            pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200])
            return
        while (asked := pipe.recv()) is not None:
            parts = [asked.texts] if asked.together else [[text] for text in asked.texts]
            seconds, found = [], []
            for part in parts:
                started = time.perf_counter()
                found.append(engine.probabilities(part))
                seconds.append(time.perf_counter() - started)
            pipe.send((seconds, np.concatenate(found)))


def _length(folder: Path) -> int:
    """Tokens of a text that are read."""
    held = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return min(MAX_LENGTH, int(held["max_position_embeddings"]))


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    version: str
    ready_after: float

    def ask(self, asked: Asked) -> tuple[list[float], np.ndarray]:
        self.pipe.send(asked)
        seconds, found = self.pipe.recv()
        return seconds, found

    def end(self) -> None:
        self.pipe.send(None)
        self.process.join()


def _start(name: str, folder: Path, threads: int, calibration: list[str], device: str) -> _Worker | str:
    """A process that is ready, or why there is none."""
    if (reason := ENGINES[name].unusable(device)) is not None:
        return reason
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, name, folder, threads, calibration, device), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv() if ours.poll(PATIENCE) else f"not ready after {PATIENCE} seconds"
    except EOFError:
        answer = "its process died"
    if isinstance(answer, str):
        process.kill()
        return answer
    return _Worker(process, ours, *answer)


# ---------------------------------------------------------------------------------------------------------------- measuring


@app.command()
def inference(
    model: Annotated[Path, typer.Option(help="a BERT classifier, as fathom writes it")] = Path("runs/quickstart/model"),
    threads: Annotated[int | None, typer.Option(min=1, help="of each engine; usually all cores")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="in which each engine gets each task once")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="few texts, four engines")] = False,
    engines: Annotated[str | None, typer.Option(help="NAME; NAME; …: only these, and the reference")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda: only fathom and transformers")] = "cpu",
    record: Annotated[Path | None, typer.Option(help="usually benchmarks/results/inference.json; --quick writes none")] = None,
) -> None:
    """Texts a second and seconds a text of fathom and its peers."""
    if not (model / "config.json").is_file():
        raise SettingsError(f"{model} is no model folder", expected="a classifier", do="make one: fathom quickstart")
    threads = threads or os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(threads)
    names = [name.strip() for name in engines.split(";")] if engines else list(QUICK if quick else ENGINES)
    if unknown := sorted(set(names) - set(ENGINES)):
        raise SettingsError(f"there is no engine {unknown[0]!r}", expected=f"of {'; '.join(ENGINES)}")
    names += [] if REFERENCE in names else [REFERENCE]
    tasks, calibration = _tasks(quick)
    rounds = min(rounds, 2) if quick else rounds
    workers: dict[str, _Worker] = {}
    left_out: dict[str, str] = {}
    for name in names:
        found = _start(name, model, threads, calibration, device)
        say(f"{name}: " + (found if isinstance(found, str) else f"ready after {found.ready_after:.1f} s"))
        if isinstance(found, str):
            left_out[name] = found
        else:
            workers[name] = found
    if REFERENCE not in workers:
        raise FathomError(f"{REFERENCE} does not run: {left_out[REFERENCE]}", do="pip install 'fathom-lm[bench]'")
    measured = {name: _measure(task, workers, rounds) for name, task in tasks.items()}
    for worker in workers.values():
        worker.end()
    print(_as_text(measured))
    if record is not None or not quick:
        path = record or RESULTS / "inference.json"
        versions = {name: {"version": held.version, "ready_after": held.ready_after} for name, held in workers.items()}
        setting = {"device": device, "threads": threads, "rounds": rounds, "max_length": _length(model), **machine()}
        write_record(path, {"engines": versions, "left_out": left_out, "setting": setting, "tasks": measured})
        write_text_atomically(path.with_suffix(".svg"), _picture(measured))


def _tasks(quick: bool) -> tuple[dict[str, Asked], list[str]]:
    """The tasks by name, and texts that belong to none of them."""
    sentences = [example.text for example in islice(open_data("rotten-tomatoes"), 2048 + SINGLE + 64)]
    many, few = (32, 128) if quick else (512, 2048)
    tasks, others = {}, sentences[-64:]
    try:
        reviews = [example.text for example in open_data("imdb", split="test")]
    except FathomError as error:
        say(f"the reviews are left out: {error}")
    else:
        reviews = reviews[:: max(1, len(reviews) // 576)]  # from everywhere: the file may be sorted
        tasks[f"{many:,} reviews"] = Asked(reviews[:many])
        others = reviews[512:544] + others[:32]
    tasks[f"{few:,} sentences"] = Asked(sentences[:few])
    tasks["one sentence"] = Asked(sentences[2048 : 2048 + SINGLE], together=False)
    return tasks, others


def _measure(task: Asked, workers: dict[str, _Worker], rounds: int) -> dict[str, Any]:
    """What every engine took, round by round, and how its answers compare."""
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    answers: dict[str, np.ndarray] = {}
    for number in range(rounds + 1):  # the first round does not count
        for name, worker in workers.items():
            took, answers[name] = worker.ask(task)
            if number:
                seconds[name].append(float(np.sum(took) if task.together else np.median(took)))
    right = answers[REFERENCE]
    found: dict[str, Any] = {}
    for name in workers:
        found[name] = {
            "seconds": summary(seconds[name]),  # of all texts together, or the median of single ones
            "texts_per_second": len(task.texts) / summary(seconds[name])["median"] if task.together else None,
            "same_label": float((answers[name].argmax(1) == right.argmax(1)).mean()),
            "mean_difference": float(np.abs(answers[name] - right).mean()),
        }
    peers = [name for name in workers if name not in OURS]
    alike = [name for name in workers if _alike(found[name])]

    def fastest(some: list[str]) -> str | None:
        return min(some, key=lambda name: found[name]["seconds"]["median"], default=None)

    ours, best = fastest([name for name in alike if name in OURS]), fastest([name for name in peers if name in alike])
    assert best is not None, "the reference agrees with itself"
    ratio = None if ours is None else _ratio(seconds[best], seconds[ours])
    pipeline = None if ours is None or AS_IT_COMES not in seconds else _ratio(seconds[AS_IT_COMES], seconds[ours])
    compared = {"ours": ours, "best_peer": best, "times_as_fast": ratio, "times_the_pipeline": pipeline}
    return {"engines": found, **compared, "fastest_with_other_answers": fastest([name for name in peers if name not in alike])}


def _alike(engine: dict[str, Any]) -> bool:
    return bool(engine["same_label"] >= SAME_LABEL and engine["mean_difference"] <= SAME_PROBABILITY)


def _ratio(theirs: list[float], ours: list[float]) -> float:
    """How many times as fast, in the middle of the rounds."""
    return float(np.median(np.array(theirs) / np.array(ours)))


# ------------------------------------------------------------------------------------------------------------------ showing


def _as_text(measured: dict[str, Any]) -> str:
    parts = []
    for task, held in measured.items():
        rows = []
        for name, one in sorted(held["engines"].items(), key=lambda entry: entry[1]["seconds"]["median"]):
            low, high = one["seconds"]["quartiles"]
            speed = (
                f"{one['texts_per_second']:.1f}/s" if one["texts_per_second"] else f"{1e3 * one['seconds']['median']:.2f} ms"
            )
            spread = f"{(high - low) / one['seconds']['median']:.0%}"
            rows.append([name, speed, spread, f"{one['same_label']:.2%}", f"{one['mean_difference']:.5f}"])
        parts += [task, table(rows, ["engine", "speed", "spread", "same label", "difference"])]
        if held["ours"]:
            best = f"the fastest peer with the same answers, {held['best_peer']}"
            parts.append(f"{held['ours']}: {held['times_as_fast']:.2f} times as fast as {best}")
        if held["times_the_pipeline"]:
            parts.append(f"and {held['times_the_pipeline']:.2f} times as fast as the {AS_IT_COMES}")
        parts.append("")
    return "\n".join(parts)


def _picture(measured: dict[str, Any]) -> str:
    """Bars, one panel a task, the fastest on top."""
    import matplotlib as mpl
    from drawing import STYLE, as_svg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE | {"font.size": 9, "axes.grid": False}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        for panel, (task, held) in zip(figure.subplots(1, len(measured)), measured.items(), strict=True):
            order = sorted(held["engines"], key=lambda name: -held["engines"][name]["seconds"]["median"])
            together = held["engines"][order[0]]["texts_per_second"] is not None
            values = [
                held["engines"][name]["texts_per_second"] or 1e3 * held["engines"][name]["seconds"]["median"] for name in order
            ]
            bars = panel.barh(order, values, color=["#c2410c" if name in OURS else "#94a3b8" for name in order])
            panel.bar_label(bars, fmt="%.1f", padding=2)
            panel.set_title(f"{task}\n" + ("texts a second" if together else "milliseconds"), fontsize=9)
            panel.margins(x=0.18)
    return as_svg(figure, "inference")


if __name__ == "__main__":
    sys.exit(run(app))
