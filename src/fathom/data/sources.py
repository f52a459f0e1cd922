"""Where examples come from: a file, a folder, or rows made elsewhere. A source streams and can be iterated again."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fathom.data.examples import Columns, Example
from fathom.data.tables import ENDINGS, Row, open_table
from fathom.errors import DataError

_TEXT = ("text", "sentence", "review", "content", "text_a", "sentence1", "premise", "document", "comment", "body", "message")
_LABEL = ("label", "labels", "sentiment", "category", "class", "target")
_PAIR = {"text_a": "text_b", "sentence1": "sentence2", "premise": "hypothesis"}
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0", "", "none"})


@dataclass(frozen=True)
class Source:
    """Examples that can be read any number of times, one at a time."""

    description: str
    columns: Columns  # which columns were found
    examples: Callable[[], Iterator[Example]]

    def __iter__(self) -> Iterator[Example]:
        return self.examples()


def open_path(path: Path, *, columns: Columns, labelled: bool | None, split: str | None) -> Source:
    """A file, a folder with one file a split (train.csv, test.csv, …), or a folder in the layout of aclImdb.

    Args:
        labelled: True: a label is required; False: labels are not read; None: read where there are any.
        split: which file or sub-folder of a folder; None: "train".

    Raises:
        DataError: nothing there that can be read; the message says what is there.
    """
    try:
        exists = path.exists()
    except OSError:  # a name that is too long to be one
        exists = False
    if not exists:
        near = difflib.get_close_matches(path.name, _names(path.parent), n=3)
        raise DataError(
            f"no file or folder at {path}",
            expected="a csv, tsv, jsonl, parquet or txt file, a folder, a name that `fathom data` lists, or hf:owner/name",
            do=f"did you mean {', '.join(near)}?" if near else "check the path",
        )
    if path.is_file():
        return open_file(path, columns=columns, labelled=labelled)
    wanted = split or "train"
    places = (path / ("train" if wanted == "unsup" else wanted), path)  # aclImdb has unsup within train
    acl = next((folder for folder in places if (folder / "pos").is_dir() or (folder / "unsup").is_dir()), None)
    if acl is not None:
        return _open_acl(acl, labelled=labelled, unlabelled=wanted == "unsup")
    files = [file for file in sorted(path.iterdir()) if re.fullmatch(rf"{re.escape(wanted)}\.\w+(\.gz|\.bz2)?", file.name)]
    files = [file for file in files if any(ending in file.suffixes for ending in ENDINGS)]
    if len(files) != 1:
        held = ", ".join(_names(path)[:8]) or "nothing"
        raise DataError(
            f"{path} is a folder with {len(files)} files for the split {wanted!r}; it holds {held}",
            expected="one file named after the split (train.csv, …), or sub-folders pos and neg",
            do="name a file",
        )
    return open_file(files[0], columns=columns, labelled=labelled)


def open_file(path: Path, *, columns: Columns = Columns(), labelled: bool | None = None) -> Source:
    """One file. Arguments and errors as for `open_path`."""
    table = open_table(path)
    found = _find_columns(path, table.names, columns, labelled)
    return Source(str(path), found, lambda: _examples(table.read, found, str(path), labelled))


def open_rows(
    description: str,
    names: list[str],
    rows: Callable[[], Iterator[Mapping[str, object]]],
    columns: Columns,
    *,
    labelled: bool | None,
) -> Source:
    """Rows made elsewhere (a hub's data set), as {column: value}."""
    found = _find_columns(description, names, columns, labelled)

    def read(wanted: Sequence[str]) -> Iterator[Row]:
        return (tuple(row.get(name) for name in wanted) for row in rows())

    return Source(description, found, lambda: _examples(read, found, description, labelled))


def _find_columns(source: Path | str, names: list[str], wanted: Columns, labelled: bool | None) -> Columns:
    for role in ("text", "label", "pair", "group", "exclude"):
        name = getattr(wanted, role)
        if name is not None and name not in names:
            raise DataError(
                f"{source} has no column {name!r}; it has {_listed(names)}",
                expected=f"the {role} column",
                do=f"--{role} COLUMN",
            )
    by_name = {name.strip().casefold(): name for name in reversed(names)}
    taken = {name for name in (wanted.label, wanted.pair, wanted.group, wanted.exclude) if name is not None}
    text = wanted.text or next((by_name[name] for name in _TEXT if name in by_name and by_name[name] not in taken), None)
    if text is None and len(names) == 1:
        text = names[0]
    if text is None:
        raise DataError(
            f"{source} has no text column under a usual name; it has {_listed(names)}",
            expected=f"a column named {', '.join(_TEXT)}",
            do="name it: --text COLUMN",
        )
    label = wanted.label or next((by_name[name] for name in _LABEL if name in by_name and by_name[name] != text), None)
    if labelled is False:
        label = None
    elif labelled and label is None:
        raise DataError(
            f"{source} has no label column under a usual name; it has {_listed(names)}",
            expected=f"a column named {', '.join(_LABEL)}",
            do="name it: --label COLUMN",
        )
    pair = wanted.pair or by_name.get(_PAIR.get(text.strip().casefold(), "\0"))
    found = replace(wanted, text=text, label=label, pair=pair)
    for role in ("text", "label", "pair", "group", "exclude"):
        name = getattr(found, role)
        if name is not None and names.count(name) > 1:
            raise DataError(
                f"{source} has {names.count(name)} columns named {name!r}",
                expected=f"one {role} column",
                do="rename the others",
            )
    return found


def _examples(
    read: Callable[[Sequence[str]], Iterator[Row]], columns: Columns, source: str, labelled: bool | None
) -> Iterator[Example]:
    assert columns.text is not None
    optional = (columns.label, columns.pair, columns.group, columns.exclude)
    wanted = list(dict.fromkeys(name for name in (columns.text, *optional) if name is not None))
    places = [None if name is None else wanted.index(name) for name in (columns.text, *optional)]
    for number, row in enumerate(read(wanted), start=1):
        text, label, pair, group, excluded = (None if place is None else row[place] for place in places)
        if columns.exclude is not None and _is_yes(excluded, columns.exclude, source, number):
            continue
        if not isinstance(text, str):
            raise DataError(f"{source}, row {number}: the text is {text!r}", expected=f"text in column {columns.text!r}")
        name = _as_label(label)
        if columns.label is not None and name is None and labelled:
            raise DataError(
                f"{source}, row {number} has no label (column {columns.label!r})",
                expected="a label in every row",
                do="fill it in, or remove the row",
            )
        yield Example(text, name, None if pair is None else str(pair), None if group is None else str(group))


def _as_label(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = int(value) if value.is_integer() else (None if value != value else value)
    text = "" if value is None else str(value).strip()
    return text or None


def _is_yes(value: object, column: str, source: str, number: int) -> bool:
    text = str(value).strip().casefold()
    if text not in _YES | _NO:
        raise DataError(f"{source}, row {number}: column {column!r} says {value!r}", expected="yes or no (true, 1, false, 0)")
    return text in _YES


def _open_acl(folder: Path, *, labelled: bool | None, unlabelled: bool) -> Source:
    """pos/*.txt and neg/*.txt (Maas et al. 2011), or unsup/*.txt without labels."""
    kinds: dict[str, str | None] = {"unsup": None} if unlabelled else {"neg": "negative", "pos": "positive"}
    for kind in kinds:
        if not (folder / kind).is_dir():
            raise DataError(f"{folder} has no sub-folder {kind}", expected=f"the layout of aclImdb: {', '.join(kinds)}")
    if unlabelled and labelled:
        raise DataError(f"{folder}/unsup has no labels", expected="labelled texts")

    def examples() -> Iterator[Example]:
        for kind, label in kinds.items():
            for file in sorted((folder / kind).glob("*.txt"), key=lambda file: (len(file.stem), file.stem)):
                try:
                    text = file.read_bytes().decode("utf-8")
                except UnicodeDecodeError as error:
                    line = error.object[: error.start].count(b"\n") + 1
                    raise DataError(f"{file}, line {line} is not UTF-8", expected="text in UTF-8") from error
                yield Example(text, None if labelled is False else label)

    return Source(str(folder), Columns(text="(file)", label=None if unlabelled else "(folder)"), examples)


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12:,} more" if len(names) > 12 else "")
