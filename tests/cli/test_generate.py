"""`fathom generate`, as a person and as a program use it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fathom
from fathom.cli.main import main
from tests import tiny

PROMPTS = ["a joy", "dull, and endless", "电影很好看 🎬"]
TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}[SEP]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.writer_folder(tmp_path_factory.mktemp("models") / "writer", chat_template=TEMPLATE)


def lines(captured: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in captured.splitlines()]
    for line in found:
        del line["seconds"]
    return found


def test_generate_gives_the_same_from_arguments_a_file_and_standard_input(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--json", "--max-new-tokens", "12", "--temperature", "1", "--seed", "3"]
    assert main(["generate", str(model), *PROMPTS, *how]) == 0
    from_arguments = lines(capsys.readouterr().out)
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
    assert main(["generate", str(model), "--data", str(file), *how]) == 0
    from_file = lines(capsys.readouterr().out)
    command = [sys.executable, "-m", "fathom", "generate", str(model), *how]
    piped = subprocess.run(command, input=file.read_bytes(), capture_output=True, check=True, timeout=60).stdout.decode()
    assert from_arguments == from_file == lines(piped)
    expected = fathom.load(model).generate(PROMPTS, max_new_tokens=12, temperature=1.0, seed=3)
    for line, generation in zip(from_arguments, expected, strict=True):
        assert line == {
            "prompt": generation.prompt,
            "text": generation.text,
            "finish": generation.finish,
            "tokens": generation.tokens,
            "log_probability": pytest.approx(generation.log_probability, abs=1e-3),
            "prompt_tokens": generation.prompt_tokens,
            "unread": 0,
        }


def test_generate_writes_one_answer_as_it_comes(model: Path) -> None:
    how = ["--max-new-tokens", "100", "--temperature", "1"]
    command = [sys.executable, "-u", "-m", "fathom", "generate", str(model), "a joy", *how]
    arrivals = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while piece := os.read(process.stdout.fileno(), 65536):
            arrivals.append((time.monotonic(), piece))
        told = process.stderr.read().decode()
    assert process.returncode == 0
    assert len(arrivals) > 3
    expected = fathom.load(model).generate(["a joy"], max_new_tokens=100, temperature=1.0)[0]
    assert b"".join(piece for _, piece in arrivals).decode() == expected.text + "\n"
    assert ("[stopped after 100 tokens: --max-new-tokens]" in told) == (expected.finish == "length")


def test_generate_shows_prompts_beside_several_answers(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = ["--max-new-tokens", "8", "--samples", "2", "--beams", "3"]
    assert main(["generate", str(model), "a joy", "dull", *how]) == 0
    shown = capsys.readouterr().out
    expected = fathom.load(model).generate(["a joy", "dull"], max_new_tokens=8, samples=2, beams=3)
    assert [line for line in shown.splitlines() if line.startswith("> ")] == ["> a joy", "> a joy", "> dull", "> dull"]
    assert all(generation.text in shown for generation in expected)


def test_generate_cuts_before_stop_texts(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(model), "a joy", "--max-new-tokens", "20"]) == 0
    whole = capsys.readouterr().out
    stop = whole[4:6]
    assert main(["generate", str(model), "a joy", "--max-new-tokens", "20", "--stop", stop, "--stop", "never said"]) == 0
    assert capsys.readouterr().out == whole[: whole.index(stop)] + "\n"


def test_generate_puts_messages_into_the_models_template(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = ["--max-new-tokens", "8", "--json"]
    assert main(["generate", str(model), "--chat", "--system", "be brief", "a joy", *how]) == 0
    found = lines(capsys.readouterr().out)[0]
    assert found["prompt"] == "a joy"
    written = "[system] be brief[SEP][user] a joy[SEP][assistant]"
    predictor = fathom.load(model)
    expected = predictor.writer.generate([written], fathom.inference.make_settings(max_new_tokens=8), framed=True)[0]
    assert (found["text"], found["prompt_tokens"]) == (expected.text, expected.prompt_tokens)


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of its own")
def test_generate_talks_and_forgets_the_oldest_messages(model: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fathom", "generate", str(model), "--chat", "--max-new-tokens", "6"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        os.write(ours, "".join(f"a joy from start to finish {turn}\n" for turn in range(9)).encode())
        os.write(ours, b"\x04")
        out, told = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert "type a message" in told.decode()
    assert told.decode().count("> ") == 10
    assert "the oldest messages are no longer read" in told.decode()
    first = fathom.load(model).writer.generate(
        ["[user] a joy from start to finish 0[SEP][assistant]"], fathom.inference.make_settings(max_new_tokens=6), framed=True
    )
    assert out.decode().startswith(first[0].text)


def test_generate_says_what_was_not_read(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "dull and endless " * 60
    assert main(["generate", str(model), long, "--max-new-tokens", "5"]) == 2
    assert "which leaves room for 0 more" in capsys.readouterr().err
    assert main(["generate", str(model), long, "--max-new-tokens", "5", "--cut-prompt"]) == 0
    assert "tokens of the prompt not read]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a", "--data", "file.csv"], "both PROMPT and --data"),
        (["a", "--system", "be brief"], "--system was given without --chat"),
        (["a", "--beams", "2", "--temperature", "1"], "choose one"),
        (["a", "--top-p", "2", "--temperature", "1"], "top_p: "),
        (["a", "--max-new-tokens", "500"], "max_new_tokens is 500"),
    ],
)
def test_generate_refuses_what_cannot_be(
    model: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(model), *arguments]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert captured.out == ""


def test_generate_says_what_other_models_are_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(tiny.model_folder(tmp_path / "classifier")), "a joy"]) == 2
    assert "use fathom predict" in capsys.readouterr().err
    assert main(["generate", "minilm", "a joy"]) == 2
    assert "'bert'" in capsys.readouterr().err
    assert main(["generate", str(tiny.writer_folder(tmp_path / "writer")), "--chat", "a joy"]) == 2
    assert "no chat template" in capsys.readouterr().err
