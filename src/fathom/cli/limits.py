"""`fathom limits`: where a classifier fails, and when it may answer; and where a model that writes does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.cli.console import Bar, duration, emit, say, table
from fathom.cli.options import Device, Json, Seed

if TYPE_CHECKING:
    from fathom.limits.record import Limits, Measure


def limits(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A folder, a name, hf:owner/name, python:package.module:attribute, http://host/v2/models/NAME or "
            "openai:http://host/v1#NAME.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A name, a path or hf:owner/name, with labels. For a model that writes: questions with choices, or texts that "
            "it has not read; not needed."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data. [default: test, where there is one]")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the labels. [default: found]")] = None,
    group: Annotated[str | None, typer.Option(help="The column with what texts belong to: films, authors.")] = None,
    exclude: Annotated[str | None, typer.Option(help="A yes/no column; rows that say yes are left out.")] = None,
    train: Annotated[
        str | None,
        typer.Option(
            help="Labelled texts for a bag of words to compare with; what is measured on is left out. For a model that writes: "
            "texts that it may have memorised."
        ),
    ] = None,
    train_split: Annotated[str | None, typer.Option(help="Which part of them. [default: train, where there is one]")] = None,
    near: Annotated[str | None, typer.Option(help="Texts of a near kind that the model is not for.")] = None,
    near_split: Annotated[str | None, typer.Option(help="Which part of them.")] = None,
    far: Annotated[str | None, typer.Option(help="Texts of a far kind that the model is not for.")] = None,
    far_split: Annotated[str | None, typer.Option(help="Which part of them.")] = None,
    compare_data: Annotated[
        str | None, typer.Option(help="Texts of another time or place: have they drifted from the data?")
    ] = None,
    compare_split: Annotated[str | None, typer.Option(help="Which part of them.")] = None,
    suite: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Behaviour tests: jsonl, or a suite that CheckList saved; no code in it runs."),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Texts and what was made of them by changing as little as possible.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(metavar="LABEL", help="The label that praises. [default: by its name]")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="The labels by column of its answers, where the model does not say.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer texts: under 90 seconds, a few minutes for a model that writes.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Measure this only; may be given again.")] = None,
    budget: Annotated[int | None, typer.Option(min=100, help="The most texts that the model is asked for.")] = None,
    target: Annotated[float, typer.Option(help="The share of right answers that the policy is to promise.")] = 0.95,
    confidence: Annotated[float, typer.Option(help="With which confidence it promises them.")] = 0.95,
    watts: Annotated[
        float | None, typer.Option(help="What the machine draws under load, to estimate the energy of an answer from.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="en|zh", help="Of the texts and of the page. [default: that of the texts]")
    ] = None,
    no_examples: Annotated[
        bool, typer.Option("--no-examples", help="Leave texts out of limits.json and limits.html, which travel with the model.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The folder for limits.json and limits.html. [default: the model's, if fathom wrote it]"
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="OLD NEW", help="Two records or folders: what got better or worse; exits with 3 if anything got worse."
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    json: Json = False,
) -> None:
    """Measure where a classifier fails, and write limits.json: what it can be trusted with, and the policy by which
    `fathom predict --policy` answers, warns or abstains; and limits.html, the same to read, with the texts that it failed on.
    Half of the texts fit the policy, the other half is reported on.

    A model that writes is asked questions of our own: about real and invented things, with choices, several times, and in long
    texts; with --train, whether it gives those texts away. It needs no --data and gets no policy.

    A model that was stopped while it was measured is measured on from there by the same command.

    Example: fathom limits runs/quickstart/model --data rotten-tomatoes --train rotten-tomatoes

    Example: fathom limits python:mine:pipeline --data reviews.csv --output audits/mine

    Example: fathom limits smollm2 --quick --output audits/smollm2

    Example: fathom limits openai:http://localhost:8000/v1#my-model --output audits/served

    Example: fathom limits --compare audits/yesterday audits/today
    """
    from fathom.data import Columns
    from fathom.errors import SettingsError
    from fathom.limits.page import PAGE_FILE
    from fathom.limits.record import LIMITS
    from fathom.pipeline.limits import audit, default_output

    if compare is not None:
        if model is not None or data is not None:
            raise SettingsError("--compare came with something to measure", expected="two records and nothing else")
        _compare(*compare, only=only or [], json=json)
        return
    if model is None:
        raise SettingsError(
            "no MODEL was named", expected="fathom limits MODEL --data DATA, or fathom limits --compare OLD NEW"
        )
    folder = output or default_output(model)
    bar: Bar | None = None
    done = 0

    def on_answers(more: int, total: int) -> None:
        nonlocal bar, done
        bar = bar or Bar("measuring", total=total, unit="texts", quiet=json).__enter__()
        done += more
        bar.advance(more, total=max(total, done))

    try:
        found = audit(
            model,
            data,
            output=folder,
            split=split,
            columns=Columns(text=text, label=label, group=group, exclude=exclude),
            labels=None if labels is None else [part.strip() for part in labels.split(",")],
            train=train,
            train_split=train_split,
            near=near,
            near_split=near_split,
            far=far,
            far_split=far_split,
            compare_data=compare_data,
            compare_split=compare_split,
            suite=suite,
            pairs=pairs,
            positive=positive,
            device=device,
            on_message=say,
            on_answers=on_answers,
            quick=quick,
            only=only or [],
            budget=budget,
            target=target,
            confidence=confidence,
            watts=watts,
            language=language,
            examples=not no_examples,
            seed=seed,
        )
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)
    result: dict[str, Any] = {
        "limits": str(folder / LIMITS),
        "page": str(folder / PAGE_FILE),
        **found.model_dump(mode="json"),
    }
    emit(result, json=json, text=_text(found, folder / LIMITS, folder / PAGE_FILE))


def _compare(old: Path, new: Path, *, only: list[str], json: bool) -> None:
    """Says what changed, and refuses what got worse."""
    from dataclasses import asdict

    from fathom.errors import RefusedByGateError
    from fathom.limits.record import read_limits
    from fathom.limits.regression import compare_records

    found = compare_records(read_limits(old), read_limits(new), only=only)
    rows = [
        [
            change.verdict,
            change.title,
            *(_number(value, change.unit) for value in (change.old, change.new)),
            " to ".join(_number(end, change.unit) for end in change.interval),
            f"{change.p_value:.2g}",
            "yes" if change.paired else "no",
        ]
        for change in found.changes
    ]
    shown = table(rows, ["", "", "old", "new", "difference, 95 %", "p (Holm)", "paired"])
    result = {"old": str(old), "new": str(new), **asdict(found), "regression": bool(found.worse)}
    emit(result, json=json, text="\n".join([shown, *found.notes]))
    if found.worse:
        worse = ", ".join(change.title for change in found.worse)
        raise RefusedByGateError(f"{new} is worse than {old}: {worse}", expected="nothing worse beyond chance")


def _text(found: Limits, path: Path, page: Path) -> str:
    from fathom.limits.policy import Threshold

    rows = [_row(measure) for measure in found.measures if measure.value is not None]
    lines = ["", table(rows, ["", "value", "95 % interval", "n", "chance gives"])]
    lines += [
        f"careful: {measure.title}: {measure.reason}"
        for measure in found.measures
        if measure.status == "measured" and measure.reason
    ]
    for status in ("contaminated", "not measurable", "skipped for budget"):
        for measure in found.measures:
            if measure.status == status:
                lines.append(f"{status}: {measure.title}: {measure.reason}")
    if found.policy is not None:
        threshold = found.policy.threshold
        if isinstance(threshold, Threshold):
            lines += ["", f"it answers where its confidence is at least {threshold.value:.4f}: {threshold.guarantee}"]
        else:
            needed = "" if threshold.labels_needed is None else f"; about {threshold.labels_needed:,} labels would do"
            lines += ["", f"nothing can be promised: {threshold.reason}{needed}"]
        lines.append(f"sets of labels: {found.policy.conformal.guarantee}")
    lines += [f"sampled: {note}" for note in found.sampled]
    what = "written or scored" if found.predictor.task == "causal" else "asked"
    asked = f"{found.cost.calls:,} texts {what}, {duration(found.cost.seconds)}"
    return "\n".join([*lines, "", f"{asked}; the record: {path}", f"to read: {page}"])


def _row(measure: Measure) -> list[str]:
    interval = "" if measure.interval is None else " to ".join(_number(end, measure.unit) for end in measure.interval)
    floor = "" if measure.floor is None else f"{_number(measure.floor.value, measure.unit)}  {measure.floor.what}"
    assert measure.value is not None
    return [measure.title, _number(measure.value, measure.unit), interval, f"{measure.n:,}", floor]


def _number(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit in ("FLOPs", "bytes"):
        return f"{value:.4g}" if unit == "FLOPs" else f"{value / 2**20:,.0f} MiB"
    if unit in ("words", "characters"):
        return f"{value:,.0f} {unit}"
    return f"{value:+.1f}" if unit == "points" else f"{value:.4f}"
