"""Files as rows of named columns, one row at a time: csv, tsv, jsonl, json, parquet, txt, plain or as .gz and .bz2.

Every reader streams (but for a json array, which is one value), says which line is to blame, and can be read again.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fathom.errors import DataError

if TYPE_CHECKING:  # imported where a file needs it: it takes 30 MB, and most answers are given without
    import pyarrow.csv
    import pyarrow.parquet

MAX_COLUMNS = 10_000
# Bytes of csv parsed at a time. The parser reads some thirty blocks ahead, so they are small; a row that does not fit into
# one has the file read again in the next size.
_BLOCKS = (2**20, 2**24, 2**26)
_COMPRESSED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}

Row = tuple[object, ...]


@dataclass(frozen=True)
class Table:
    """Named columns and a way to read some of them, any number of times."""

    path: Path
    names: list[str]
    read: Callable[[Sequence[str]], Iterator[Row]]  # the values of the wanted columns, row by row


def open_table(path: Path) -> Table:
    """Opens a file by its ending.

    Raises:
        DataError: an ending that nobody reads, an empty file, bytes that are not UTF-8, a damaged file.
    """
    ending = path.with_suffix("").suffix if path.suffix in _COMPRESSED else path.suffix
    reader = _READERS.get(ending.lower())
    if reader is None:
        raise DataError(f"{path} ends in {ending or 'nothing'!r}", expected=f"one of {', '.join(_READERS)} (or with .gz, .bz2)")
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty", expected="a file with texts")
        table = reader(path)
    except _damaged() as error:
        raise _unreadable(path, error) from error
    if len(table.names) > MAX_COLUMNS:
        raise DataError(f"{path} has {len(table.names):,} columns", expected=f"at most {MAX_COLUMNS:,}")
    return Table(path, table.names, lambda wanted: _guarded(path, table.read, wanted))


def _guarded(path: Path, read: Callable[[Sequence[str]], Iterator[Row]], wanted: Sequence[str]) -> Iterator[Row]:
    try:
        yield from read(wanted)
    except _damaged() as error:
        raise _unreadable(path, error) from error


def _damaged() -> tuple[type[Exception], ...]:
    """What damaged files raise."""
    import pyarrow as pa

    return (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowInvalid, pa.ArrowNotImplementedError)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read: {error}", expected="a whole file that may be read")


def _open(path: Path) -> BinaryIO:
    opener = _COMPRESSED.get(path.suffix)
    return cast(BinaryIO, path.open("rb") if opener is None else opener(path))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends; a byte-order mark is not text."""
    with _open(path) as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number} is not UTF-8: byte {error.object[error.start]:#04x} at position {error.start}",
                    expected="text in UTF-8",
                    do=f"convert it, for example: iconv -f LATIN1 -t UTF-8 {path.name} > new{path.suffix}",
                ) from error
            yield number, line.rstrip("\r\n")


def _txt(path: Path) -> Table:
    """One text a line; blank lines are not texts."""
    return Table(path, ["text"], lambda wanted: (((line,) * len(wanted)) for _, line in _lines(path) if line.strip()))


def _tsv(path: Path) -> Table:
    """One row a line. A field that is quoted as csv would quote it is unquoted; any other quote is an ordinary sign."""
    names = [_unquoted(field) for field in _first(path, _lines(path))[1].split("\t")]

    def read(wanted: Sequence[str]) -> Iterator[Row]:
        places = [names.index(name) for name in wanted]
        lines = _lines(path)
        next(lines)
        for number, line in lines:
            if not line:
                continue
            fields = line.split("\t")
            if len(fields) != len(names):
                raise DataError(f"{path}, line {number} has {len(fields)} fields", expected=f"{len(names)}, as the header has")
            yield tuple(_unquoted(fields[place]) for place in places)

    return Table(path, names, read)


