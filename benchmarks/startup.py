"""How long a first answer takes from the shell, and how much memory answers need.

python benchmarks/startup.py --model runs/quickstart/model      a minute or two
python benchmarks/startup.py --quick                            fewer rounds and texts

Commands are started in turn, each in a process of its own: an empty `import torch`, the help, one answer, and the same answer
from transformers' pipeline. Memory is the most that a process held. Standard input is answered as it comes: what is held must
not grow with the number of texts. Writes benchmarks/results/startup.json.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from steps import RESULTS, run, write_record
from timing import machine, summary

from fathom.checkpoint.weights import weight_files
from fathom.cli.console import table
from fathom.data import open_data
from fathom.errors import FathomError, SettingsError

TEXT = "A joy from the first scene to the last."
FATHOM = [str(Path(sys.executable).with_name("fathom"))]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


# A process of a few MB between this one and what is measured: a child begins with the memory of the one that forks it.
LAUNCHER = """
import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def launched(command: list[str], given: str = "") -> tuple[float, float]:
    """Seconds of a command, and the MB that it held at most.

    Raises:
        FathomError: it failed.
    """
    whole = [sys.executable, "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(whole, input=given, capture_output=True, text=True, check=True)
    code, seconds, most = done.stdout.split()
    if int(code):
        raise FathomError(f"{' '.join(command)} ended with {code}: {done.stderr[-400:]}")
    return float(seconds), float(most) * (1 if sys.platform == "darwin" else 1024) / 1e6


@app.command()
def startup(
    model: Annotated[Path, typer.Option(help="a classifier")] = Path("runs/quickstart/model"),
    rounds: Annotated[int, typer.Option(min=1)] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="fewer rounds and texts")] = False,
    record: Annotated[Path | None, typer.Option(help="usually benchmarks/results/startup.json; --quick writes none")] = None,
) -> None:
    """Seconds to a first answer, and MB."""
    if not (model / "config.json").is_file():
        raise SettingsError(f"{model} is no model folder", expected="a classifier", do="make one: fathom quickstart")
    pipeline = f"from transformers import pipeline; print(pipeline('text-classification', model={str(model)!r})({TEXT!r}))"
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "fathom --help": [*FATHOM, "--help"],
        "fathom predict": [*FATHOM, "predict", str(model), TEXT],
        "transformers pipeline": [sys.executable, "-c", pipeline],
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range((2 if quick else rounds) + 1):
        for name, command in commands.items():
            one = launched(command)
            if number:
                found[name].append(one)
    held: dict[str, Any] = {
        name: {"seconds": summary([s for s, _ in ones]), "megabytes": max(mb for _, mb in ones)} for name, ones in found.items()
    }
    weights = sum(path.stat().st_size for path in weight_files(model)) / 1e6
    sentences = [example.text.replace("\n", " ") for example in islice(open_data("rotten-tomatoes"), 2000)]
    counts = (200, 1000) if quick else (2_000, 10_000)
    streamed = {
        count: launched([*FATHOM, "predict", str(model)], "\n".join(islice(cycle(sentences), count)) + "\n")[1]
        for count in counts
    }
    rows = [[name, f"{one['seconds']['median']:.2f} s", f"{one['megabytes']:,.0f} MB"] for name, one in held.items()]
    rows += [[f"fathom predict, {count:,} lines", "", f"{megabytes:,.0f} MB"] for count, megabytes in streamed.items()]
    print(table(rows, ["command", "median", "at most"]))
    more = held["fathom predict"]["seconds"]["median"] - held["import torch"]["seconds"]["median"]
    print(f"a first answer takes {more:.2f} s longer than `import torch`; the weights are {weights:,.0f} MB")
    if record is not None or not quick:
        result = {"commands": held, "seconds_beyond_torch": more, "weights_megabytes": weights}
        result |= {"streamed_megabytes": {str(count): megabytes for count, megabytes in streamed.items()}, "setting": machine()}
        write_record(record or RESULTS / "startup.json", result)


if __name__ == "__main__":
    sys.exit(run(app))
