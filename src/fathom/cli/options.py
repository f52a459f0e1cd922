"""Options that mean the same for every verb; a verb writes `json: Json = False` and is done."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, all else on standard error.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides everything random; the same seed gives the same result.")]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Where the model runs: cpu, cuda, cuda:1, mps. [default: a GPU when there is one]"),
]


class Precision(StrEnum):
    """As `fathom.model.precision.Precision` names them."""

    FLOAT32 = "float32"
    AUTO = "auto"
    BFLOAT16 = "bfloat16"


AnswerPrecision = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="auto: bfloat16 where this machine is fast in it, several times as fast; probabilities then differ in the third "
        "decimal.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output folder that fathom wrote earlier.")]
