"""What attention to long texts costs: scores between all tokens against blocks, the same result both ways.

python benchmarks/long.py              one layer from 128 to 8,192 tokens; some minutes
python benchmarks/long.py --quick      four lengths up to 2,048 tokens, few rounds; under 30 seconds

Time is that of one attention layer with what tells it who sees whom, forward, and forward with backward, in seconds of the
processor; every round runs all candidates at all lengths, since a slope compares lengths.
Memory is the most that torch held at once. The slope is that of log cost against log length from 1,024 tokens on: 1 is linear,
2 is quadratic. The crossing is the length from which on blocks are faster. Between all tokens every pattern costs the same,
since the kernel leaves nothing out, so that one of them, the cheapest to prepare, stands for all. Writes
benchmarks/results/long.json and a picture beside it. One thread: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import torch
import typer
from drawing import STYLE, as_svg
from matplotlib.figure import Figure
from steps import RESULTS, run, say, write_record
from timing import interleaved, summary

from fathom.errors import SettingsError
from fathom.folders import write_text_atomically
from fathom.model import Attention, TransformerConfig, View
from fathom.model.local_attention import make_blocks, pays_off
from fathom.model.visibility import LocalVisibility, first_tokens, random_blocks

WIDTH, HEADS = 256, 4
LENGTHS = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)
QUICK = (256, 512, 1024, 2048)
SLOPE_FROM = 1024  # tokens; below, what does not depend on the length counts
LONGEST = 65_536
DTYPES = {"cpu": "float32", "cuda": "bfloat16"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Pattern:
    """Who sees whom; fields as in `TransformerConfig`."""

    window: int
    causal: bool = False
    global_tokens: int = 0
    random_blocks: int = 0

    def rule(self, length: int, device: torch.device) -> LocalVisibility:
        few = first_tokens(self.global_tokens, length, None, None, device) if self.global_tokens else None
        chosen = random_blocks(self.random_blocks, 0, length, None, device) if self.random_blocks else None
        return LocalVisibility(length, self.window, self.causal, None, None, few, chosen)

    def used_from(self, device: torch.device) -> int:
        """The shortest text that fathom computes in blocks."""
        low, high = 1, LONGEST
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if pays_off(self.rule(middle, device), device) else (middle + 1, high)
        return low


PATTERNS = {
    "modernbert": Pattern(64),
    "gpt-neo": Pattern(255, causal=True),
    "longformer": Pattern(64, global_tokens=1),
    "bigbird": Pattern(64, global_tokens=1, random_blocks=3),
}
SAID = {
    "modernbert": "window of 64 to both sides",
    "gpt-neo": "window of 255 to the left",
    "longformer": "window of 64, 1 global token",
    "bigbird": "window of 64, 1 global token, 3 random blocks",
}


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help=f"{', '.join(map(str, QUICK))} tokens, few rounds")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="through all lengths")] = 6,
    rows: Annotated[int, typer.Option(min=1, help="texts side by side")] = 1,
    device: Annotated[str, typer.Option(help="cpu in float32, or cuda in bfloat16")] = "cpu",
    record: Annotated[Path | None, typer.Option(help="usually benchmarks/results/long.json; with --quick, none")] = None,
) -> None:
    """Measures, prints and writes."""
    if (threads := torch.get_num_threads()) > 1 and device == "cpu":
        raise SettingsError(f"torch has {threads} threads", expected="one", do="OMP_NUM_THREADS=1 python benchmarks/long.py")
    on = torch.device(device)
    measured = measure(QUICK, 3, rows, on) if quick else measure(LENGTHS, rounds, rows, on)
    found = conclude(measured, on)
    print(table(found))
    path = record or (None if quick else RESULTS / "long.json")
    if path is not None:
        shape = {"width": WIDTH, "heads": HEADS, "rows": rows, "dtype": DTYPES[on.type], "device": device}
        write_record(path, {**shape, **found})
        write_text_atomically(path.with_suffix(".svg"), draw(found))


def measure(lengths: tuple[int, ...], rounds: int, rows: int, device: torch.device) -> dict[str, list[dict[str, Any]]]:
    """What each length cost between all tokens ("dense") and in the blocks of each pattern."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 1, "depth": 1, "feed_forward_width": 1, "max_length": 1, "attention_dropout": 0.0}
    attention = Attention(TransformerConfig(width=WIDTH, heads=HEADS, **shape)).eval().to(device)
    dtype = getattr(torch, DTYPES[device.type])
    calls: dict[tuple[str, str, int], Callable[[], object]] = {}
    for length in lengths:
        hidden = torch.randn(rows, length, WIDTH, device=device, requires_grad=True)
        for pattern in PATTERNS.values():
            with torch.no_grad():  # only equal results are compared
                same = (way(attention, hidden, pattern) for way in (blocks, dense))
                torch.testing.assert_close(*same, atol=1e-5, rtol=0)
    attention.to(dtype)
    for length in lengths:
        hidden = torch.randn(rows, length, WIDTH, device=device, dtype=dtype, requires_grad=True)
        layers = {"dense": partial(dense, attention, hidden, PATTERNS["modernbert"])}
        layers |= {name: partial(blocks, attention, hidden, pattern) for name, pattern in PATTERNS.items()}
        calls |= {(name, kind, length): make(layer) for name, layer in layers.items() for kind, make in KINDS.items()}
    say(f"{rounds + 1} rounds through {len(calls)} calls")
    times = {
        length: max(1, SLOPE_FROM // length) for length in lengths
    }  # a short text is read as often as fills a clock's tick
    repeated = {str(key): partial(_again, call, times[key[2]]) for key, call in calls.items()}
    taken = interleaved(repeated, rounds, time.process_time if device.type == "cpu" else time.perf_counter)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("dense", *PATTERNS)}
    for name, points in found.items():
        for length in lengths:
            costs = {kind: summary([s / times[length] for s in taken[str((name, kind, length))]]) for kind in KINDS}
            points.append({"tokens": length, **costs, "bytes": peak_bytes(calls[name, "forward_and_backward", length], device)})
    return found


