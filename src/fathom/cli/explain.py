"""`fathom explain`: which words carried an answer, in colours or with signs, and how far that can be believed."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fathom.cli.console import Bar, percent, say, standard_input, starting
from fathom.cli.options import Device, Json

if TYPE_CHECKING:
    from fathom.data import Example
    from fathom.inference import Explanation

SHOWN = 0.1  # of the largest score; weaker words carry no number where there are no colours


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A classifier: a folder or hf:owner/name.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; none: one a line from standard input.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="A file with texts, a name or hf:owner/name, instead of TEXT.")] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    method: Annotated[
        Literal["integrated-gradients", "occlusion", "rollout"],
        typer.Option(help="Gradients summed up on the way from no words; leaving out one word at a time; attention."),
    ] = "integrated-gradients",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page for the browser.")] = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Show which words carried the answer of a classifier. With --json, one JSON object a line.

    A number above 0 speaks for the answer, one below 0 against it. Under each text stands whether the words that come first
    matter more to the answer than random words do; if not, the explanation says nothing.

    Example: fathom explain runs/quickstart/model "A joy from start to finish."

    Example: fathom explain runs/quickstart/model --html why.html < reviews.txt
    """
    from dataclasses import asdict

    with starting():
        import fathom
        from fathom.folders import write_text_atomically
        from fathom.inference import Predictor
        from fathom.limits.explanation import WHAT, render_explanations

    examples = _examples(texts, data, split, text)
    with starting():
        predictor = Predictor.load(model, device=device)
    explainer = predictor.explainer
    if not json:
        say(WHAT[method])
    found: list[Explanation] = []
    with Bar("explaining", total=None, unit="texts", quiet=json) as bar:
        for example in examples:
            explanation = explainer.explain([example], method)[0]
            if json:
                print(json_module.dumps(asdict(explanation), ensure_ascii=False, allow_nan=False), flush=True)
            else:
                _show(explanation)
            if html is not None:
                found.append(explanation)
            bar.advance(1)
    if html is not None and found:
        page = render_explanations(found, model=Path(model).resolve().name, version=fathom.__version__)
        write_text_atomically(html, page)
        say(f"the page: {html}")


def _examples(texts: list[str] | None, data: str | None, split: str | None, column: str | None) -> Iterator[str]:
    """The texts, as they come."""
    from fathom.data import Columns, open_data
    from fathom.errors import DataError, SettingsError

    if texts and data is not None:
        raise SettingsError("both TEXT and --data were given", expected="one of them")
    if texts:
        return iter(texts)
    if data is None:
        return standard_input()
    source = open_data(data, split=split, columns=Columns(text=column), labelled=False)

    def single(example: Example) -> str:
        if example.pair is not None:
            raise DataError(
                f"{data} holds pairs of texts, which explain does not read",
                expected="single texts",
                do="give the texts of one column alone, such as one a line on standard input",
            )
        return example.text

    return (single(example) for example in source)


def _show(explanation: Explanation) -> None:
    """The text in colours on a terminal that has them; elsewhere with its numbers in it."""
    from rich.console import Console
    from rich.text import Text

    from fathom.limits.explanation import belief, pieces, strongest

    console = Console(highlight=False)
    print(f"{explanation.label}  {percent(explanation.confidence)}")
    if console.is_terminal and console.color_system is not None:
        shown = Text()
        for piece in pieces(explanation):
            shown.append(piece.text, style=_style(piece.score, piece.strength) if piece.read else "dim strike")
        console.print(shown)
        print("  ".join(f"{score:+.2f} {word}" for word, score in strongest(explanation)))
    else:
        print(_signed(explanation))
    print("\n".join(f"  {sentence}" for sentence in belief(explanation)), flush=True)


def _style(score: float | None, strength: float) -> str:
    """Black on green or red, the paler the weaker; legible on dark and on light terminals."""
    if score is None or strength < SHOWN / 2:
        return ""
    pale = round(225 * (1 - strength))
    return f"black on rgb({pale},{max(200, pale)},{pale})" if score > 0 else f"black on rgb(235,{pale + 30},{pale + 20})"


def _signed(explanation: Explanation) -> str:
    from fathom.limits.explanation import pieces

    shown: list[str] = []
    for piece in pieces(explanation):
        if not piece.read:
            if not shown or shown[-1] != "[…]":
                shown.append("[…]")
        elif piece.score is not None and piece.strength >= SHOWN:
            shown.append(f"{piece.text}[{piece.score:+.2f}]")
        else:
            shown.append(piece.text)
    return " ".join("".join(shown).split())
