"""How speed is measured here: candidates in turn, many times, and the middle of what was seen.

A machine drifts: another program wakes up, a core grows warm. Measured one after the other, whichever came later would pay for
it. So each round runs every candidate once, A B A B …, and the figures are medians with their quartiles.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fathom import checkpoint


def interleaved(
    candidates: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds that each candidate took, one number a round, after a round that does not count.

    Args:
        candidates: what to call, by name. What a call returns is let go before the next one starts.
        rounds: at least 1.
        clock: what tells the seconds. `time.process_time` leaves out what other programs took of a shared core; it adds up
            the threads, so it is for one thread.

    Raises:
        ValueError: nothing to measure.
    """
    if rounds < 1 or not candidates:
        raise ValueError(f"{len(candidates)} candidates in {rounds} rounds, expected at least one of each")
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, candidate in candidates.items():
            _wait()
            started = clock()
            candidate()
            _wait()
            if number:
                seconds[name].append(clock() - started)
    return seconds


def summary(seconds: list[float]) -> dict[str, Any]:
    """Median, quartiles and number of some measurements, in their unit."""
    low, middle, high = np.percentile(seconds, [25, 50, 75])
    return {"median": float(middle), "quartiles": [float(low), float(high)], "n": len(seconds)}


def machine() -> dict[str, str]:
    """Processor, kernels, GPU, threads and versions as in every record, with the cores that are ours."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {**checkpoint.machine(), "cores": str(cores)}


def _wait() -> None:
    """Until a GPU, which works on its own, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
