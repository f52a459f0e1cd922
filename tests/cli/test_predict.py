"""`fathom predict` and `fathom evaluate`, as a person and as a program use them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fathom
from fathom.cli.main import main
from tests import tiny

TEXTS = ["a joy from start to finish", "dull, and endless", "电影很好看 🎬"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("model")
    data = tiny.csv_file(here / "data.csv")
    assert main(["finetune", str(data), "--output", str(here / "model"), *tiny.flags()]) == 0
    return here / "model"


def test_predict_gives_the_same_from_arguments_a_file_and_standard_input(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["predict", str(model), *TEXTS, "--json"]) == 0
    from_arguments = capsys.readouterr().out
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    assert main(["predict", str(model), "--data", str(file), "--json"]) == 0
    from_file = capsys.readouterr().out
    command = [sys.executable, "-m", "fathom", "predict", str(model), "--json"]
    piped = subprocess.run(command, input=file.read_bytes(), capture_output=True, check=True, timeout=60).stdout.decode()
    assert from_arguments == from_file == piped
    found = [json.loads(line) for line in piped.splitlines()]
    expected = fathom.load(model).predict(TEXTS)
    for line, prediction in zip(found, expected, strict=True):
        assert set(line) == {"text", "label", "confidence", "scores", "unread"}
        assert (line["text"], line["label"]) == (prediction.text, prediction.label)
        assert line["confidence"] == pytest.approx(prediction.confidence, abs=1e-6)
        assert sum(line["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_predict_streams_lines_before_the_input_ends(model: Path) -> None:
    command = [sys.executable, "-m", "fathom", "predict", str(model), "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("a wonderful film\n" * 3000)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "a wonderful film"
        process.stdin.close()
        assert len(process.stdout.readlines()) == 2999


def test_predict_for_a_person_says_what_was_not_read(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(model), "a wonderful film " * 50]) == 0
    assert "tokens not read]" in capsys.readouterr().out


def test_predict_takes_texts_or_data(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(model), "a text", "--data", "file.csv"]) == 2
    assert "both TEXT and --data" in capsys.readouterr().err


def test_evaluate_prints_figures_and_writes_a_record(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, record = tiny.csv_file(tmp_path / "test.csv"), tmp_path / "record.json"
    assert main(["evaluate", str(model), "--data", str(data), "--baseline", "--record", str(record)]) == 0
    shown = capsys.readouterr().out
    assert "n = 80" in shown
    assert "all of the texts were in its training data" in shown
    assert "bag of words:" in shown
    assert "exact McNemar" in shown
    assert main(["evaluate", str(model), "--data", str(data), "--json"]) == 0
    printed, written = json.loads(capsys.readouterr().out), json.loads(record.read_text())
    assert printed["score"] == written["score"]
    assert written["baseline"]["score"]["n"] == 80


def test_predict_answers_what_each_kind_of_model_is_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.families.reference import reference, saved

    def run(task: str, *arguments: str) -> tuple[int, str, str]:
        folder = tmp_path / task
        if not folder.exists():
            saved(reference("bert", task), folder)
        capsys.readouterr()
        code = main(["predict", str(folder), *arguments])
        return code, *capsys.readouterr()

    code, out, _ = run("token", "i loved every minute", "--json")
    assert code == 0
    entities = json.loads(out)["entities"]
    assert all("i loved every minute"[entity["start"] : entity["end"]] == entity["text"] for entity in entities)
    code, out, _ = run("span", "a warm and funny film", "--question", "what film", "--json")
    assert code == 0
    assert json.loads(out)["question"] == "what film"
    assert json.loads(out)["answer"]["text"] in (None, *("a warm and funny film"[i:j] for i in range(22) for j in range(22)))
    code, out, _ = run("masked", "i loved [MASK] minute", "--json")
    assert code == 0
    assert len(json.loads(out)["fills"][0]) == 5
    assert len(run("pretraining", "i loved [MASK] minute")[1].splitlines()) == 5
    for task, arguments, complaint in (
        ("span", ("a film",), "was asked nothing"),
        ("masked", ("a film",), "hides nothing"),
        ("token", ("a film", "--question", "what"), "--question was given to a model for the task 'token'"),
    ):
        code, _, error = run(task, *arguments)
        assert code == 2
        assert complaint in error


def test_precision_is_chosen_and_stands_in_the_record(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(model), "a fine film", "--json"]) == 0
    exact = json.loads(capsys.readouterr().out)
    assert main(["predict", str(model), "a fine film", "--json", "--precision", "bfloat16"]) == 0
    rounded = json.loads(capsys.readouterr().out)
    assert rounded["confidence"] == pytest.approx(exact["confidence"], abs=0.05)
    assert rounded["confidence"] != exact["confidence"]
    assert main(["predict", str(model), "a fine film", "--precision", "auto", "--policy"]) == 2
    assert "leave --precision out" in capsys.readouterr().err
    assert main(["evaluate", str(model), "--data", "rotten-tomatoes", "--shots", "1", "--precision", "auto"]) == 2
    assert "--shots came with --precision auto" in capsys.readouterr().err


def test_few_kernels_are_kept_unless_the_user_wants_more(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "LRU_CACHE_CAPACITY": "500"})
    monkeypatch.delitem(os.environ, "ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    assert main(["predict", str(model), "a fine film"]) == 0
    assert (os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"], os.environ["LRU_CACHE_CAPACITY"]) == ("32", "500")
