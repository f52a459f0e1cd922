"""The pictures of a report, as SVG that stands inside the page: no file, no script, colours taken from the page's style.

matplotlib draws with stand-in colours, which are then replaced by the page's CSS variables, so that one picture is right in
light, in dark and on paper. Text stays text: it can be selected, and a screen reader meets the description, not the strokes.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fathom.limits.comparison import Figures, Rate, Training
from fathom.limits.record import Point

INK, MUTED, GRID, MODEL, BASELINE, WRONG = "#010203", "#020304", "#030405", "#040506", "#050607", "#060708"
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", MODEL: "model", BASELINE: "baseline", WRONG: "wrong"}
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.linewidth": 1.8,
}
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.0f} %")
_DASHES: Any = (0, (4, 3))
LINES: tuple[tuple[str, Any], ...] = (  # colour and stroke of each curve; the page's key has the same
    *((MODEL, "-"), (BASELINE, _DASHES), (WRONG, (0, (1, 1.6))), (MUTED, "-"), (INK, _DASHES)),
)
_MARKED = 9  # points of a curve up to which each is marked and has its own bar


def accuracy_chart(rows: Sequence[tuple[str, Rate, bool]]) -> str:
    """Accuracies as points with their intervals, one row each: (name, rate, is it the model)."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(height=0.75 + 0.5 * len(rows))
        axes.grid(visible=False, axis="y")
        for place, (_, rate, is_model) in enumerate(reversed(rows)):
            colour = MODEL if is_model else BASELINE
            axes.plot(rate.interval, (place, place), color=colour, linewidth=5, solid_capstyle="round", alpha=0.4)
            axes.plot(rate.value, place, "o", color=colour, markersize=9)
            axes.annotate(
                f"{100 * rate.value:.1f} %", (rate.value, place), (0, 9), textcoords="offset points", ha="center", color=INK
            )
        axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.set_ylim(-0.6, len(rows) - 0.25)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("right answers, with 95 % intervals")
        values = "; ".join(f"{name} {100 * rate.value:.1f} %" for name, rate, _ in rows)
        return _svg(figure, "accuracy", f"Accuracy with 95 % intervals: {values}.")


