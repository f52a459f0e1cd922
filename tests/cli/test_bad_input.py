"""What nobody should type and somebody will: one clear message, exit code 2 (4 where the machine is to blame), nothing lost."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from fathom.cli.main import main
from fathom.data import Example
from tests import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("model")
    data = tiny.csv_file(here / "data.csv")
    assert main(["finetune", str(data), "--output", str(here / "model"), *tiny.flags()]) == 0
    return here / "model"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 2) -> str:
    """What is said to a person about a command that cannot be done."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    message = shown.err[shown.err.index("fathom: ") :]
    assert "bug" not in message
    return message


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


DATA = {
    "absent.csv": (None, "no file or folder at"),
    "empty.csv": ("", "is empty"),
    "header.csv": ("text,label\n", "no texts"),
    "blank.txt": ("\n\n", "no label column"),
    "columns.csv": ("a,b\n1,2\n", "has no text column under a usual name; it has 'a', 'b'"),
    "unlabelled.csv": ("text,other\nx,y\n", "has no label column"),
    "hole.csv": ("text,label\nx,good\ny,\nz,bad\n", "row 2 has no label"),
    "one.csv": ("text,label\nx,good\ny,good\n", "every one of the 2 texts has the label 'good'"),
    "latin.csv": (b"text,label\nfine,good\ncaf\xe9,bad\n", "line 3 is not UTF-8"),
    "latin.tsv": (b"text\tlabel\nfine\tgood\ncaf\xe9\tbad\n", "line 3 is not UTF-8"),
    "latin.jsonl": (b'{"text": "fine", "label": "good"}\n{"text": "caf\xe9", "label": "bad"}\n', "line 2 is not UTF-8"),
    "ragged.csv": ("text,label\nx,good\ny,bad,worse\n", "got 3: y,bad,worse"),
    "broken.jsonl": ('{"text": "x", "label": "good"}\n{"text": \n', "line 2 is not JSON"),
    "wide.csv": (",".join(f"c{n}" for n in range(1_000_000)) + "\n" + "," * 999_999 + "\n", "1,000,000 columns"),
    "reviews.docx": (b"PK\x03\x04", "ends in '.docx'"),
    "cut.parquet": (b"PAR1 and then nothing", "cannot be read"),
}


