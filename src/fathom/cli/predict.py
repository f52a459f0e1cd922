"""`fathom predict`: labels for texts, from arguments, files or standard input, as they come."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fathom.cli.console import Bar, percent, say, standard_input
from fathom.cli.options import Device, Json

if TYPE_CHECKING:
    from fathom.data import Example
    from fathom.inference import Prediction


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder or hf:owner/name.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; none: one a line from standard input.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="A file with texts, a name or hf:owner/name, instead of TEXT.")] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    pair: Annotated[str | None, typer.Option(help="The column with second texts.")] = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Label texts. With --json, one JSON object a line: text, label, confidence, scores, unread.

    `unread` counts the tokens of a text that the model did not see because the text is longer than it reads.

    Example: fathom predict runs/quickstart/model "A joy from start to finish."

    Example: fathom predict runs/quickstart/model --json < reviews.txt > answers.jsonl
    """
    from fathom.data import Columns, Example, open_data
    from fathom.errors import SettingsError
    from fathom.inference import Predictor

    if texts and data is not None:
        raise SettingsError("both TEXT and --data were given", expected="one of them")
    predictor = Predictor.load(model, device=device)
    chunk = 1024
    if texts:
        examples: Iterator[Example] = (Example(given) for given in texts)
    elif data is not None:
        source = open_data(data, split=split, columns=Columns(text=text, pair=pair), labelled=False)
        examples = iter(source)
    else:
        if sys.stdin.isatty():
            say("type a text and press Enter; Ctrl-D ends")
            chunk = 1
        examples = (Example(line) for line in standard_input())
    with Bar("answering", total=None, unit="texts", quiet=json or sys.stdout.isatty()) as bar:
        for prediction in predictor.stream(examples, chunk=chunk):
            print(_as_json(prediction) if json else _as_text(prediction), flush=chunk == 1)
            bar.advance(1)


def _as_json(prediction: Prediction) -> str:
    found = {
        "text": prediction.text,
        "label": prediction.label,
        "confidence": round(prediction.confidence, 6),
        "scores": {label: round(score, 6) for label, score in prediction.scores.items()},
        "unread": prediction.unread,
    }
    return json_module.dumps(found, ensure_ascii=False)


def _as_text(prediction: Prediction) -> str:
    left_out = f"  [{prediction.unread:,} tokens not read]" if prediction.unread else ""
    text = " ".join(prediction.text.split())
    shown = text if len(text) <= 100 else text[:99] + "…"
    return f"{prediction.label}  {percent(prediction.confidence)}  {shown}{left_out}"
