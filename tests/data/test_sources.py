"""Where examples come from: which columns are found, which rows are refused, and what is said."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fathom.data import Columns, Example, Source, open_data, open_file
from fathom.data.sources import open_rows
from fathom.errors import DataError


def table(path: Path, names: list[str], *rows: list[str]) -> Path:
    """A csv file."""
    lines = [names, *rows]
    path.write_text("".join(",".join(f'"{field}"' for field in line) + "\n" for line in lines), encoding="utf-8")
    return path


def made(folder: Path, *rows: list[str], names: str = "text,label", **options: object) -> Source:
    return open_file(table(folder / "reviews.csv", names.split(","), *rows), **options)


def complaint(source: Source) -> str:
    with pytest.raises(DataError) as error:
        list(source)
    return str(error.value)


@pytest.mark.parametrize(
    ("names", "text", "label", "pair"),
    [
        ("text,label", "text", "label", None),
        ("id,Review,Sentiment", "Review", "Sentiment", None),
        ("label,sentence", "sentence", "label", None),
        ("rating, TEXT ,category", " TEXT ", "category", None),
        ("label,text_a,text_b", "text_a", "label", "text_b"),
        ("premise,hypothesis,label", "premise", "label", "hypothesis"),
        ("sentence1,sentence2,target", "sentence1", "target", "sentence2"),
        ("text_b,text", "text", None, None),
        ("anything", "anything", None, None),
    ],
)
def test_sources_columns_are_found_under_usual_names(
    tmp_path: Path, names: str, text: str, label: str | None, pair: str | None
) -> None:
    source = made(tmp_path, [f"value {number}" for number in range(names.count(",") + 1)], names=names)
    assert source.columns == Columns(text=text, label=label, pair=pair)
    values = {name: f"value {number}" for number, name in enumerate(names.split(","))}
    expected = Example(values[text], values[label] if label else None, values[pair] if pair else None)
    assert list(source) == [expected]


def test_sources_named_columns_come_before_usual_ones(tmp_path: Path) -> None:
    columns = Columns(text="body", label="stars", pair="text", group="film")
    source = made(tmp_path, ["a", "b", "c", "d", "e"], names="text,label,body,stars,film", columns=columns)
    assert list(source) == [Example("c", "d", pair="a", group="e")]


def test_sources_a_column_named_as_label_is_not_also_the_text(tmp_path: Path) -> None:
    source = made(tmp_path, ["0", "fine"], names="text,review", columns=Columns(label="text"))
    assert list(source) == [Example("fine", "0")]


@pytest.mark.parametrize("role", ["text", "label", "pair", "group", "exclude"])
def test_sources_a_named_column_that_is_missing_is_told_with_those_that_are_there(tmp_path: Path, role: str) -> None:
    with pytest.raises(DataError) as error:
        made(tmp_path, ["a", "b"], columns=Columns(**{role: "Stars"}))
    assert "no column 'Stars'; it has 'text', 'label'" in str(error.value)
    assert f"--{role} COLUMN" in str(error.value)


def test_sources_no_text_column_is_refused_with_what_is_there(tmp_path: Path) -> None:
    names = ",".join(f"column{number}" for number in range(30))
    with pytest.raises(DataError, match="no text column") as error:
        made(tmp_path, ["a"] * 30, names=names)
    assert "'column0', 'column1'" in str(error.value)
    assert "and 18 more" in str(error.value)
    assert "--text COLUMN" in str(error.value)


def test_sources_no_label_column_is_refused_where_labels_are_required(tmp_path: Path) -> None:
    assert list(made(tmp_path, ["a", "b"], names="text,stars")) == [Example("a")]
    with pytest.raises(DataError, match="no label column"):
        made(tmp_path, ["a", "b"], names="text,stars", labelled=True)


def test_sources_two_columns_of_one_name_are_refused_where_it_matters(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 columns named 'text'"):
        made(tmp_path, ["a", "b", "c"], names="text,text,label")
    assert list(made(tmp_path, ["a", "b", "c", "d"], names="note,note,text,label")) == [Example("c", "d")]


def test_sources_missing_label_names_the_row(tmp_path: Path) -> None:
    rows = [["a", "x"], ["b", "y"], ["c", "  "], ["d", "x"]]
    said = complaint(made(tmp_path, *rows, labelled=True))
    assert "row 3 has no label (column 'label')" in said
    assert "fill it in" in said
    assert [example.label for example in made(tmp_path, *rows)] == ["x", "y", None, "x"]


def test_sources_labels_are_left_out_where_not_wanted(tmp_path: Path) -> None:
    assert list(made(tmp_path, ["a", "x"], ["b", ""], labelled=False)) == [Example("a"), Example("b")]


def test_sources_labels_of_every_type_are_spelled_one_way(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    labels = ["0", 0, 0.0, 1.5, True, False, " good ", None, float("nan"), ""]
    path.write_text("".join(json.dumps({"text": "a", "label": label}) + "\n" for label in labels), encoding="utf-8")
    assert [example.label for example in open_file(path)] == ["0", "0", "0", "1.5", "true", "false", "good", None, None, None]


def test_sources_parquet_labels_are_those_of_the_csv(tmp_path: Path) -> None:
    data = {"text": ["a", "b", "c"], "label": pa.array([0, 1, None]), "probe": [False, True, False]}
    pq.write_table(pa.table(data), tmp_path / "r.parquet")
    csv = made(tmp_path, ["a", "0", "false"], ["b", "1", "true"], ["c", "", "false"], names="text,label,probe")
    assert list(open_file(tmp_path / "r.parquet")) == list(csv)
    excluding = Columns(exclude="probe")
    assert [example.text for example in open_file(tmp_path / "r.parquet", columns=excluding)] == ["a", "c"]


def test_sources_text_that_is_none_or_no_text_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "a"}\n{"text": null}\n', encoding="utf-8")
    assert "row 2: the text is None" in complaint(open_file(path))
    path.write_text('{"text": "a"}\n{"other": "b"}\n', encoding="utf-8")
    assert "row 2: the text is None" in complaint(open_file(path))
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "r.parquet")
    assert "row 1: the text is 1" in complaint(open_file(tmp_path / "r.parquet"))


def test_sources_excluded_rows_are_left_out_and_need_no_label(tmp_path: Path) -> None:
    marks = [("a", "no"), ("b", "YES"), ("c", "0"), ("d", "1"), ("e", "False"), ("f", "true"), ("g", "")]
    rows = [[text, "" if text == "b" else "x", mark] for text, mark in marks]
    options = {"columns": Columns(exclude="probe"), "labelled": True}
    assert [example.text for example in made(tmp_path, *rows, names="text,label,probe", **options)] == ["a", "c", "e", "g"]


def test_sources_exclude_column_must_say_yes_or_no(tmp_path: Path) -> None:
    source = made(tmp_path, ["a", "no"], ["b", "maybe"], names="text,probe", columns=Columns(exclude="probe"))
    assert "row 2: column 'probe' says 'maybe'" in complaint(source)


def test_sources_can_be_read_again(tmp_path: Path) -> None:
    source = made(tmp_path, ["a", "x"], ["b", "y"])
    assert list(islice(source, 1)) == [Example("a", "x")]
    assert list(source) == list(source) == [Example("a", "x"), Example("b", "y")]


def test_sources_rows_made_elsewhere_are_asked_for_one_at_a_time() -> None:
    asked = 0

    def rows() -> Iterator[dict[str, object]]:
        nonlocal asked
        for number in range(1_000_000_000):
            asked += 1
            yield {"text": f"text {number}", "label": number % 2, "other": object()}

    source = open_rows("a generator", ["text", "label", "other"], rows, Columns(), labelled=True)
    assert asked == 0
    assert list(islice(source, 3)) == [Example("text 0", "0"), Example("text 1", "1"), Example("text 2", "0")]
    assert asked == 3


# --- paths and folders ---


def test_sources_missing_path_offers_near_names(tmp_path: Path) -> None:
    for name in ("reviews.csv", "notes.txt"):
        (tmp_path / name).write_text("text\na\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        open_data(str(tmp_path / "reviws.csv"))
    assert f"no file or folder at {tmp_path / 'reviws.csv'}" in str(error.value)
    assert "did you mean reviews.csv?" in str(error.value)
    assert "notes.txt" not in str(error.value)
    with pytest.raises(DataError, match="check the path"):
        open_data(str(tmp_path / "nothing-like-it.parquet"))


@pytest.mark.parametrize(
    "path", ["no/such/folder/reviews.csv", "a great film, " * 100, "nul\0byte"], ids=["folder", "long", "nul"]
)
def test_sources_what_can_be_no_path_is_refused_like_one_that_is_missing(path: str) -> None:
    with pytest.raises(DataError, match="no file or folder at"):
        open_data(path)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "parquet"])
def test_sources_folder_with_a_file_for_each_split(tmp_path: Path, ending: str) -> None:
    for split, text in (("train", "a"), ("test", "b")):
        path = tmp_path / f"{split}.{ending}"
        if ending == "parquet":
            pq.write_table(pa.table({"text": [text]}), path)
        elif ending == "jsonl":
            path.write_text(json.dumps({"text": text}) + "\n", encoding="utf-8")
        else:
            path.write_bytes(gzip.compress(f"text\n{text}\n".encode()) if ending == "csv.gz" else f"text\n{text}\n".encode())
    assert list(open_data(str(tmp_path))) == [Example("a")]
    assert list(open_data(str(tmp_path), split="test")) == [Example("b")]


def test_sources_folder_without_or_with_two_files_of_a_split_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 files for the split 'train'; it holds nothing"):
        open_data(str(tmp_path))
    for ending in ("csv", "tsv"):
        (tmp_path / f"train.{ending}").write_text("text\na\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"2 files for the split 'train'; it holds train\.csv, train\.tsv"):
        open_data(str(tmp_path))
    with pytest.raises(DataError, match="0 files for the split 'dev'"):
        open_data(str(tmp_path), split="dev")


# --- the layout of aclImdb ---


@pytest.fixture
def acl(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for kind in ("neg", "pos"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in (10, 9, 100):
                (tmp_path / split / kind / f"{number}_7.txt").write_text(f"{split} {kind} {number}\nmore", encoding="utf-8")
            (tmp_path / split / kind / "urls.lst").write_text("not a review", encoding="utf-8")
    (tmp_path / "train" / "unsup").mkdir()
    (tmp_path / "train" / "unsup" / "0_0.txt").write_text("unsup", encoding="utf-8")
    return tmp_path


def test_sources_acl_folder_gives_each_file_with_its_label(acl: Path) -> None:
    expected = [
        Example(f"train {kind} {number}\nmore", label)
        for kind, label in (("neg", "negative"), ("pos", "positive"))
        for number in (9, 10, 100)
    ]
    assert list(open_data(str(acl))) == expected
    assert list(open_data(str(acl / "train"), labelled=True)) == expected, "or one of its parts"
    assert [example.text.split()[0] for example in open_data(str(acl), split="test")] == ["test"] * 6
    assert {example.label for example in open_data(str(acl), labelled=False)} == {None}


def test_sources_acl_unlabelled_part_has_no_labels(acl: Path) -> None:
    for path in (acl, acl / "train"):
        assert list(open_data(str(path), split="unsup")) == [Example("unsup")]
    with pytest.raises(DataError, match="no labels"):
        open_data(str(acl), split="unsup", labelled=True)


def test_sources_acl_folder_that_lacks_a_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "pos").mkdir(parents=True)
    with pytest.raises(DataError, match="no sub-folder neg"):
        open_data(str(tmp_path))


def test_sources_acl_file_that_is_not_utf8_is_named_with_its_line(acl: Path) -> None:
    (acl / "train" / "neg" / "10_7.txt").write_bytes("ok\nok\ncafé".encode("latin-1"))
    assert "10_7.txt, line 3 is not UTF-8" in complaint(open_data(str(acl)))
