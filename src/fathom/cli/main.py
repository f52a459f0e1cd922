"""The command `fathom`: the table of verbs, and what every error becomes.

    0 done · 1 a bug in fathom · 2 unusable input · 3 refused by a gate · 4 the machine failed us · 130 stopped by the user

To add a verb, write `fathom/cli/VERB.py` with a function `VERB` and add a line to VERBS. Verb modules import typer and
`fathom.cli` at the top and the library inside the function, so that `fathom VERB --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated, TextIO

import typer
from typer.main import get_command

from fathom.errors import FathomError, MachineError, ToldElsewhereError, explain

VERBS = {
    "quickstart": "the whole way on a small real data set and a small real model, offline, in minutes",
    "pretrain": "documents without labels → a base model",
    "finetune": "labelled texts and a model (or none) → a classifier",
    "evaluate": "measure a classifier on labelled texts, with intervals",
    "limits": "measure where a classifier fails, and when it may answer",
    "predict": "label texts, with calibrated confidence; or find what a model was trained to find",
    "explain": "show which words carried an answer, and how far that can be believed",
    "generate": "write text from prompts, or talk",
    "tokenizer": "learn a vocabulary from texts",
    "data": "data sets known by name; what a file holds",
    "models": "models known by name; what a folder holds",
}

app = typer.Typer(
    name="fathom",
    help="Raw text to a small Transformer language model, with its limits measured.",
    epilog="DATA is a name (`fathom data`), a path or hf:owner/name. "
    "MODEL is a folder, a name (`fathom models`) or hf:owner/name.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it starts twice as fast and reads the same in a file
    # typer imports pydantic to turn a --help that was not given (None) into a bool; False spares every help page that time
    context_settings={"help_option_names": ["-h", "--help"], "default_map": {"help": False}},
)


def _print_version(asked: bool) -> None:
    if asked:
        import fathom

        typer.echo(f"fathom {fathom.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="With any verb: show the traceback of an error.")] = False,
) -> None:
    """Raw text to a small Transformer language model, with its limits measured."""


for _verb, _summary in VERBS.items():
    if find_spec(f"fathom.cli.{_verb}") is None:
        continue
    app.command(_verb, short_help=_summary)(getattr(import_module(f"fathom.cli.{_verb}"), _verb))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; a person sees a message, never a traceback without --debug."""
    given, debug = _without_debug(list(sys.argv[1:] if arguments is None else arguments))
    for stream in (sys.stdout, sys.stderr):
        # Whatever the locale, output is UTF-8; half a surrogate pair, which some files hold, becomes \udXXX, as JSON
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    before = signal.signal(signal.SIGTERM, _interrupt)
    formatwarning, warnings.formatwarning = warnings.formatwarning, _in_words
    try:
        get_command(app)(given, prog_name="fathom")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.__context__, BrokenPipeError):  # a reader that has enough (`| head`) is no error of ours
            code = 0
        elif code == 130:
            _tell("stopped")
    except KeyboardInterrupt:  # before the command began, or after it
        code = 130
        _tell("stopped")
    except BaseException as error:
        if debug:
            raise
        code, message = explain_error(error)
        if not isinstance(error, ToldElsewhereError):
            _tell(message)
    else:
        code = 0
    finally:
        signal.signal(signal.SIGTERM, before)
        warnings.formatwarning = formatwarning
    return _flushed(sys.stdout, code)


def explain_error(error: BaseException) -> tuple[int, str]:
    """The exit code for an error, and what to tell a person."""
    if isinstance(error, FathomError):
        return error.exit_code, str(error)
    if _is_out_of_memory(error):
        return MachineError.exit_code, explain(
            "memory ran out",
            do="close other programs, or choose smaller batches, shorter texts (--max-length) or a smaller model",
        )
    from fathom.folders import machine_reason

    if (reason := machine_reason(error)) is not None:
        where = getattr(error, "filename", None) or "a file"
        return MachineError.exit_code, explain(
            f"{where} cannot be used: {reason}", do="free some space, check the permissions, or choose another place"
        )
    kind = type(error).__name__
    return 1, explain(
        f"{kind}: {str(error)[:500]}" if str(error) else kind,
        expected="this is a bug in fathom: an error that it should have explained",
        do="run again with --debug and report what it prints",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """Python's own error, torch's for accelerators (by name, since torch may not be loaded) and torch's for the processor."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """--debug counts wherever it stands before a `--`, because it is added to a command that has just failed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != "--debug"]
    return kept + arguments[end:], len(kept) < end


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a command the way Ctrl-C does: temporary folders are removed."""
    raise KeyboardInterrupt


def _tell(message: str) -> None:
    print(f"fathom: {message}", file=sys.stderr)


_plain = warnings.formatwarning


def _in_words(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
    """A warning of ours without the line of code that gave it."""
    ours = Path(filename).is_relative_to(Path(__file__).parents[1])
    return f"fathom: {message}\n" if ours else _plain(message, category, filename, lineno, line)


def _flushed(stream: TextIO, code: int) -> int:
    """The exit code, after everything has been written, or the reader has left."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
