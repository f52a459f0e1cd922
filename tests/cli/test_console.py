from __future__ import annotations

import io
import json

import pytest

from fathom.cli.console import Bar, duration, emit, file_size, percent, percent_with_interval, say, table


def test_console_emit_prints_json_or_text_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"label": "好"}, json=True, text="good")
    emit({"label": "好"}, json=False, text="good")
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert json.loads(first) == {"label": "好"}
    assert "好" in first
    assert second == "good"
    assert err == ""


def test_console_emit_refuses_numbers_that_json_does_not_have() -> None:
    with pytest.raises(ValueError, match="JSON"):
        emit({"loss": float("nan")}, json=True, text="")


def test_console_say_keeps_standard_output_clean(capsys: pytest.CaptureFixture[str]) -> None:
    say("reading")
    assert capsys.readouterr() == ("", "reading\n")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (9.5, "9.5 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (3700, "1 h 1 min")]
)
def test_console_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (90_868_376, "90.9 MB")])
def test_console_file_size(count: int, shown: str) -> None:
    assert file_size(count) == shown


def test_console_percent() -> None:
    assert percent(0.91234) == "91.2 %"
    assert percent_with_interval(0.91234, (0.9, 0.92), 2) == "91.23 % (90.00 to 92.00)"


def test_console_table_lines_up_wide_characters() -> None:
    assert table([["好", "1"], ["bad", "22"]], ["label", "n"]).splitlines() == ["label  n", "好     1", "bad    22"]
    assert table([]) == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("total", "expected"), [(10, "7 of 10 texts"), (None, "7 texts")])
def test_console_bar_counts_for_a_person(total: int | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with Bar("answering", total=total, unit="texts") as bar:
        bar.advance(4)
        bar.advance(3, note="almost")
    assert expected in terminal.getvalue()
    assert "almost" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO, False), (_Terminal, True)])
def test_console_bar_is_silent_for_files_and_programs(
    stream: type[io.StringIO], quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = stream()
    monkeypatch.setattr("sys.stderr", shown)
    with Bar("answering", total=3, unit="texts", quiet=quiet) as bar:
        bar.advance(3)
    assert shown.getvalue() == ""
