"""What an answer costs: operations, seconds, memory, energy. On this machine, beside whatever else it did."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binom

from fathom.inference.packed import unpacked
from fathom.limits.context import Context, Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point, Rate, RatesDetail
from fathom.limits.statistics import Interval
from fathom.training.throughput import flop_counter

FAMILY = "cost"
WARM_UP = 3  # calls before the clock counts
ALONE, ALONE_QUICK = 40, 15  # calls for one text
TOGETHER, TOGETHER_QUICK = 6, 3  # calls for many
BATCHES, BATCHES_QUICK = (8, 32), (8,)
LENGTHS, LENGTHS_QUICK = (16, 32, 64, 128, 256, 512), (16, 64, 256)  # tokens at which operations are counted
RATES = (0.25, 0.95)  # quantiles of length: a short text, a long text


def measure_cost(context: Context) -> list[Measure]:
    """Each figure stands alone: where one cannot be had, the others can."""
    seconds = _time(context)
    return [_operations(context), *_latency(context, seconds), _memory(context), _energy(context, seconds)]


def _operations(context: Context) -> Measure:
    name, title = "operations", "FLOPs for a text of median length"
    classifier = context.asked.classifier
    if "predictor" not in classifier.capabilities:
        reason = f"{classifier.name} does not show its matrix products"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", unit="FLOPs", reason=reason)
    predictor = classifier.predictor()
    model, config = unpacked(predictor.classifier), predictor.classifier.config
    longest = predictor.about.max_length
    device = next(model.parameters()).device
    read = classifier.lengths(context.report.texts)
    median = int(min(longest, np.median(read.tokens - read.unread)))

    def counted(tokens: int) -> float:
        ids = torch.full((1, tokens), config.pad_id + 1 if config.pad_id + 1 < config.vocab_size else 0, device=device)
        with torch.inference_mode(), flop_counter() as counter:
            model(ids, None)
        return float(counter.get_total_flops())

    lengths = sorted({min(tokens, longest) for tokens in (LENGTHS_QUICK if context.quick else LENGTHS)} | {median})
    points = [Point(x=float(tokens), y=counted(tokens)) for tokens in lengths]
    value = next(point.y for point in points if point.x == median)
    return Measure(
        name=name,
        family=FAMILY,
        title=f"{title}, {median} tokens",
        status="measured",
        value=value,
        n=len(context.report),
        unit="FLOPs",
        better="lower",
        assumptions=[
            "two for each multiplication in a matrix product or in attention; nothing else is counted",
            "a text that is read in windows costs as much as all of its windows",
        ],
        detail=CurveDetail(x="tokens of the text", y="FLOPs", lines=[Line(name="one text alone", points=points)]),
    )


def _time(context: Context) -> dict[str, tuple[int, np.ndarray]]:
    """By what was asked: texts in a call, and the seconds of each call."""
    order = np.argsort([len(text) for text in context.report.texts], kind="stable")
    generator = context.generator("latency")
    found: dict[str, tuple[int, np.ndarray]] = {}

    def timed(name: str, calls: int, size: int, rows: np.ndarray) -> None:
        texts = [[context.report.texts[row] for row in generator.choice(rows, size=size)] for _ in range(calls + WARM_UP)]
        seconds = [context.asked.seconds_of(some) for some in texts]
        found[name] = size, np.array(seconds[WARM_UP:])

    alone = ALONE_QUICK if context.quick else ALONE
    timed("one text", alone, 1, order)
    for what, quantile in zip(("short", "long"), RATES, strict=True):
        middle = int(quantile * (len(order) - 1))
        near = order[max(0, middle - len(order) // 20) : middle + len(order) // 20 + 1]
        timed(f"one {what} text, about {len(context.report.texts[order[middle]]):,} characters", alone, 1, near)
    for size in BATCHES_QUICK if context.quick else BATCHES:
        timed(f"{size} texts in a call", TOGETHER_QUICK if context.quick else TOGETHER, size, order)
    return found


def _latency(context: Context, seconds: dict[str, tuple[int, np.ndarray]]) -> list[Measure]:
    _, alone = seconds["one text"]
    floor = Floor(value=float(alone.min()), what="the fastest of these calls")
    notes = [
        f"after {WARM_UP} calls to warm up; on this machine, beside whatever else it did; through the door "
        f"{context.asked.classifier.door!r}",
        "texts are independent draws of the report split",
    ]
    made = []
    for name, title, quantile in (
        ("latency-p50", "Seconds for one text, median", 0.5),
        ("latency-p95", "Seconds for one text, 95th percentile", 0.95),
    ):
        made.append(
            Measure(
                name=name,
                family=FAMILY,
                title=title,
                status="measured",
                value=float(np.quantile(alone, quantile)),
                interval=_quantile_interval(alone, quantile),
                n=len(alone),
                floor=floor,
                unit="seconds",
                better="lower",
                assumptions=notes,
                detail=RatesDetail(
                    of="seconds a text",
                    rates=[
                        Rate(name=what, value=float(np.quantile(found, quantile)) / size, n=len(found))
                        for what, (size, found) in seconds.items()
                    ],
                ),
            )
        )
    return made


def _quantile_interval(values: np.ndarray, quantile: float) -> Interval:
    """95 %, from order statistics: how many values lie under the true quantile is binomial (David and Nagaraja 2003, 7.1)."""
    ordered, n = np.sort(values), len(values)
    low = int(binom.ppf(0.025, n, quantile))
    high = int(binom.ppf(0.975, n, quantile))
    value = float(np.quantile(values, quantile))
    return (min(value, float(ordered[max(0, low - 1)])), max(value, float(ordered[min(n - 1, high)])))


def _memory(context: Context) -> Measure:
    name, title = "peak-memory", "Most memory that this process has held"
    classifier = context.asked.classifier

    def cannot(reason: str) -> Measure:
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", unit="bytes", reason=reason)

    if classifier.door == "http":
        return cannot("the classifier runs elsewhere")
    notes = ["of the whole audit, with the data that it holds and torch itself: a bound from above for answering alone"]
    value, on_gpu = _peak(), 0
    if torch.cuda.is_available():
        on_gpu = torch.cuda.max_memory_allocated()
        notes.append(f"on the GPU: {on_gpu:,} bytes")
    if value is None:
        return cannot("this system does not tell how much memory a process has held")
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=float(value),
        n=1,
        unit="bytes",
        better="lower",
        assumptions=notes,
    )


def _peak() -> int | None:
    """Bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) if sys.platform == "darwin" else int(most) * 1024


