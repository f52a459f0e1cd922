"""`fathom tokenizer`: a folder that both libraries read, and a line that says how it spells."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from fathom.cli.main import main
from fathom.text import Tokenizer
from tests import tiny

TEXT = "a wonderful film with bad acting"


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "words"])
def test_tokenizer_writes_what_both_libraries_read(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = tiny.csv_file(tmp_path / "data.csv"), tmp_path / "vocabulary"
    assert main(["tokenizer", str(data), "--kind", kind, "--size", "300", "--output", str(output), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    tokenizer = Tokenizer.load(output)
    assert shown["size"] == tokenizer.vocab_size
    assert shown["texts"] == len(tiny.examples())
    assert shown["tokens_per_word"] >= 1
    ours = tokenizer.encode([TEXT], max_length=512)[0][0].token_ids
    assert AutoTokenizer.from_pretrained(output)(TEXT)["input_ids"] == ours


def test_tokenizer_reads_several_corpora_and_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("warm water\n" * 3)
    second.write_text("酒店很好 cold\n" * 3, encoding="utf-8")
    output = tmp_path / "vocabulary"
    arguments = [str(first), str(second), "--kind", "words", "--language", "zh", "--size", "20", "--output", str(output)]
    assert main(["tokenizer", *arguments]) == 0
    shown = capsys.readouterr().out
    assert f"--set vocabulary.folder={output}" in shown
    assert {"warm", "酒店", "cold"} <= set(Tokenizer.load(output).tokens())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--kind", "woords"], "kind: Input should be"),
        (["--size", "3"], "size: Input should be greater"),
        (["--text", "none"], "has no column 'none'"),
        (["--kind", "words", "--language", "tlh"], "tlh"),
    ],
)
def test_tokenizer_names_what_it_cannot_use(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.csv_file(tmp_path / "data.csv")
    assert main(["tokenizer", str(data), "--output", str(tmp_path / "v"), *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "v").exists()


def test_tokenizer_leaves_a_folder_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = tiny.csv_file(tmp_path / "data.csv"), tmp_path / "v"
    command = ["tokenizer", str(data), "--size", "200", "--output", str(output)]
    assert main(command) == 0
    before = (output / "tokenizer.json").read_bytes()
    assert main(command) == 2
    assert main([*command, "--overwrite"]) == 0
    assert (output / "tokenizer.json").read_bytes() == before, "the same texts give the same vocabulary"
