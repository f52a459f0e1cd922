"""`fathom data`: what is known by name, and what a data set holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.cli.console import emit, percent, say, table
from fathom.cli.options import Json

if TYPE_CHECKING:
    from fathom.data.description import DataDescription
    from fathom.data.splits import Overlap


def data(
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="A name, a path or hf:owner/name.")] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data. [default: the first]")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the labels. [default: found]")] = None,
    pair: Annotated[str | None, typer.Option(help="The column with second texts.")] = None,
    group: Annotated[str | None, typer.Option(help="Rows of one group never stand in two parts.")] = None,
    exclude: Annotated[str | None, typer.Option(help="A yes/no column; rows that say yes are left out.")] = None,
    against: Annotated[str | None, typer.Option(help="A test set: which of its texts stand in DATA, too?")] = None,
    against_split: Annotated[str | None, typer.Option(help="Which part of the test set. [default: test]")] = None,
    json: Json = False,
) -> None:
    """List the data sets known by name; with DATA, tell what it holds: rows, labels, lengths, texts that repeat.

    Example: fathom data reviews.csv --text review --label stars

    Example: fathom data imdb --against imdb
    """
    from dataclasses import asdict

    from fathom.data import Columns, entries, open_data, overlap, splits_of
    from fathom.data.description import describe_data

    if data is None:
        listed = [asdict(entry) for entry in entries()]
        emit({"data": listed}, json=json, text=_list(listed))
        return
    source = open_data(data, split=split, columns=Columns(text, label, pair, group, exclude))
    found = describe_data(source)
    facts = {"data": data, "split": split, "columns": asdict(source.columns), **found.to_dict()}
    shared: Overlap | None = None
    if against is not None:
        say(f"looking for texts of {against} in {data}")
        part = against_split or ("test" if "test" in splits_of(against) else None)
        shared = overlap(source, open_data(against, split=part, columns=Columns(text, label, pair)))
        facts["overlap"] = {"against": against, "split": part, **asdict(shared)}
    emit(facts, json=json, text=_text(facts, found, shared))


def _list(listed: list[dict[str, Any]]) -> str:
    blocks = []
    for entry in listed:
        rows = [(f"  {key}", str(entry[key])) for key in ("what", "rows", "source", "licence", "cost")]
        rows += [("  splits", ", ".join(entry["splits"])), ("  to get it", entry["how_to_get"])]
        blocks.append(f"{entry['name']}\n{table(rows)}")
    blocks.append(
        "Data can also be a path (csv, tsv, jsonl, parquet, txt, a folder) or hf:owner/name: "
        "`fathom data DATA` tells what it holds."
    )
    return "\n\n".join(blocks)


def _text(facts: dict[str, Any], found: DataDescription, shared: Overlap | None) -> str:
    columns = ", ".join(f"{role} {name!r}" for role, name in facts["columns"].items() if name is not None)
    lengths = ", ".join(f"{name} {count:,}" for name, count in found.characters.items())
    rows = [["rows", f"{found.rows:,}"], ["columns", columns], ["characters", lengths]]
    if found.groups is not None:
        rows.append(["groups", f"{found.groups:,}"])
    repeats = f"{found.duplicates:,} repeat an earlier text"
    rows.append(["repeats", repeats + (f", {found.contradictions:,} with another label" if found.contradictions else "")])
    if found.blank:
        rows.append(["blank", f"{found.blank:,} texts are empty"])
    rows.append(["SHA-256", found.sha256])
    blocks = [f"{facts['data']}\n{table(rows)}"]
    if found.labels:
        most = list(found.labels.items())[:20]
        labels = [[name, f"{count:,}", percent(count / found.rows)] for name, count in most]
        if len(found.labels) > len(most):
            labels.append([f"and {len(found.labels) - len(most):,} more", "", ""])
        if found.unlabelled:
            labels.append(["(none)", f"{found.unlabelled:,}", percent(found.unlabelled / found.rows)])
        blocks.append(table(labels, ["label", "rows", "share"]))
    blocks.append(table([[row["label"] or "", " ".join((row["text"] or "").split())[:100]] for row in found.first]))
    if shared is not None:
        count, share = len(shared.shared), percent(len(shared.shared) / max(shared.test_rows, 1), 2)
        tested = facts["overlap"]["against"] + (f" ({facts['overlap']['split']})" if facts["overlap"]["split"] else "")
        blocks.append(
            f"{count:,} of the {shared.test_rows:,} texts of {tested}, {share}, also stand in the {found.rows:,} rows above, "
            f"{shared.contradictions:,} of them with another label: a figure measured on these is a figure of memory"
            if count
            else f"none of the {shared.test_rows:,} texts of {tested} stands in the {found.rows:,} rows above"
        )
    return "\n\n".join(blocks)