def _energy(context: Context, seconds: dict[str, tuple[int, np.ndarray]]) -> Measure:
    """Watts × seconds: an estimate, and never more."""
    name, title = "energy", "Joules for a text, estimated"
    watts, source = (
        (context.watts, "as it was named with --watts") if context.watts is not None else (_limit(), "its power limit")
    )
    if context.asked.classifier.door == "http":
        reason = "the classifier runs elsewhere"
    elif watts is None:
        reason = "the power of this machine is not known; name it: --watts NUMBER"
    else:
        size, found = list(seconds.values())[-1]
        a_text = np.sort(found) / size
        value = float(np.median(a_text)) * watts
        return Measure(
            name=name,
            family=FAMILY,
            title=title,
            status="measured",
            value=value,
            interval=(float(a_text[0]) * watts, float(a_text[-1]) * watts),
            n=len(found),
            unit="joules",
            better="lower",
            assumptions=[
                f"an estimate, not a measurement: {watts:g} W, {source}, times the seconds a text in calls of {size}",
                "the interval is the fastest and the slowest call; what the machine draws beside is not known",
            ],
        )
    return Measure(name=name, family=FAMILY, title=title, status="not measurable", unit="joules", reason=reason)


def _limit() -> float | None:
    """Watts that the processor may draw for long, where Linux tells."""
    try:
        return int(Path("/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw").read_text(encoding="ascii")) / 1e6
    except (OSError, ValueError):
        return None


def _calls(context: Context) -> int:
    quick = context.quick
    alone = 3 * ((ALONE_QUICK if quick else ALONE) + WARM_UP)
    batches = BATCHES_QUICK if quick else BATCHES
    return alone + sum(batches) * ((TOGETHER_QUICK if quick else TOGETHER) + WARM_UP)


MEASURING = Measuring(FAMILY, "what an answer costs", measure_cost, calls=_calls, needs_unseen=False)