def _unquoted(field: str) -> str:
    inner = field[1:-1]
    quoted = len(field) >= 2 and field[0] == field[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else field


def _csv(path: Path) -> Table:
    import pyarrow as pa

    with _open(path) as file:
        header = file.readline(max(_BLOCKS))
    if header.count(b",") >= MAX_COLUMNS:  # said before a parser spends minutes on it
        raise DataError(f"{path} has {header.count(b',') + 1:,} columns", expected=f"at most {MAX_COLUMNS:,}")
    for block in _BLOCKS:
        try:
            names = _csv_batches(path, block, []).schema.names
            break
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            if block == _BLOCKS[-1]:
                raise _csv_error(path, error) from error

    def read(wanted: Sequence[str]) -> Iterator[Row]:
        done = 0
        for block in _BLOCKS:
            try:
                for row in islice(_csv_rows(path, block, names, list(wanted)), done, None):
                    done += 1
                    yield row
                return
            except pa.ArrowInvalid as error:
                if block == _BLOCKS[-1]:
                    raise _csv_error(path, error) from error

    return Table(path, names, read)


def _csv_rows(path: Path, block: int, names: list[str], wanted: list[str]) -> Iterator[Row]:
    for batch in _csv_batches(path, block, names, wanted):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _csv_batches(path: Path, block: int, names: list[str], wanted: list[str] | None = None) -> pyarrow.csv.CSVStreamingReader:
    import pyarrow as pa
    import pyarrow.csv

    return pyarrow.csv.open_csv(
        pa.input_stream(str(path), compression="detect"),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=block),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.large_string() for name in names}, include_columns=wanted, strings_can_be_null=False
        ),
    )


def _csv_error(path: Path, error: Exception) -> DataError:
    for _ in _lines(path):  # names the line if the bytes are to blame
        pass
    return DataError(f"{path} cannot be read as csv: {error}", expected="a header, rows as wide as it, closed quotes")


def _jsonl(path: Path) -> Table:
    """One JSON object a line."""

    def records() -> Iterator[dict[str, Any]]:
        for number, line in _lines(path):
            if line.strip():
                yield _record(path, f"line {number}", _parse(path, f"line {number}", line))

    return _records(path, records)


def _json(path: Path) -> Table:
    """A JSON array of objects."""
    text = "\n".join(line for _, line in _lines(path))
    values = _parse(path, "the file", text)
    if not isinstance(values, list):
        raise DataError(f"{path} holds a JSON {type(values).__name__}", expected="an array of objects, or jsonl")
    return _records(path, lambda: (_record(path, f"entry {n}", value) for n, value in enumerate(values, start=1)))


def _records(path: Path, records: Callable[[], Iterator[dict[str, Any]]]) -> Table:
    names = list(_first(path, records()))
    return Table(path, names, lambda wanted: (tuple(record.get(name) for name in wanted) for record in records()))


def _parse(path: Path, where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}, {where} is not JSON: {error}", expected="one JSON object a line") from error


def _record(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}, {where} is a JSON {type(value).__name__}", expected="an object with named values")
    return value


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet

    def open_file() -> pyarrow.parquet.ParquetFile:
        try:
            source = path if path.suffix == ".parquet" else io.BytesIO(_open(path).read())
            return pyarrow.parquet.ParquetFile(source)
        except pa.ArrowInvalid as error:
            raise DataError(f"{path} cannot be read: {error}", expected="a whole parquet file") from error

    def read(wanted: Sequence[str]) -> Iterator[Row]:
        for batch in open_file().iter_batches(batch_size=4096, columns=list(wanted)):
            yield from zip(*(batch.column(name).to_pylist() for name in wanted), strict=True)

    return Table(path, open_file().schema_arrow.names, read)


def _first(path: Path, rows: Iterator[Any]) -> Any:
    for row in rows:
        return row
    raise DataError(f"{path} holds no rows", expected="a file with texts")


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".txt": _txt,
}
ENDINGS = tuple(_READERS)
