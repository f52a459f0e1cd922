"""Files as rows: every format gives the same rows, streams, and says which line is to blame."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import tables
from fathom.data.tables import MAX_COLUMNS, open_table
from fathom.errors import DataError

ROWS = [("a joy", "good"), ('she said "dull", twice', "bad"), ("很好看 🎬", "good"), ("", "bad")]

Rows = list[tuple[str, str]]


def csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def as_csv(rows: Rows) -> str:
    return "text,label\n" + "".join(f"{csv_field(text)},{label}\n" for text, label in rows)


def as_tsv(rows: Rows) -> str:
    return "text\tlabel\n" + "".join(f"{csv_field(text)}\t{label}\n" for text, label in rows)


def as_jsonl(rows: Rows) -> str:
    return "".join(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in rows)


def as_json(rows: Rows) -> str:
    return json.dumps([{"text": text, "label": label} for text, label in rows], ensure_ascii=False, indent=1)


WRITERS: dict[str, Callable[[Rows], str]] = {
    "csv": as_csv,
    "tsv": as_tsv,
    "jsonl": as_jsonl,
    "ndjson": as_jsonl,
    "json": as_json,
}
LINES = ("csv", "tsv", "jsonl", "txt")  # formats that stream line by line


def write(path: Path, content: str | bytes) -> Path:
    """Writes a file, compressed where its ending says so."""
    raw = content.encode("utf-8") if isinstance(content, str) else content
    compress = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix)
    path.write_bytes(raw if compress is None else compress(raw))
    return path


def write_parquet(path: Path, rows: Rows, **options: object) -> Path:
    texts, labels = zip(*rows, strict=True)
    pq.write_table(pa.table({"text": list(texts), "label": list(labels)}), path, **options)
    return path


def read(path: Path, *columns: str) -> list[tuple[object, ...]]:
    return list(open_table(path).read(columns or ("text", "label")))


def complaint(path: Path) -> str:
    """What is said about a file that cannot be read."""
    with pytest.raises(DataError) as error:
        read(path, "text")
    return str(error.value)


@pytest.mark.parametrize("compression", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("kind", [*WRITERS, "parquet"])
def test_tables_of_every_format_give_the_same_rows(tmp_path: Path, kind: str, compression: str) -> None:
    if kind == "parquet":
        content: str | bytes = write_parquet(tmp_path / "rows.parquet", ROWS).read_bytes()
    else:
        content = WRITERS[kind](ROWS)
    table = open_table(write(tmp_path / f"reviews.{kind}{compression}", content))
    assert table.names == ["text", "label"]
    assert list(table.read(["text", "label"])) == ROWS
    assert list(table.read(["label"])) == [(label,) for _, label in ROWS], "again, and only what is wanted"


@pytest.mark.parametrize("ending", ["txt", "txt.gz", "txt.bz2"])
def test_tables_txt_is_one_text_a_line(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"reviews.{ending}", "a joy\n\n  \n it's 'dull', \"so\"\r\n很好看")
    assert read(path, "text") == [("a joy",), (" it's 'dull', \"so\"",), ("很好看",)]


@given(rows=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.just("x"))))
def test_tables_csv_gives_any_text_back(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> None:
    path = write(tmp_path_factory.mktemp("csv") / "any.csv", as_csv(rows))
    assert read(path) == rows


def test_tables_csv_keeps_quotes_newlines_and_spelling_of_values(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", 'text,label\n"one\ntwo, ""three""\r\nfour",007\nNA,1.0\nnull,true\n')
    assert read(path) == [('one\ntwo, "three"\r\nfour', "007"), ("NA", "1.0"), ("null", "true")]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_tables_csv_knows_the_line_ends_of_other_systems(tmp_path: Path, newline: str) -> None:
    assert read(write(tmp_path / "r.csv", as_csv(ROWS).replace("\n", newline))) == ROWS


def test_tables_tsv_takes_a_quote_for_a_sign_unless_it_encloses_the_field(tmp_path: Path) -> None:
    path = write(tmp_path / "r.tsv", 'text\tlabel\n"a ""fine"" film"\tx\n"open\ty\n5" disc\tz\n"\tw\n')
    assert [text for (text,) in read(path, "text")] == ['a "fine" film', '"open', '5" disc', '"']


@pytest.mark.parametrize("kind", [*WRITERS, "txt"])
def test_tables_byte_order_mark_is_not_text(tmp_path: Path, kind: str) -> None:
    content = "a joy\n" if kind == "txt" else WRITERS[kind]([("a joy", "good")])
    assert read(write(tmp_path / f"r.{kind}", "\ufeff" + content), "text") == [("a joy",)]


def test_tables_jsonl_values_keep_their_types_and_missing_ones_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", '{"text": "a", "label": 1}\n\n{"text": "b"}\n{"label": true, "text": "c"}\n')
    assert read(path) == [("a", 1), ("b", None), ("c", True)]


def test_tables_parquet_reads_dictionaries_and_missing_values(tmp_path: Path) -> None:
    columns = {"text": pa.array(["a", "b", "a"]).dictionary_encode(), "label": [0, None, 1]}
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    assert read(tmp_path / "r.parquet") == [("a", 0), ("b", None), ("a", 1)]


# --- what cannot be read ---


@pytest.mark.parametrize("name", [*(f"r.{kind}" for kind in (*LINES, "json", "parquet")), "r.csv.gz", "r.txt.bz2"])
def test_tables_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert f"{name} is empty" in complaint(tmp_path / name)


@pytest.mark.parametrize("name", ["r.csv.gz", "r.csv.bz2", "r.tsv.gz", "r.jsonl.bz2", "r.json.gz", "r.parquet.gz"])
def test_tables_compressed_nothing_is_refused(tmp_path: Path, name: str) -> None:
    assert name in complaint(write(tmp_path / name, b""))


@pytest.mark.parametrize(("name", "ending"), [("r.xlsx", ".xlsx"), ("r", "nothing"), ("r.doc.gz", ".doc"), ("r.gz", "nothing")])
def test_tables_unknown_ending_lists_those_that_are_known(tmp_path: Path, name: str, ending: str) -> None:
    said = complaint(write(tmp_path / name, "text\na\n"))
    assert f"ends in '{ending}'" in said
    assert all(known in said for known in (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".gz", ".bz2"))


LATIN = {  # the second line is in ISO 8859-1
    "csv": "text,label\ncafé,good\n",
    "tsv": "text\tlabel\ncafé\tgood\n",
    "jsonl": '{"text": "ok"}\n{"text": "café"}\n',
    "json": '[{"text":\n"café"}]',
    "txt": "ok\ncafé\n",
}


@pytest.mark.parametrize("compression", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("kind", LATIN)
def test_tables_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path, kind: str, compression: str) -> None:
    path = write(tmp_path / f"r.{kind}{compression}", LATIN[kind].encode("latin-1"))
    assert "line 2 is not UTF-8: byte 0xe9" in complaint(path)


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_tables_header_that_is_not_utf8_is_line_1(tmp_path: Path, kind: str) -> None:
    header = "text,opinión\na,b\n".replace(",", {"csv": ",", "tsv": "\t"}[kind])
    assert "line 1 is not UTF-8" in complaint(write(tmp_path / f"r.{kind}", header.encode("latin-1")))


@pytest.mark.parametrize("kind", LATIN)
def test_tables_utf16_is_not_utf8(tmp_path: Path, kind: str) -> None:
    assert "line 1 is not UTF-8" in complaint(write(tmp_path / f"r.{kind}", LATIN[kind].encode("utf-16")))


def test_tables_parquet_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0"), pa.py_buffer(b"ok\xff\xfe")
    pq.write_table(pa.table({"text": pa.StringArray.from_buffers(2, offsets, data)}), tmp_path / "r.parquet")
    assert "utf-8" in complaint(tmp_path / "r.parquet")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.csv", "text,label\na,b\nc,d,e\n", "Row #3: Expected 2 columns, got 3: c,d,e"),
        ("r.csv", 'text,label\n"a\nb",x\nc\n', "Row #3: Expected 2 columns, got 1: c"),
        ("r.csv", 'text,label\n"never closed,x\na,b\n', "Row #2"),
        ("r.tsv", "text\tlabel\na\tb\nc\td\te\n", "line 3 has 3 fields"),
        ("r.tsv", "text\tlabel\na\n", "line 2 has 1 fields"),
        ("r.jsonl", '{"text": "a"}\n{"text": "b"\n', "line 2 is not JSON"),
        ("r.jsonl", '{"text": "a"}\n\n["b"]\n', "line 3 is a JSON list"),
        ("r.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("r.jsonl", "\n\n", "holds no rows"),
        ("r.json", '{"text": "a"}', "holds a JSON dict"),
        ("r.json", '[{"text": "a"}, "b"]', "entry 2 is a JSON str"),
        ("r.json", '[{"text": "a"},\n{"text": "b"', "is not JSON"),
        ("r.json", "[]", "holds no rows"),
    ],
)
def test_tables_broken_text_file_names_the_place(tmp_path: Path, name: str, content: str, says: str) -> None:
    assert says in complaint(write(tmp_path / name, content))


def test_tables_csv_counts_rows_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BLOCKS", (1000,))
    lines = ["text,label", *(f"text {number},x" for number in range(500)), "ragged"]
    assert "Row #502" in complaint(write(tmp_path / "r.csv", "\n".join(lines) + "\n"))


def test_tables_message_about_a_very_wide_row_is_short(tmp_path: Path) -> None:
    said = complaint(write(tmp_path / "r.csv", "text,label\n" + "1," * 1_000_000 + "\n"))
    assert "Expected 2 columns, got 1000001" in said
    assert len(said) < 1000


@pytest.mark.parametrize("ending", ["gz", "bz2"])
@pytest.mark.parametrize("kind", LINES)
def test_tables_damaged_compression_is_refused(tmp_path: Path, kind: str, ending: str) -> None:
    text = random.Random(0).randbytes(20_000).hex()
    content = text if kind == "txt" else WRITERS[kind]([(text, "x")])
    raw = write(tmp_path / f"r.{kind}.{ending}", content).read_bytes()
    flipped = bytearray(raw)
    for place in (20, len(raw) // 2):
        flipped[place] ^= 0xFF
    for damaged in (raw[: len(raw) // 2], bytes(flipped), b"not compressed at all"):
        path = tmp_path / f"damaged.{kind}.{ending}"
        path.write_bytes(damaged)
        assert path.name in complaint(path)


def test_tables_damaged_parquet_is_refused(tmp_path: Path) -> None:
    rows = [(f"some text {number}", "ab"[number % 2]) for number in range(200)]
    whole = write_parquet(tmp_path / "whole.parquet", rows).read_bytes()
    path = tmp_path / "r.parquet"
    for damaged in (whole[:-20], whole[: len(whole) // 2], whole[8:], b"PAR1", b"hello, this is text"):
        path.write_bytes(damaged)
        assert "r.parquet" in complaint(path)
    dice = random.Random(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            damaged[dice.randrange(4, len(damaged) - 4)] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except DataError:
            refused += 1
    assert refused > 100, "and nothing else than DataError was raised"


# --- too wide, too large ---


def test_tables_csv_with_a_million_columns_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = 1_000_000
    content = ",".join(f"c{number}" for number in range(columns)) + "\n" + ",".join("1" * columns) + "\n"
    path = write(tmp_path / "wide.csv", content)
    packed = write(tmp_path / "wide.csv.gz", content)

    def parse(*_: object, **__: object) -> None:
        raise AssertionError("the parser was asked")

    monkeypatch.setattr(pyarrow.csv, "open_csv", parse)
    for name in (path, packed):
        tracemalloc.start()
        try:
            said = complaint(name)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert "has 1,000,000 columns" in said
        assert f"at most {MAX_COLUMNS:,}" in said
        assert peak < 5 * path.stat().st_size


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "parquet"])
def test_tables_too_many_columns_are_refused_in_every_format(tmp_path: Path, kind: str) -> None:
    names = [f"c{number}" for number in range(MAX_COLUMNS + 1)]
    path = tmp_path / f"wide.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({name: [1] for name in names}), path)
    else:
        write(path, "\t".join(names) + "\n" if kind == "tsv" else json.dumps(dict.fromkeys(names, 1)) + "\n")
    assert "has 10,001 columns" in complaint(path)


def test_tables_csv_with_as_many_columns_as_allowed_is_read(tmp_path: Path) -> None:
    names = ["text", *(f"c{number}" for number in range(MAX_COLUMNS - 1))]
    path = write(tmp_path / "wide.csv", ",".join(names) + "\n" + ",".join(["a joy"] * MAX_COLUMNS) + "\n")
    assert read(path, "text") == [("a joy",)]


@pytest.mark.parametrize("kind", [*WRITERS, "txt", "parquet"])
def test_tables_text_of_10_mb_is_read_whole(tmp_path: Path, kind: str) -> None:
    text = "a film, and a long one. " * 420_000
    path = tmp_path / f"r.{kind}"
    if kind == "parquet":
        write_parquet(path, [(text, "x")])
    else:
        write(path, text if kind == "txt" else WRITERS[kind]([(text, "x")]))
    ((read_text,),) = read(path, "text")
    assert read_text == text


@pytest.mark.parametrize("kind", [*LINES, "csv.gz", "txt.bz2", "jsonl.gz"])
def test_tables_first_row_arrives_before_the_rest_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The last line is unreadable; a reader that parses everything first could give no row."""
    monkeypatch.setattr(tables, "_BLOCKS", (10_000,))
    rows = [(f"text number {number}", "x") for number in range(5000)]
    form = kind.split(".")[0]
    content = "".join(f"{text}\n" for text, _ in rows) if form == "txt" else WRITERS[form](rows)
    path = write(tmp_path / f"r.{kind}", content.encode() + b"\xff\xff\xff\n")
    reader = open_table(path).read(["text"])
    assert next(reader) == ("text number 0",)
    with pytest.raises(DataError):
        list(reader)


