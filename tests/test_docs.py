"""The guide's commands run as they stand, the two languages show the same ones, and the READMEs quote the records."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fathom.cli.main import VERBS, app

ROOT = Path(__file__).parents[1]
GUIDE, GUIDE_ZH = ROOT / "docs" / "guide.md", ROOT / "docs" / "zh" / "guide.md"
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").glob("*.yaml")]
_BLOCK = re.compile(r"^```(\w+)( \w+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path) -> list[tuple[str, str, str]]:
    """(language, mark, content) of each fenced block."""
    return [(kind, mark.strip(), text) for kind, mark, text in _BLOCK.findall(path.read_text(encoding="utf-8"))]


def run(guide: Path, folder: Path, marks: set[str]) -> None:
    """The blocks with these marks, from top to bottom, in one folder."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}
    for kind, mark, text in blocks(guide):
        if kind in ("sh", "python") and mark in marks:
            # -u and pipefail: a typing error in a block is an error
            command = ["bash", "-euo", "pipefail", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
            ended = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=280
            )
            assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.timeout(900)
def test_docs_every_block_of_the_guide_runs(tmp_path: Path) -> None:
    run(GUIDE, tmp_path, {""})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_docs_the_long_blocks_of_the_guide_run(tmp_path: Path) -> None:
    run(GUIDE, tmp_path, {"slow"})


def test_docs_the_chinese_guide_shows_the_same_commands() -> None:
    english, chinese = blocks(GUIDE), blocks(GUIDE_ZH)
    assert [block[:2] for block in english] == [block[:2] for block in chinese]

    def code(found: list[tuple[str, str, str]]) -> list[str]:
        return [re.sub(r" *#.*", "", text) for kind, _, text in found if kind in ("sh", "python", "yaml")]

    assert code(english) == code(chinese)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docs_every_command_that_is_named_exists(path: Path) -> None:
    group = typer.main.get_command(app)
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"(?:^|`|\| )(fathom [a-z][^`\n|]*)", text, re.MULTILINE):
        words = shlex.split(line.split(" > ")[0].split(" < ")[0], comments=True)
        if words[1] not in VERBS:
            continue
        known = {
            option for parameter in group.commands[words[1]].params for option in [*parameter.opts, *parameter.secondary_opts]
        }
        flags = {word.split("=")[0] for word in words[2:] if word.startswith("--")} - {"--help", "--debug", "--"}
        assert flags <= known, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docs_every_link_and_path_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = {link for link in links if "://" not in link and not (path.parent / link).exists()}
    named = re.findall(r"`((?:src|tests|docs|recipes|benchmarks)/[\w./-]+)`", text)
    missing |= {name for name in named if not (ROOT / name).exists()}
    assert not missing


def test_docs_figures_are_those_of_the_records() -> None:
    ended = subprocess.run(
        [sys.executable, "benchmarks/figures.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
