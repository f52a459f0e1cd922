"""`fathom data`: what is known by name, what a file holds, and what it shares with a test set."""

import json
from pathlib import Path

import pytest

from fathom.cli.main import main
from fathom.data import Example
from tests import tiny


def test_data_lists_what_is_known_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--json"]) == 0
    names = [entry["name"] for entry in json.loads(capsys.readouterr().out)["data"]]
    assert {"imdb", "rotten-tomatoes"} <= set(names)
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)


def test_data_counts_what_a_file_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Example("Fine!", "good"),
        Example("fine", "good"),
        Example("FINE.", "bad"),
        Example("dull", "bad"),
        Example("", "bad"),
    ]
    path = tiny.csv_file(tmp_path / "data.csv", rows)
    assert main(["data", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["duplicates"], found["contradictions"], found["blank"]) == (5, 2, 1, 1)
    assert found["labels"] == {"bad": 3, "good": 2}
    assert found["columns"]["text"] == "text"
    assert found["characters"]["maximum"] == 5
    assert [row["text"] for row in found["first"]] == ["Fine!", "fine", "FINE."]


def test_data_finds_test_texts_in_the_training_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = tiny.csv_file(tmp_path / "train.csv", [Example("A joy", "good"), Example("dull", "bad")])
    test = tiny.csv_file(tmp_path / "test.csv", [Example("another", "good"), Example("a joy!", "bad")])
    assert main(["data", str(train), "--against", str(test), "--json"]) == 0
    overlap = json.loads(capsys.readouterr().out)["overlap"]
    assert (overlap["shared"], overlap["contradictions"]) == ([1], 1)
    assert main(["data", str(train), "--against", str(test)]) == 0
    assert "1 of the 2 texts" in capsys.readouterr().out


def test_data_knows_the_packaged_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "rotten-tomatoes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["groups"]) == (12_808, 508)
    assert set(found["labels"]) == {"fresh", "rotten"}


def test_data_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "rotten-tomatos"]) == 2
    assert "fathom data" in capsys.readouterr().err
