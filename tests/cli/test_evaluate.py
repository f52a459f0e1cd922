"""`fathom evaluate --shots`: what a person and a program see, and which flags go together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fathom.cli.main import main
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.writer_folder(tmp_path_factory.mktemp("language") / "model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.csv_file(tmp_path_factory.mktemp("data") / "reviews.csv")


def test_evaluate_with_shots_shows_chance_shuffled_labels_and_conclusions(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    flags = ["--shots", "3", "--orderings", "2", "--limit", "20"]
    assert main(["evaluate", str(model), "--data", str(data), *flags, "--record", str(record)]) == 0
    captured = capsys.readouterr()
    shown = captured.out
    assert "20 texts, drawn from" in shown
    assert "(20 % of the rows, by a hash of their group or text)" in shown
    assert r"prompt: 'Text: {text}\nLabel: {label}', where the label is 'bad' for 'bad', 'good' for 'good'" in shown
    assert "always " in shown
    assert "no demonstrations: " in shown
    assert "3 demonstrations: " in shown
    assert "mean and interval over orderings and texts" in shown
    assert "the same with their labels shuffled: " in shown
    assert "chance without demonstrations: " in shown
    assert "labels of the demonstrations" in shown
    assert "reading the data" in captured.err
    assert main(["evaluate", str(model), "--data", str(data), *flags, "--json"]) == 0
    printed, written = json.loads(capsys.readouterr().out), json.loads(record.read_text())
    for found in (printed, written):
        del found["seconds"]
    assert printed == written


def test_evaluate_with_no_shots_and_a_prompt_of_ones_own(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--prompt", r"Review: {text}\nIt is {label}", "--label-words", "good=great, bad=dull", "--text-tokens", "3"]
    assert main(["evaluate", str(model), "--data", str(data), "--shots", "0", *own, "--seed", "1", "--normalise"]) == 0
    shown = capsys.readouterr().out
    assert r"prompt: 'Review: {text}\nIt is {label}', where the label is 'dull' for 'bad', 'great' for 'good'" in shown
    assert "of the texts were cut to 3 tokens" in shown
    assert "shuffled" not in shown
    assert main(["evaluate", str(model), "--data", str(data), "--shots", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["demonstrated"], found["shots"], found["settings"]["normalise"]) == (None, 0, False)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--orderings", "3", "--limit", "5"], "--orderings, --limit came without --shots"),
        (["--label-words", "good=great", "--group", "film"], "--label-words, --group came without --shots"),
        (["--shots", "2", "--baseline"], "--shots and --baseline were both given"),
        (["--shots", "2", "--label-words", "good"], "expected: a word for each label, such as negative=bad,positive=good"),
        (["--shots", "2", "--label-words", "good=a,good=b"], "expected: a word for each label"),
        (["--shots", "2", "--label-words", "fine=a"], "there is a word for 'fine'"),
        (["--shots", "2", "--prompt", "{text}"], "the prompt is '{text}'"),
        (["--shots", "60"], "60 demonstrations are to be drawn from"),
        (["--shots", "12"], "prompts are longer than the model reads"),
        ([], "add --shots 4, or --shots 0 for none"),
    ],
)
def test_evaluate_refuses_in_words(
    flags: list[str], message: str, model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--data", str(data), *flags]) == 2
    assert message in capsys.readouterr().err


def test_evaluate_refuses_shots_for_a_classifier(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classifier = tiny.model_folder(tmp_path / "classifier")
    assert main(["evaluate", str(classifier), "--data", str(data), "--shots", "2"]) == 2
    shown = capsys.readouterr().err
    assert "this model is for the task 'sequence'" in shown
    assert "leave --shots out to measure it as a classifier" in shown