@pytest.mark.parametrize("name", DATA)
def test_bad_data_is_refused_in_words(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, reason = DATA[name]
    path = tmp_path / name
    if content is not None:
        write(path, content)
    message = refused(capsys, "finetune", path, "--output", tmp_path / "model", *tiny.flags())
    assert reason in message
    assert name in message or "texts" in message
    assert not (tmp_path / "model").exists()


def test_bad_data_near_misses_are_suggested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.csv_file(tmp_path / "reviews.csv")
    assert "did you mean reviews.csv?" in refused(capsys, "finetune", tmp_path / "review.csv")


def test_bad_label_of_a_kind_that_training_has_not_seen(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.csv_file(tmp_path / "data.csv", [Example("a film", "good"), Example("another", "so-so")])
    message = refused(capsys, "evaluate", model, "--data", data)
    assert "example 1 (counted from 0) has the label 'so-so'" in message
    assert "'bad', 'good'" in message


def test_long_text_of_ten_megabytes_is_answered_and_what_was_left_out_is_counted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "a wonderful film with great acting " * 300_000
    assert len(text) > 10_000_000
    data = write(tmp_path / "long.txt", text + "\nwarm and funny\n")
    capsys.readouterr()
    assert main(["predict", str(model), "--data", str(data), "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["text"] == text
    assert first["unread"] > 1_000_000
    assert second["unread"] == 0
    rows = [*tiny.examples(2), Example(text, "good")]
    arguments = ["finetune", str(tiny.csv_file(tmp_path / "d.csv", rows)), "--output", str(tmp_path / "m"), *tiny.flags()]
    assert main(arguments) == 0


@pytest.mark.parametrize("verb", ["predict", "evaluate", "models", "finetune"])
def test_bad_model_that_is_no_model(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "notes.txt", "nothing of use")
    data = tiny.csv_file(tmp_path / "data.csv")
    arguments = {
        "predict": ["predict", tmp_path, "text"],
        "evaluate": ["evaluate", tmp_path, "--data", data],
        "models": ["models", tmp_path],
        "finetune": ["finetune", data, "--model", tmp_path, "--output", tmp_path / "out"],
    }[verb]
    assert "model.safetensors" in refused(capsys, *arguments)


def copy(model: Path, to: Path) -> Path:
    """A model folder without its manifest, as one that came from elsewhere."""
    to.mkdir()
    for path in model.iterdir():
        if path.is_file() and path.name != "SHA256SUMS":
            (to / path.name).write_bytes(path.read_bytes())
    return to


def test_bad_weights_are_refused_and_never_run(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = copy(model, tmp_path / "cut")
    weights = (cut / "model.safetensors").read_bytes()
    write(cut / "model.safetensors", weights[: len(weights) // 2])
    assert "model.safetensors" in refused(capsys, "predict", cut, "text")

    renamed = copy(model, tmp_path / "renamed")
    (renamed / "model.safetensors").rename(renamed / "weights.safetensors")
    assert "weights.safetensors" in refused(capsys, "predict", renamed, "text")

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    pickled = copy(model, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    write(pickled / "pytorch_model.bin", pickle.dumps(Trap()))
    assert "pickle" in refused(capsys, "predict", pickled, "text")
    write(pickled / "model.safetensors", pickle.dumps(Trap()))
    refused(capsys, "predict", pickled, "text")
    assert not (tmp_path / "sprung").exists()


def test_bad_tokenizer_that_does_not_fit_the_model(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copy(model, tmp_path / "other")
    from fathom.checkpoint import resolve_model

    write(folder / "tokenizer.json", (resolve_model("minilm") / "tokenizer.json").read_bytes())
    assert "the tokenizer in" in refused(capsys, "predict", folder, "text")


def test_output_that_is_there_is_left_alone_until_asked(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.csv_file(tmp_path / "data.csv")
    before = (model / "model.safetensors").read_bytes()
    assert "--overwrite" in refused(capsys, "finetune", data, "--output", model, *tiny.flags())
    assert (model / "model.safetensors").read_bytes() == before
    notes = tmp_path / "notes"
    notes.mkdir()
    write(notes / "diary.txt", "not fathom's")
    message = refused(capsys, "finetune", data, "--output", notes, "--overwrite", *tiny.flags())
    assert "was not written by fathom" in message
    assert (notes / "diary.txt").read_bytes() == b"not fathom's"


@pytest.mark.parametrize("verb", ["finetune", "pretrain"])
def test_output_inside_of_a_file_is_refused(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tiny.csv_file(tmp_path / "data.csv")
    message = refused(capsys, verb, data, "--output", data / "new" / "model")
    assert f"{data} is a file, so" in message


FULL = """
import os, sys
from fathom import folders
from fathom.cli.main import main
real, left = os.fsync, int(sys.argv[1])
def fsync(descriptor):
    global left
    left -= 1
    if left < 0:
        raise OSError(28, "No space left on device")
    real(descriptor)
os.fsync = fsync
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("writes", [0, 9, 40])
def test_output_on_a_full_disk_is_the_machines_fault_and_nothing_is_half_written(writes: int, tmp_path: Path) -> None:
    data = tiny.csv_file(tmp_path / "data.csv")
    arguments = ["finetune", str(data), "--output", str(tmp_path / "model"), *tiny.flags(), "--checkpoint-minutes", "1e-9"]
    code = [sys.executable, "-c", FULL, str(writes), *arguments]
    ended = subprocess.run(code, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 4, ended.stderr
    assert "the disk is full" in ended.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("verb", ["finetune", "pretrain", "tokenizer", "quickstart"])
def test_output_that_cannot_be_written_is_the_machines_fault(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system", str(self))

    data = tiny.csv_file(tmp_path / "data.csv")
    monkeypatch.setattr(Path, "mkdir", read_only)
    given = {
        "finetune": [data, *tiny.flags()],
        "pretrain": [data],
        "tokenizer": [data, "--kind", "bpe", "--size", "300"],
        "quickstart": [],
    }[verb]
    message = refused(capsys, verb, *given, "--output", tmp_path / "new" / "out", code=4)
    assert "read-only" in message.casefold()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_output_without_permission_is_the_machines_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, locked = tiny.csv_file(tmp_path / "data.csv"), tmp_path / "locked"
    locked.mkdir(mode=0o555)
    assert "no permission" in refused(capsys, "finetune", data, "--output", locked / "model", *tiny.flags(), code=4)


def test_standard_input_that_is_not_utf8_names_its_line(model: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "fathom", "predict", str(model), "--json"],
        input="fine\ncafé\n".encode("latin-1"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert b"standard input, line 2 is not UTF-8" in ended.stderr
