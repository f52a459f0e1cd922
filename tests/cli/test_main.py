from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

import fathom
from fathom import errors
from fathom.cli import main as main_module
from fathom.cli.main import VERBS, _in_words, explain_error, main

HEAVY = {"torch", "numpy", "pyarrow", "sklearn", "scipy", "spacy", "tokenizers", "transformers", "pydantic", "rich", "jinja2"}


def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "fathom", *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment,
        timeout=120,
        check=False,
    )


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Lets `fathom models` fail with an error."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("fathom.checkpoint.known_models", fail)


def test_main_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb, summary in VERBS.items():
        assert f"  {verb} " in shown
        assert summary.split()[0] in shown


@pytest.mark.parametrize("verb", VERBS)
def test_main_verb_help_says_what_it_does(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: fathom {verb} ")
    assert "--json" in shown


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)])
def test_main_help_loads_nothing_heavy(verb: list[str]) -> None:
    code = f"import sys; from fathom.cli.main import main; main({[*verb, '--help']!r}); print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stderr
    assert not HEAVY & set(loaded.split())


def test_main_without_arguments_shows_help_as_unusable_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: fathom" in "".join(capsys.readouterr())


def test_main_version(capsys: pytest.CaptureFixture[str]) -> None:
    import fathom

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fathom {fathom.__version__}\n"


def test_main_suggests_the_nearest_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modles"]) == 2
    assert "'models'" in capsys.readouterr().err


def test_main_unknown_option_is_unusable_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--jsn"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--json" in captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FathomError("x"), 2),
        (errors.DataError("x"), 2),
        (errors.ModelFolderError("x"), 2),
        (errors.SettingsError("x"), 2),
        (errors.MissingExtraError("x", "words"), 2),
        (errors.RefusedByGateError("x"), 3),
        (errors.MachineError("x"), 4),
        (errors.InterruptedRunError("x"), 130),
        (MemoryError(), 4),
        (torch.OutOfMemoryError("CUDA out of memory"), 4),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 4),
        (OSError(errno.ENOSPC, "No space left on device", "weights"), 4),
        (OSError(errno.EROFS, "Read-only file system", "weights"), 4),
        (PermissionError(errno.EACCES, "Permission denied", "weights"), 4),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 4),
        (OSError(errno.EFBIG, "File too large", "weights"), 4),
        (SafetensorError("Error while serializing: I/O error: File too large (os error 27)"), 4),
        (OSError(errno.EISDIR, "Is a directory", "weights"), 1),
        (RuntimeError("shapes do not match"), 1),
        (KeyError("text"), 1),
    ],
)
def test_main_gives_each_error_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, error)
    assert main(["models", "--json"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fathom: ")
    assert "Traceback" not in captured.err


def test_main_says_that_an_unexplained_error_is_a_bug() -> None:
    code, message = explain_error(KeyError("text"))
    assert code == 1
    assert "KeyError: 'text'" in message
    assert "bug in fathom" in message
    assert "--debug" in message


def test_main_names_the_file_that_the_machine_refused() -> None:
    assert "runs/model" in explain_error(OSError(errno.ENOSPC, "No space left on device", "runs/model"))[1]


@pytest.mark.parametrize("arguments", [["--debug", "models"], ["models", "--debug"]])
def test_main_debug_shows_the_traceback(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, errors.DataError("no such text"))
    with pytest.raises(errors.DataError, match="no such text"):
        main(arguments)


def test_main_tells_a_warning_of_ours_in_words() -> None:
    """And of others as Python does."""
    assert _in_words("half the speed", RuntimeWarning, fathom.__file__, 7) == "fathom: half the speed\n"
    assert _in_words("gone soon", DeprecationWarning, pytest.__file__, 7).startswith(f"{pytest.__file__}:7: DeprecationWarning")


def test_main_debug_after_two_dashes_is_a_text() -> None:
    assert main_module._without_debug(["predict", "--", "--debug"]) == (["predict", "--", "--debug"], False)


def test_main_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert main(["models"]) == 130
    assert capsys.readouterr().err.strip() == "fathom: stopped"


def test_main_ctrl_c_before_the_command_begins_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(app: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fathom.cli.main.get_command", interrupted)
    assert main(["models"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_main_a_reader_that_leaves_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "fathom", "models"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_main_writes_utf8_whatever_the_locale(tmp_path: Path) -> None:
    ended = run("models", str(tmp_path / "没有"), PYTHONIOENCODING="ascii", LC_ALL="C")
    assert ended.returncode == 2
    assert "没有" in ended.stderr


def test_main_json_is_one_object_on_standard_output() -> None:
    ended = run("models", "--json")
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert [known["name"] for known in json.loads(ended.stdout)["models"]][:1] == ["minilm"]
