"""Options that mean the same for every verb; a verb writes `json: Json = False` and is done."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, all else on standard error.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides everything random; the same seed gives the same result.")]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Where the model runs: cpu, cuda, cuda:1, mps. [default: a GPU when there is one]"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output folder that fathom wrote earlier.")]
