"""An audit: a classifier and labelled texts in, `Limits` out; or a model that writes, which needs none.

open the door ─ read, set aside what was trained on ─ split ─ ask twice ─ fit the policy ─ measure, one family at a time

OUTPUT/limits.json             the record, once everything is measured
OUTPUT/limits.html             the same as a page for people
OUTPUT/limits.partial.jsonl    answers so far, while it runs; an audit that is repeated goes on from them
OUTPUT/limits.partial.json     what was measured, where it ended early
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fathom.checkpoint.about import ABOUT
from fathom.data import Columns, Example
from fathom.errors import InterruptedRunError, ModelFolderError, SettingsError
from fathom.folders import machine_errors, write_text_atomically
from fathom.limits.asked import Asked
from fathom.limits.behaviour import read_suite
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Measuring, Suite
from fathom.limits.doors import open_door
from fathom.limits.measures import CAUSAL_MEASURINGS, MEASURINGS
from fathom.limits.page import PAGE_FILE, render_limits
from fathom.limits.pairs import read_pairs
from fathom.limits.polarity import Polarity, polarity_of
from fathom.limits.record import LIMITS, Limits, read_limits, write_limits
from fathom.limits.writing.asked import AskedCausal
from fathom.limits.writing.model import CausalModel
from fathom.pipeline.audited_texts import AuditedTexts, read_beside
from fathom.pipeline.auditing import Audit, make_limits_settings
from fathom.pipeline.causal_limits import CausalRun, CausalSources
from fathom.pipeline.classifier_limits import ClassifierRun

ANSWERS = "limits.partial.jsonl"
PARTIAL = "limits.partial.json"


def audit(
    predictor: Any,
    data: str | Sequence[Example] | None = None,
    *,
    output: str | Path | None = None,
    split: str | None = None,
    columns: Columns = Columns(),
    labels: Sequence[str] | None = None,
    train: str | Sequence[Example] | None = None,
    train_split: str | None = None,
    near: str | Sequence[Example] | None = None,
    near_split: str | None = None,
    far: str | Sequence[Example] | None = None,
    far_split: str | None = None,
    compare_data: str | Sequence[Example] | None = None,
    compare_split: str | None = None,
    suite: str | Path | None = None,
    pairs: str | Path | None = None,
    device: str | None = None,
    command: str | None = None,
    on_message: Callable[[str], None] = lambda text: None,
    on_answers: Callable[[int, int], None] = lambda more, total: None,
    **settings: Any,
) -> Limits:
    """Measures where a classifier fails, or a causal model.

    Args:
        predictor: a `fathom.Predictor`, an object with `predict_proba`, a function from a list of texts to an array of
            probabilities, a `CausalModel`; or a name: a folder, hf:owner/name, python:package.module:attribute,
            http://host/v2/models/NAME, openai:http://host/v1#MODEL.
        data: DATA with labels, or examples. Copies of a text, and texts of a group, are in the same split. A causal model is
            asked questions of our own; for it, data are a file of questions with choices (limits/writing/questions.py), or
            texts that it has surely not read.
        output: a folder for limits.json and limits.html; an interrupted audit with the same folder goes on. None: nothing
            is written.
        split: of DATA; None: "test" where a named data set has one.
        labels: by column of its answers, where the predictor does not say.
        train: labelled texts for a bag of words to compare with, without those that are also in DATA's splits; also where
            words that give labels away, and texts of DATA that are known already, are looked for. Of a causal model: texts
            that it may have memorised.
        train_split: of it.
        near: texts of a kind near to DATA's that the classifier is not for, with or without labels.
        near_split: of them.
        far: the same of a far kind.
        far_split: of them.
        compare_data: texts of another time or place, to be compared with DATA's.
        compare_split: of them.
        suite: a file of behaviour tests, as jsonl or as CheckList saved it.
        pairs: a file of texts and what was made of them by changing as little as possible.
        device: for models that run here.
        command: what the record says was run; None: this process's own command line.
        on_message: told what happens.
        on_answers: told how many more texts are answered, and how many there will be, about.
        settings: fields of `LimitsSettings`: quick, only, budget, target, confidence, alpha, seed, …

    Raises:
        FathomError: in its kinds: no such predictor or data, labels that do not fit, too few texts; answers that are no
            probabilities, or not the same twice; a stop; a full disk. What was measured so far is kept in `output`.
    """
    started = time.monotonic()
    chosen = make_limits_settings(**settings)
    target = None if output is None else Path(output)
    if target is not None:
        _check_output(target)
    _require_known(chosen.only, [one.name for one in MEASURINGS] + [one.name for one in CAUSAL_MEASURINGS])
    on_message("opening the model")
    opened = open_door(predictor, labels=labels, device=device)
    cache = None if target is None else target / ANSWERS
    run: ClassifierRun | CausalRun
    if isinstance(opened, CausalModel):
        given: list[tuple[str, object]] = [("near", near), ("far", far), ("compare_data", compare_data), ("suite", suite)]
        given += [("pairs", pairs), ("positive", chosen.positive), ("watts", chosen.watts)]
        if wrong := [name for name, value in given if value is not None]:
            raise SettingsError(
                f"{', '.join(wrong)} came with {opened.name}, a model that writes",
                expected="what measures such a model: data, train, only, quick, language, budget, seed",
            )
        chosen_causal = _named(chosen.only, CAUSAL_MEASURINGS)
        writes = AskedCausal(opened, cache=cache, budget=chosen.budget)
        sources = CausalSources.of(data, split, train, train_split, columns)
        run = CausalRun(opened, writes, sources, chosen, started, command)
        kept, measure = writes.kept, partial(run.measure, chosen_causal)
    else:
        measurings = _named(chosen.only, MEASURINGS)
        if data is None:
            raise SettingsError(
                f"no data was named, and {opened.name} is a classifier", expected="fathom limits MODEL --data DATA, with labels"
            )
        sides = _sides(opened.labels, chosen.positive)
        on_message("reading the data")
        parts = AuditedTexts.of(opened, data, split, columns, train, train_split, chosen)
        for name, texts, part in (
            ("near", near, near_split),
            ("far", far, far_split),
            ("compared", compare_data, compare_split),
        ):
            if texts is not None:
                parts.beside[name] = read_beside(texts, part, columns, opened.labels, chosen, parts.sampled)
        if suite is not None:
            on_message("reading the suite of tests")
            parts.suite = Suite(Path(suite).name, *read_suite(Path(suite), opened.labels, sides))
        if pairs is not None:
            parts.pairs = read_pairs(Path(pairs), opened.labels, positive=chosen.positive)
        asked = Asked(opened, cache=cache, budget=chosen.budget)
        run = ClassifierRun(opened, asked, parts, chosen, started, command)
        kept, measure = asked.kept, partial(run.measure, measurings)
    if kept:
        on_message(f"going on with an interrupted audit: {kept:,} answers are there")
    try:
        measure(on_message, on_answers)
    except BaseException as error:
        partly = _keep_partial(target, run, error)
        if partly is not None:
            on_message(f"what was measured so far is in {partly}, and the answers are kept")
        if isinstance(error, KeyboardInterrupt):
            do = (
                "repeat the command, which goes on from there"
                if target is not None
                else "give an output folder to be able to go on"
            )
            raise InterruptedRunError("stopped while measuring", do=do) from None
        raise
    limits = run.record(None)
    if target is not None:
        page = render_limits(limits)
        write_limits(target / LIMITS, limits)
        write_text_atomically(target / PAGE_FILE, page)
        for name in (ANSWERS, PARTIAL):
            (target / name).unlink(missing_ok=True)
    return limits


def default_output(spec: str) -> Path:
    """Where limits.json belongs if nothing else is said: into the model's own folder.

    Raises:
        SettingsError: not a folder that fathom wrote.
    """
    if not (Path(spec) / ABOUT).is_file():
        raise SettingsError(
            f"{spec} is no folder that fathom wrote, so limits.json has no place of its own",
            expected="a folder for it",
            do="name one: --output FOLDER",
        )
    return Path(spec)


def _keep_partial(target: Path | None, run: ClassifierRun | CausalRun, error: BaseException) -> Path | None:
    """Writes what there is; None where nothing is to be written, or nothing was measured."""
    limits = run.record("stopped by the user" if isinstance(error, KeyboardInterrupt) else str(error))
    if target is None or not limits.measures:
        return None
    write_limits(target / PARTIAL, limits)
    return target / PARTIAL


def _check_output(target: Path) -> None:
    """Said now, not after the work."""
    if target.exists() and not target.is_dir():
        raise SettingsError(f"{target} is a file", expected="a folder for limits.json", do="name another: --output FOLDER")
    with machine_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    if (target / LIMITS).exists():
        try:
            read_limits(target)
        except ModelFolderError as error:
            raise SettingsError(
                f"{target / LIMITS} is not replaced, because it is no record that this version can read",
                do="move it away, or name another folder: --output FOLDER",
            ) from error


def _require_known(only: Sequence[str], names: Sequence[str]) -> None:
    if unknown := [name for name in only if name not in names]:
        raise SettingsError(f"there is no measure {unknown[0]!r}", expected=f"one of {', '.join(names)}")


def _named(only: Sequence[str], measurings: Sequence[Measuring[Audit]]) -> list[Measuring[Audit]]:
    _require_known(only, [measuring.name for measuring in measurings])
    return [measuring for measuring in measurings if not only or measuring.name in only]


def _sides(labels: Sequence[str], positive: str | None) -> Polarity | None:
    """Raises SettingsError for a `positive` that is no label."""
    try:
        return polarity_of(labels, positive=positive)
    except NotMeasurableError:
        return None
