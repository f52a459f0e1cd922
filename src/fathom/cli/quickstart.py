"""`fathom quickstart`: the whole way on real reviews."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fathom.cli.console import duration, emit, percent, percent_with_interval, table
from fathom.cli.options import Device, Json, Seed

if TYPE_CHECKING:
    from fathom.limits.comparison import Comparison, Rate


def quickstart(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the model and its report; an earlier run's is replaced.")
    ] = Path("runs/quickstart"),
    record: Annotated[Path | None, typer.Option(help="Also write everything that was measured to this JSON file.")] = None,
    seed: Seed = 0,
    device: Device = None,
    json: Json = False,
) -> None:
    """The whole way on a small real data set, offline: a bag of words and a fine-tuned MiniLM on verdicts on films, both
    measured on films that neither has seen, a model that answers, and a report. Takes some minutes.

    Example: fathom quickstart
    """
    import shlex

    from fathom.checkpoint import to_json
    from fathom.cli.progress import TrainingProgress
    from fathom.folders import write_text_atomically
    from fathom.pipeline.quickstart import quickstart as run

    command = ["fathom", "quickstart", "--seed", str(seed), "--output", shlex.quote(str(output))]
    with TrainingProgress(quiet=json) as progress:
        found = run(output, seed=seed, device=device, command=" ".join(command), listener=progress)
    if record is not None:
        write_text_atomically(record, to_json(found.comparison))
    result = {
        "model": str(found.model),
        "report": str(found.report),
        "test": _rate(found.comparison.model.accuracy),
        "baseline": _rate(found.comparison.baseline.accuracy),
        "seconds": found.comparison.making.seconds,
    }
    emit(result, json=json, text=_text(found.comparison, found.report))


def _rate(rate: Rate) -> dict[str, object]:
    return {"accuracy": rate.value, "interval": list(rate.interval), "n": rate.n}


def _text(found: Comparison, report: Path) -> str:
    rows = [
        [side.name, percent_with_interval(side.accuracy.value, side.accuracy.interval)]
        for side in (found.model, found.baseline)
    ]
    difference = found.difference
    low, high = difference.interval
    answers = [[label, percent(confidence), text] for text, label, confidence in found.answers]
    return "\n".join(
        [
            "",
            f"right on {found.n:,} {found.texts}, none of which either has seen (95 % intervals)",
            table(rows),
            f"difference: {100 * difference.value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
            f"exact McNemar p = {difference.p_value:.2g}",
            "",
            table(answers),
            "",
            f"{duration(found.making.seconds)} in all; the report: {report}",
            "next:",
            table([["  " + command, f"# {what}"] for command, what in found.next_commands]),
        ]
    )
