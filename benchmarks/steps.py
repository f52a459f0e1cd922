"""What the long benchmarks have in common: steps that are done once, so that a command that was stopped goes on where it was.

trained folders   are there, or go on from their checkpoint, or are begun
small results     are JSON files beside them, each with what was asked; another question is refused, not answered again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from timing import machine

import fathom
from fathom.checkpoint import MadeBy, read_json, source_commit, to_json
from fathom.checkpoint.about import MADE_BY
from fathom.cli.progress import TrainingProgress
from fathom.data import Example
from fathom.errors import FathomError, InterruptedRunError
from fathom.folders import write_text_atomically
from fathom.pipeline.finetune import finetune
from fathom.pipeline.pretrain import pretrain
from fathom.pipeline.run import has_checkpoint
from fathom.pipeline.settings import FinetuneSettings, PretrainSettings

RESULTS = Path(__file__).parent / "results"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(app: Callable[[], Any]) -> int:
    """A benchmark's command, and what becomes of its errors: the exit code."""
    try:
        app()
    except InterruptedRunError:
        say("stopped; give the same command again to go on")
        return 130
    except FathomError as error:
        say(str(error))
        return 1
    return 0


def pretrained(settings: PretrainSettings, folder: Path) -> MadeBy:
    """A base model, trained if it is not there yet."""
    if not folder.exists():
        say(f"— {folder}")
        with TrainingProgress(describe=lambda scores: f"held-out loss {scores['loss']:.4f}") as listener:
            pretrain(settings, folder, resume=_partial(folder).exists(), listener=listener)
    return _same(settings, folder)


def finetuned(settings: FinetuneSettings, train: Iterable[Example], dev: Iterable[Example] | None, folder: Path) -> MadeBy:
    """A classifier, trained if it is not there yet."""
    if not folder.exists():
        say(f"— {folder}")
        resume = has_checkpoint(_partial(folder))
        with TrainingProgress() as listener:
            finetune(
                settings,
                folder,
                train_examples=train,
                dev_examples=dev,
                resume=resume,
                overwrite=not resume,  # what is left of a run without a checkpoint
                listener=listener,
            )
    return _same(settings, folder)


def kept(path: Path, asked: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """A small result, made if it is not there yet.

    Args:
        asked: everything that decides it, as JSON has it.

    Raises:
        FathomError: the file answers something else.
    """
    wanted = json.loads(json.dumps(asked))
    if not path.is_file():
        say(f"— {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, to_json({"asked": wanted, "found": make()}))
    held = json.loads(path.read_text(encoding="utf-8"))
    if held["asked"] != wanted:
        raise _other(path, [name for name in {*held["asked"], *wanted} if held["asked"].get(name) != wanted.get(name)])
    return held["found"]


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """A finished benchmark, with the code and the machine that it was measured with."""
    about = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "version": fathom.__version__,
        "commit": source_commit(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, to_json({**record, "measured_by": about, "measured_on": machine()}))
    say(f"written: {path}")


def summary(made_by: MadeBy) -> dict[str, Any]:
    """What a record says of a run."""
    return {
        "commit": made_by.commit,
        "seed": made_by.seed,
        "seconds": made_by.seconds,
        "machine": made_by.machine,
        "settings": made_by.settings,
        "data": made_by.data,
        "metrics": made_by.metrics,
    }


def _partial(folder: Path) -> Path:
    return folder.with_name(folder.name + ".partial")


def _same(settings: FinetuneSettings | PretrainSettings, folder: Path) -> MadeBy:
    made_by = read_json(folder / MADE_BY, MadeBy)
    held = type(settings).model_validate(made_by.settings).model_dump(mode="json")  # with the settings that came later
    wanted = settings.model_dump(mode="json")
    held, wanted = ({**f, "training": dict(f["training"]), "model": Path(f["model"]).name} for f in (held, wanted))
    for found in (held, wanted):
        found["training"].pop("checkpoint_minutes")
    if held != wanted:
        raise _other(folder, [name for name in wanted if held.get(name) != wanted[name]])
    return made_by


def _other(path: Path, names: list[str]) -> FathomError:
    return FathomError(
        f"{path} was made with other values of {', '.join(sorted(names))}",
        expected="what this command asks for",
        do="choose another --folder, or move that one away",
    )
