"""Where four classifiers fail, measured by `fathom limits` and recorded side by side.

python benchmarks/audits.py                        all four
python benchmarks/audits.py bag-of-words           one of them

quickstart           MiniLM, fine-tuned by `fathom quickstart`, on verdicts on films
imdb-minilm          MiniLM, fine-tuned by recipes/imdb-minilm.yaml
imdb-from-scratch    a Transformer from random weights, by recipes/imdb-from-scratch.yaml
bag-of-words         scikit-learn, through the door for Python functions (bag_of_words.py)

FATHOM_DATA names the folder with the data. Each writes benchmarks/results/audit-NAME.json: every figure, and no text. The pages
to read stay in runs/audits/NAME. A command that was stopped goes on when it is given again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from bag_of_words import LABELS
from steps import RESULTS, run, say

from fathom.checkpoint import to_json
from fathom.checkpoint.about import ABOUT
from fathom.errors import ModelFolderError, SettingsError
from fathom.folders import write_text_atomically
from fathom.limits.record import Limits
from fathom.pipeline.limits import audit

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Audited:
    """One of the four."""

    predictor: str
    data: str  # of which the training part is also named
    make: str | None = None  # the command that writes its folder; None: there is nothing to make
    labels: tuple[str, ...] | None = None


@app.command()
def audits(
    names: Annotated[list[str] | None, typer.Argument(help="none: all")] = None,
    quickstart: Annotated[Path, typer.Option(help="what `fathom quickstart` wrote")] = Path("runs/quickstart/model"),
    imdb_minilm: Annotated[Path, typer.Option()] = Path("runs/imdb-minilm"),
    imdb_from_scratch: Annotated[Path, typer.Option()] = Path("runs/imdb-from-scratch"),
    folder: Annotated[Path, typer.Option(help="where pages and whole records stay")] = Path("runs/audits"),
    results: Annotated[Path, typer.Option(help="where the figures are written")] = RESULTS,
    quick: Annotated[bool, typer.Option("--quick", help="fewer texts; not for the record")] = False,
) -> None:
    """Audits each, and writes its figures."""
    tune = "fathom finetune --recipe recipes/{0}.yaml --output runs/{0}"
    known = {
        "quickstart": Audited(str(quickstart), "rotten-tomatoes", "fathom quickstart"),
        "imdb-minilm": Audited(str(imdb_minilm), "imdb", tune.format("imdb-minilm")),
        "imdb-from-scratch": Audited(str(imdb_from_scratch), "imdb", tune.format("imdb-from-scratch")),
        "bag-of-words": Audited("python:bag_of_words:answers", "imdb", labels=LABELS),
    }
    if unknown := [name for name in names or () if name not in known]:
        raise SettingsError(f"there is no {unknown[0]!r}", expected=f"some of {', '.join(known)}")
    chosen = {name: known[name] for name in names or known}
    for audited in chosen.values():  # said before hours are spent on the first
        if audited.make is not None and not (Path(audited.predictor) / ABOUT).is_file():
            raise ModelFolderError(
                f"there is no model at {audited.predictor}",
                expected="a folder that fathom wrote",
                do=f"make one: {audited.make}",
            )
    for name, audited in chosen.items():
        say(f"— {name}")
        limits = audit(
            audited.predictor,
            audited.data,
            train=audited.data,
            labels=audited.labels,
            output=folder / name,
            command=f"python benchmarks/audits.py {name}",
            quick=quick,
            on_message=say,
        )
        write_text_atomically(results / f"audit-{name}.json", to_json(figures_of(limits)))
        say(f"{results / f'audit-{name}.json'}; to read: {folder / name / 'limits.html'}")


def figures_of(limits: Limits) -> dict[str, Any]:
    """What a record says without what was read: no text, no curve, no answer."""
    held = limits.model_dump(mode="json", include={"version", "predictor", "data", "policy", "sampled", "cost", "making"})
    kept = {"name", "status", "value", "interval", "n", "floor", "unit", "better", "reason"}
    measures = [measure.model_dump(mode="json", include=kept) for measure in limits.measures]
    return {**held, "measures": [{key: value for key, value in row.items() if value is not None} for row in measures]}


if __name__ == "__main__":
    sys.exit(run(app))
