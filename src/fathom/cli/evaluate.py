"""`fathom evaluate`: how right a classifier is on labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fathom.cli.console import Bar, emit, percent, percent_with_interval, say, table
from fathom.cli.options import Device, Json

if TYPE_CHECKING:
    from fathom.limits.statistics import PairedTest
    from fathom.pipeline.evaluate import Evaluation, Score


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder or hf:owner/name.")],
    data: Annotated[str, typer.Option(help="A name, a path or hf:owner/name, with labels.")],
    split: Annotated[str | None, typer.Option(help="Which part of the data. [default: test, where there is one]")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the labels. [default: found]")] = None,
    pair: Annotated[str | None, typer.Option(help="The column with second texts.")] = None,
    exclude: Annotated[str | None, typer.Option(help="A yes/no column; rows that say yes are left out.")] = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="Also fit a bag of words on the same training data.")] = False,
    record: Annotated[Path | None, typer.Option(help="Write everything that was measured to this JSON file.")] = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Measure a classifier: accuracy with its 95 % interval, calibration, and how many of the texts it was trained on.

    Example: fathom evaluate runs/imdb-minilm --data imdb --baseline
    """
    from fathom.checkpoint import to_json
    from fathom.data import Columns
    from fathom.folders import write_text_atomically
    from fathom.pipeline.evaluate import evaluate_folder

    bar: Bar | None = None

    def on_phase(phase: str) -> None:
        if not json:
            say(phase)

    def on_batch(rows: int) -> None:
        nonlocal bar
        bar = bar or Bar("answering", total=None, unit="texts", quiet=json).__enter__()
        bar.advance(rows)

    try:
        evaluation, _, found = evaluate_folder(
            model,
            data,
            split=split,
            columns=Columns(text=text, label=label, pair=pair, exclude=exclude),
            with_baseline=baseline,
            device=device,
            on_phase=on_phase,
            on_batch=on_batch,
        )
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)
    if record is not None:
        write_text_atomically(record, to_json(found))
    emit(found, json=json, text=_text(evaluation))


def _text(found: Evaluation) -> str:
    lines = [f"right: {percent_with_interval(found.score.accuracy, found.score.interval, 2)}, n = {found.score.n:,}"]
    if found.seen == found.score.n:
        lines.append("all of the texts were in its training data: this is a figure of memory")
    elif found.seen:
        clean = percent_with_interval(found.without_seen.accuracy, found.without_seen.interval, 2)
        lines.append(f"{found.seen:,} of the texts were in its training data; without them: {clean}")
    if found.duplicates:
        lines.append(f"{found.duplicates:,} {'text repeats' if found.duplicates == 1 else 'texts repeat'} another one")
    if found.baseline is not None:
        beside = found.baseline
        lines += _beside(beside.units, "", beside.score, beside.paired)
        if 0 < found.seen < found.score.n:
            lines += _beside(beside.units, " without them", beside.without_seen, beside.paired_without_seen)
    floor, high = found.calibration_floor
    lines.append(
        f"calibration error: {found.calibration_error:.4f} (a perfectly calibrated model reads {floor:.4f}, at most {high:.4f})"
    )
    if found.truncated_share:
        lines.append(f"{percent(found.truncated_share)} of the texts are longer than the model reads")
    rows = [
        [name, percent(scores.precision), percent(scores.recall), percent(scores.f1), f"{scores.n:,}"]
        for name, scores in found.by_label.items()
    ]
    lines += ["", table(rows, ["label", "precision", "recall", "F1", "texts"]), ""]
    lengths = [
        [f"{part.shortest:,} to {part.longest:,}", percent_with_interval(part.accuracy, part.interval), f"{part.n:,}"]
        for part in found.by_length
    ]
    lines.append(table(lengths, ["tokens", "right", "texts"]))
    return "\n".join(lines)


def _beside(units: str, where: str, score: Score, paired: PairedTest) -> list[str]:
    low, high = paired.interval
    return [
        f"bag of {units}{where}: {percent_with_interval(score.accuracy, score.interval, 2)}",
        f"difference{where}: {100 * paired.difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f}), "
        f"exact McNemar p = {paired.p_value:.2g}",
    ]
