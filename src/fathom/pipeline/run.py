"""What every training run does around its training: where it lives, which run it is, the vocabulary that it began with."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

import fathom
from fathom.checkpoint import MadeBy, machine, to_json
from fathom.data import Example
from fathom.errors import FathomError, SettingsError
from fathom.folders import (
    clear_leftovers,
    machine_errors,
    refuse_existing,
    sha256_of_file,
    verify_folder,
    write_folder,
    write_text_atomically,
)
from fathom.pipeline.settings import VocabularySettings
from fathom.pipeline.vocabulary import learn_vocabulary
from fathom.text import Tokenizer, blank_markup
from fathom.text.tokenizer import TOKENIZER
from fathom.training import TrainingResult
from fathom.training.settings import KEEPING

STEPS = ".steps"  # after the output's name: the folder of the models that a run keeps on its way


@dataclass(frozen=True)
class Texts:
    """The texts of re-iterable examples, without their HTML tags if so asked."""

    examples: Iterable[Example]
    markup: bool

    def __iter__(self) -> Iterator[str]:
        return (example.text if self.markup else blank_markup(example.text) for example in self.examples)


def begin_run(output: Path, settings: BaseModel, *, resume: bool, overwrite: bool) -> Path:
    """The folder in which a run lives until OUTPUT is written: OUTPUT.partial, empty unless the run is resumed.

    Raises:
        SettingsError: the run that is to be resumed has other settings.
        FathomError: OUTPUT is there, or an interrupted run, and neither `resume` nor `overwrite` says what to do.
        MachineError: the folder cannot be made.
    """
    with machine_errors(output):
        clear_leftovers(output.parent, [output.name])
    refuse_existing(output, overwrite=overwrite)
    partial, steps = (output.with_name(output.name + ending) for ending in (".partial", STEPS))
    if not resume and not overwrite:
        if has_checkpoint(partial) or (partial / "corpus").exists():
            raise FathomError(
                f"{partial} holds an interrupted run", do="add --resume to go on with it, or --overwrite to start anew"
            )
        if steps.exists():
            raise FathomError(
                f"{steps} holds models of an earlier run", do="choose another output, or add --overwrite to remove them"
            )
    with machine_errors(output):
        for earlier in () if resume else (partial, steps):
            if earlier.exists():
                shutil.rmtree(earlier)
        partial.mkdir(parents=True, exist_ok=True)
    _require_same_settings(partial / "settings.json", _decisive(settings))
    return partial


def _decisive(settings: BaseModel) -> dict[str, Any]:
    """The settings on which a run's numbers depend."""
    return settings.model_dump(mode="json", exclude={"training": {*KEEPING, "sharding"}})


def _require_same_settings(path: Path, now: dict[str, Any]) -> None:
    """Notes a run's settings when it begins, and compares them when it goes on."""
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # damaged: then the checkpoints still tell, by their fingerprint
        write_text_atomically(path, to_json(now))
        return
    if changed := _differences(before, now):
        raise SettingsError(
            f"{path.parent} belongs to another run: {', '.join(changed)}",
            expected="the command that started it, plus --resume",
            do="repeat that command, or start anew: --overwrite in place of --resume",
        )


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Which settings differ, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = before | now
        return [
            line for key in names for line in _differences(before.get(key), now.get(key), f"{name}.{key}".removeprefix("."))
        ]
    return [f"{name} was {before!r} and is {now!r}"] if before != now else []


def has_checkpoint(partial: Path) -> bool:
    """Whether the training of a run has got as far as a checkpoint; otherwise it begins at its beginning."""
    return any((partial / "checkpoints").glob("step-*"))


def step_folder(output: Path, result: TrainingResult) -> Path:
    """Where the model as it is now is kept: the settings' `keep_every`."""
    return output.with_name(output.name + STEPS) / f"step-{result.steps:08d}"


def measured_now(result: TrainingResult) -> dict[str, float] | None:
    """The last evaluation, if it is of the model as it is now."""
    return next((scores for scores in result.evaluations if scores["step"] == result.steps), None)


@contextmanager
def removed_if_unusable(partial: Path, *, resume: bool) -> Iterator[None]:
    """Removes what a new run has begun if its data, model or settings are unusable: there is nothing to go on with."""
    try:
        yield
    except FathomError as error:
        if not resume and error.exit_code == FathomError.exit_code:
            shutil.rmtree(partial, ignore_errors=True)
        raise


def run_vocabulary(
    settings: VocabularySettings, texts: Iterable[str], learned: Path, *, markup: bool
) -> tuple[Tokenizer, dict[str, str], str]:
    """The vocabulary of a model from scratch: learned once, and read again by a resumed run.

    Returns:
        The tokenizer, its hash as a parent of the model, and a sentence about it.
    """
    if not learned.is_dir():
        tokenizer = learn_vocabulary(settings, texts)
        with write_folder(learned) as folder:
            (tokenizer if markup else tokenizer.without_markup()).save(folder)
    verify_folder(learned)
    tokenizer = Tokenizer.load(learned)
    origin = f"kind {settings.kind}" if settings.folder is None else f"from {settings.folder}"
    parents = {"vocabulary": sha256_of_file(learned / TOKENIZER)}
    return tokenizer, parents, f"a vocabulary of {tokenizer.vocab_size:,} entries, {origin}"


def run_fingerprint(settings: BaseModel, facts: Mapping[str, Any], parents: Mapping[str, str]) -> str:
    """SHA-256 of everything that decides a run's numbers, apart from their rounding: not of processes and threads."""
    decisive = [_decisive(settings), facts, parents, torch.__version__, platform.machine()]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def run_record(
    settings: BaseModel,
    result: TrainingResult,
    *,
    seed: int,
    data: dict[str, str],
    commit: str | None,
    command: str | None,
    metrics: Mapping[str, Any],
) -> MadeBy:
    """made_by.json of a finished run.

    Args:
        data: {"train": SHA-256 of what was read, …}.
        commit: of the code that ran.
        command: None: this process's own command line.
        metrics: what was measured beside steps, tokens and speed.
    """
    return MadeBy(
        command=command or " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        version=fathom.__version__,
        commit=commit,
        seed=seed,
        data=data,
        machine=machine(),
        seconds=round(result.seconds, 1),
        settings=settings.model_dump(mode="json"),
        metrics={
            "steps": result.steps,
            "processes": result.processes,
            "tokens": result.tokens,
            "tokens_per_second": round(result.tokens / max(result.seconds, 1e-9), 1),
            **metrics,
        },
    )