def reliability_chart(model: Figures, chance: float) -> str:
    """Accuracy against confidence, one point a bin; on the diagonal, confidence means what it says.

    Args:
        model: whose answers.
        chance: 1 / number of labels, the least that a highest probability can be.
    """
    curve = model.calibration.curve
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(height=3.6)
        lowest = min([chance, *(part.interval[0] for part in curve)])
        axes.plot((lowest, 1), (lowest, 1), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        x = [part.confidence for part in curve]
        y = np.array([part.accuracy for part in curve])
        ends = np.abs(np.array([part.interval for part in curve]).T - y)
        axes.errorbar(x, y, yerr=ends, fmt="o", color=MODEL, markersize=5.5, elinewidth=1.3)
        axes.set_xlim(chance - 0.02, 1.02)
        axes.set_ylim(lowest - 0.03, 1.03)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.set_xlabel("what the model says (confidence)")
        axes.set_ylabel("how often it is right")
        calibration = model.calibration
        values = f"calibration error {100 * calibration.error:.1f} points, chance alone gives {100 * calibration.floor:.1f}"
        return _svg(figure, "reliability", f"Accuracy against confidence in {len(curve)} bins: {values}.")


def length_chart(model: Figures, baseline: Figures, unit: str) -> str:
    """Accuracy by length of the text, for both classifiers side by side."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(height=3.3)
        axes.grid(visible=False, axis="x")
        for found, colour, shift in ((baseline, BASELINE, -0.11), (model, MODEL, 0.11)):
            y = np.array([part.accuracy for part in found.by_length])
            ends = np.abs(np.array([part.interval for part in found.by_length]).T - y)
            places = np.arange(len(y)) + shift
            axes.errorbar(places, y, yerr=ends, fmt="o", color=colour, markersize=6.5, elinewidth=1.6)
        names = [_span(part.shortest, part.longest) for part in model.by_length]
        axes.set_xticks(range(len(names)), names)
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"length of the text ({unit})")
        values = "; ".join(f"{name}: {100 * part.accuracy:.1f} %" for name, part in zip(names, model.by_length, strict=True))
        return _svg(figure, "length", f"The model's accuracy by length in {unit}: {values}.")


def training_chart(training: Training) -> str:
    """The loss of each update, smoothed, and the accuracy on the dev part where it was measured."""
    return loss_chart(training.losses, [(step, f"dev {100 * accuracy:.1f} %") for step, accuracy in training.evaluations])


def loss_chart(losses: Sequence[tuple[int, float]], marks: Sequence[tuple[int, str]] = ()) -> str:
    """The loss of each update, smoothed, and what is said at some of them."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(height=3.0)
        steps, values = (np.array(column, dtype=np.float64) for column in zip(*losses, strict=True))
        axes.plot(steps, values, color=MODEL, linewidth=0.6, alpha=0.35)
        axes.plot(steps, _smooth(values, max(1, len(values) // 15)), color=MODEL)
        for step, words in marks:
            axes.axvline(step, color=BASELINE, linewidth=1, linestyle=(0, (4, 3)))
            place = (step, axes.get_ylim()[1])
            axes.annotate(words, place, (-5, -3), textcoords="offset points", ha="right", va="top")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("update")
        axes.set_ylabel("loss (nats)")
        return _svg(figure, "training", f"Training loss over {len(values)} updates, from {values[0]:.2f} to {values[-1]:.2f}.")


def held_out_chart(evaluations: Sequence[Mapping[str, float]]) -> str:
    """The loss on held-out documents by update, beside that of counting tokens and counting pairs of them."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(height=3.3)
        steps, losses = [e["step"] for e in evaluations], [e["loss"] for e in evaluations]
        axes.plot(steps, losses, "o-", color=MODEL, markersize=5.5)
        for name, key in (("frequency", "unigram_loss"), ("the token before", "bigram_loss")):
            level = evaluations[-1][key]
            axes.axhline(level, color=BASELINE, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{name} {level:.2f}",
                (1, level),
                (0, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                color=INK,
            )
        axes.annotate(f"{losses[-1]:.2f}", (steps[-1], losses[-1]), (0, -14), textcoords="offset points", ha="right", color=INK)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("update")
        axes.set_ylabel("loss (nats an answer)")
        values = f"from {losses[0]:.2f} to {losses[-1]:.2f} nats; counting has {evaluations[-1]['bigram_loss']:.2f}"
        return _svg(figure, "held-out", f"Loss on held-out documents in {len(losses)} measurements, {values}.")


@dataclass(frozen=True)
class Curve:
    """One line of a picture."""

    name: str
    points: Sequence[Point]


def curve_chart(
    curves: Sequence[Curve],
    *,
    name: str,
    x: str,
    y: str,
    share_x: bool,
    share_y: bool,
    diagonal: bool,
    description: str,
    mark: tuple[float, float, str] | None = None,
) -> str:
    """Curves over one axis, with their 95 % intervals: bars where points are few, else a band.

    Args:
        curves: each with at least one point; the first is the classifier's.
        name: distinguishes this picture's parts from those of others on the page.
        x: what the axis shows.
        y: likewise.
        share_x: write it in per cent.
        share_y: likewise.
        diagonal: points should lie on y = x; what lies between them and it is shaded.
        description: for those who do not see it.
        mark: a point with a word beside it.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(height=3.5)
        for place, curve in enumerate(curves):
            colour, stroke = LINES[place % len(LINES)]
            points = sorted(curve.points, key=lambda point: point.x)
            _draw_curve(axes, points, colour, stroke, joined=not diagonal)
        if diagonal:
            _draw_diagonal(axes, [point for curve in curves for point in curve.points])
        if mark is not None:
            axes.plot(*mark[:2], "D", color=INK, markersize=7)
            axes.annotate(mark[2], mark[:2], (-7, 7), textcoords="offset points", ha="right", color=INK, parse_math=False)
        if share_x:
            axes.xaxis.set_major_formatter(_PERCENT)
        if share_y:
            axes.yaxis.set_major_formatter(_PERCENT)
            low, high = axes.get_ylim()
            axes.set_ylim(max(-0.02, low), min(1.03, high))
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.set_xlabel(x, parse_math=False)
        axes.set_ylabel(y, parse_math=False)
        return _svg(figure, name, description)


def _draw_curve(axes: Axes, points: Sequence[Point], colour: str, stroke: Any, *, joined: bool) -> None:
    x, y = [point.x for point in points], np.array([point.y for point in points])
    known = [point for point in points if point.interval is not None]
    few = len(points) <= _MARKED or not joined
    if known and few:
        at = np.array([point.y for point in known])
        ends = np.array([point.interval for point in known]).T
        away = np.maximum(0, np.stack([at - ends[0], ends[1] - at]))
        axes.errorbar([point.x for point in known], at, yerr=away, fmt="none", ecolor=colour, elinewidth=1.3)
    elif known:
        low, high = np.array([point.interval for point in known]).T
        axes.fill_between([point.x for point in known], low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(x, y, linestyle=stroke if joined else "none", marker="o" if few else None, color=colour, markersize=5.5)


def _draw_diagonal(axes: Axes, points: Sequence[Point]) -> None:
    """The line y = x, and thin lines from the points to it: their lengths are what a calibration error is the mean of."""
    reach = [value for point in points for value in (point.x, point.y, *(point.interval or ()))]
    low, high = min(reach), max(reach)
    axes.plot((low, high), (low, high), color=MUTED, linewidth=1.1, linestyle=_DASHES, zorder=1)
    for point in points:
        axes.plot(
            (point.x, point.x), (point.x, point.y), color=WRONG, linewidth=4.5, alpha=0.35, zorder=1, solid_capstyle="butt"
        )


def _axes(height: float) -> tuple[Figure, Axes]:
    """5.2 by `height` inches: wide enough for a column on a desk, and text that can be read when shrunk to a phone."""
    figure = Figure(figsize=(5.2, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    return figure, axes


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """A moving mean over the `width` values before and after, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(0, places - width), np.minimum(len(values), places + width + 1)
    smoothed: np.ndarray = (sums[high] - sums[low]) / (high - low)
    return smoothed


def _svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an element that scales with its column and means the same every time it is made."""
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # matplotlib measures text in its own font, which has no Chinese; the page's has, and the places are near enough
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = file.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)  # they repeat from picture to picture, and nothing refers to them
    drawn = re.sub(r"<!--.*?-->\n?", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", drawn)
    drawn = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 role="img" aria-label="DESCRIPTION">', drawn, count=1)
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, f"var(--{variable})")
    return drawn.replace("DESCRIPTION", html.escape(description, quote=True), 1).replace("xlink:href", "href").strip()