def _again(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def dense(attention: Attention, hidden: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """(B, L, D) states -> the same, with scores between all tokens."""
    places = torch.arange(hidden.shape[1], device=hidden.device)[None]
    seen = pattern.rule(hidden.shape[1], hidden.device).seen_from(places)
    states: torch.Tensor = attention(hidden, view=View(seen.score_bias(hidden.dtype)))
    return states


def blocks(attention: Attention, hidden: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """The same in blocks."""
    made = make_blocks(pattern.rule(hidden.shape[1], hidden.device), len(hidden), hidden.dtype, hidden.device)
    states: torch.Tensor = attention(hidden, view=View(blocks=made))
    return states


def forward(layer: Callable[[], torch.Tensor]) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            layer()

    return run


def forward_and_backward(layer: Callable[[], torch.Tensor]) -> Callable[[], None]:
    return lambda: layer().sum().backward()


KINDS = {"forward": forward, "forward_and_backward": forward_and_backward}


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most that torch held at once of what it allocated while something ran, from its own records."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with silent(), torch.autograd.profiler.profile(profile_memory=True, use_kineto=True) as profile:
        call()
    assert profile.kineto_results is not None
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    held = np.cumsum([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())])
    return int(held.max(initial=0))


@contextmanager
def silent() -> Iterator[None]:
    """The profiler says on standard error that it starts and stops, and cannot be told not to."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def conclude(measured: dict[str, list[dict[str, Any]]], device: torch.device) -> dict[str, Any]:
    """With slopes, crossings, and where blocks are slower although fathom uses them."""
    costs: dict[str, dict[str, dict[int, float]]] = {
        name: {
            **{kind: {point["tokens"]: point[kind]["median"] for point in points} for kind in KINDS},
            "bytes": {point["tokens"]: point["bytes"] for point in points},
        }
        for name, points in measured.items()
    }
    slopes = {name: {what: slope(of) for what, of in kinds.items()} for name, kinds in costs.items()}
    found: dict[str, Any] = {"dense": {"slopes": slopes["dense"], "measured": measured["dense"]}, "blocks": {}}
    for name, pattern in PATTERNS.items():
        used_from = pattern.used_from(device)
        slower = [
            {"tokens": length, "what": kind, "ratio": costs["dense"][kind][length] / costs[name][kind][length]}
            for kind in KINDS
            for length in costs[name][kind]
            if length >= used_from and costs["dense"][kind][length] < costs[name][kind][length]
        ]
        found["blocks"][name] = {
            "pattern": SAID[name],
            "slopes": slopes[name],
            "crossing_tokens": {what: crossing(of, costs[name][what]) for what, of in costs["dense"].items()},
            "used_from_tokens": used_from,
            "slower_where_used": slower,
            "measured": measured[name],
        }
    return found


def slope(costs: dict[int, float]) -> float | None:
    """Of log cost against log length by least squares; None with fewer than two long texts."""
    long = {length: cost for length, cost in costs.items() if length >= SLOPE_FROM}
    if len(long) < 2:
        return None
    return float(np.polyfit(np.log(list(long)), np.log(list(long.values())), 1)[0])


def crossing(dense: dict[int, float], blocks: dict[int, float]) -> int | None:
    """Tokens from which on blocks cost less at every length; None where they are not at the longest.

    Between the last length at which they are not and the next one, the logarithm of the ratio is taken for straight.
    """
    gain = {length: math.log(dense[length] / blocks[length]) for length in sorted(dense)}
    dearer = [length for length, value in gain.items() if value <= 0]
    if not dearer:
        return min(gain)
    cheaper = [length for length in gain if length > dearer[-1]]
    if not cheaper:
        return None
    low, high = dearer[-1], cheaper[0]
    share = -gain[low] / (gain[high] - gain[low])
    return math.ceil(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))


def table(found: dict[str, Any]) -> str:
    """Milliseconds and mebibytes, how many times the dense computation that is, and what follows."""
    lines = [f"dense: {_slopes(found['dense']['slopes'])}", ""]
    for name, held in found["blocks"].items():
        lines += [f"{name}: {held['pattern']}", f"{'tokens':>8}{'forward, ms':>29}{'with backward, ms':>31}{'MiB':>18}"]
        for other, point in zip(found["dense"]["measured"], held["measured"], strict=True):
            cells = [f"{point['tokens']:>8,}"]
            for kind in KINDS:
                before, after = other[kind]["median"], point[kind]["median"]
                cells.append(f"{1000 * before:>9.1f} → {1000 * after:>7.1f} ({before / after:>5.2f} ×)")
            cells.append(f"{other['bytes'] / 2**20:>8.1f} → {point['bytes'] / 2**20:>5.1f}")
            lines.append("  ".join(cells))
        from_on = held["crossing_tokens"]
        lines += [
            f"  {_slopes(held['slopes'])}",
            f"  faster from {_or_never(from_on['forward'])} tokens on forward, {_or_never(from_on['forward_and_backward'])} "
            f"with backward; less memory from {_or_never(from_on['bytes'])}; used from {held['used_from_tokens']:,}",
            *(f"  slower than dense where used: {case}" for case in held["slower_where_used"]),
            "",
        ]
    return "\n".join(lines)


def _slopes(slopes: dict[str, float | None]) -> str:
    forward, both, held = ("—" if value is None else f"{value:.2f}" for value in slopes.values())
    return f"slope against length: forward {forward}, with backward {both}, memory {held}"


def _or_never(tokens: int | None) -> str:
    return "no length" if tokens is None else f"{tokens:,}"


_COLOURS = {"modernbert": "#1f5fae", "gpt-neo": "#8a4fa3", "longformer": "#b5521b", "bigbird": "#3a7d44"}


def figure(record: dict[str, Any]) -> Figure:
    """Cost of one layer against length: time of a forward pass, time with the backward pass, memory."""
    panels: list[tuple[str, Callable[[dict[str, Any]], float]]] = [
        ("forward, seconds", lambda point: point["forward"]["median"]),
        ("forward and backward, seconds", lambda point: point["forward_and_backward"]["median"]),
        ("memory with backward, MiB", lambda point: point["bytes"] / 2**20),
    ]
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(11, 4.6), layout="constrained")
        for axes, (title, value) in zip(drawn.subplots(1, 3), panels, strict=True):
            lines = [("dense", "between all tokens", record["dense"])]
            lines += [(name, held["pattern"], held) for name, held in record["blocks"].items()]
            for name, said, held in lines:
                points = held["measured"]
                xs, ys = [point["tokens"] for point in points], [value(point) for point in points]
                colour, kind = _COLOURS.get(name, "#777777"), "s--" if name == "dense" else "o-"
                axes.plot(xs, ys, kind, color=colour, markersize=3.5, label=said)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.xaxis.set_major_formatter(lambda tokens, _: f"{tokens:,.0f}")
            axes.tick_params(axis="x", rotation=45)
            axes.set_xlabel("tokens")
            axes.set_title(title, fontsize=10.5)
        drawn.legend(
            *drawn.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9.5
        )
        return drawn


def draw(record: dict[str, Any]) -> str:
    """The picture as an SVG file that is the same every time it is made from the same record."""
    return as_svg(figure(record), "long")


if __name__ == "__main__":
    sys.exit(run(app))