def test_tables_parquet_reads_one_group_of_rows_after_the_other(tmp_path: Path) -> None:
    rows = [(f"text number {number}", "x") for number in range(10_000)]
    raw = bytearray(write_parquet(tmp_path / "r.parquet", rows, row_group_size=1000, compression="none").read_bytes())
    damaged_from = raw.rindex(b"text number 9500")
    raw[damaged_from : damaged_from + 16] = b"\xff" * 16
    (tmp_path / "r.parquet").write_bytes(raw)
    reader = open_table(tmp_path / "r.parquet").read(["text"])
    assert next(reader) == ("text number 0",)
    with pytest.raises(DataError):
        list(reader)


def test_tables_csv_rows_of_any_length_stand_beside_short_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BLOCKS", (1000, 5000, 25_000))
    lengths = [*[20] * 300, 4000, *[20] * 300, 20_000, *[20] * 300, 4000]
    rows = [(f"{number} " + "x" * length, "good") for number, length in enumerate(lengths)]
    assert read(write(tmp_path / "r.csv", as_csv(rows))) == rows


def test_tables_csv_holds_a_few_blocks_however_long_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BLOCKS", (2**16,))
    path = write(tmp_path / "long.csv", as_csv([("words " * 20, "x")] * 100_000))
    before = pa.total_allocated_bytes()
    most, count = 0, 0
    for count, _ in enumerate(open_table(path).read(["text"]), start=1):
        if count % 100 == 0:
            most = max(most, pa.total_allocated_bytes() - before)
    assert count == 100_000
    assert 0 < most < path.stat().st_size / 3


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "txt"])
def test_tables_lines_are_held_one_at_a_time(tmp_path: Path, kind: str) -> None:
    rows = [("words " * 1000, "x")] * 1000
    path = write(tmp_path / f"r.{kind}", "".join(f"{text}\n" for text, _ in rows) if kind == "txt" else WRITERS[kind](rows))
    tracemalloc.start()
    try:
        assert sum(1 for _ in open_table(path).read(["text"])) == 1000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 10
