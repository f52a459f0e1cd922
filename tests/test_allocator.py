"""Freed memory that stays with a process while it computes batches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, sys
import torch
from fathom.allocator import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16 * 2**20)  # 64 MiB: above what glibc ever keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

fresh, before = faults(), megabytes()
with kept_memory():
    with kept_memory():
        pass
    faults()
    kept, inside = faults(), megabytes()
print(kept, fresh, inside - before, megabytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize("variable", [None, "MALLOC_ARENA_MAX"])
def test_memory_is_kept_until_the_last_leaves_and_given_back(variable: str | None, tmp_path: Path) -> None:
    """In a process of its own: what an allocator does depends on all that was allocated before."""
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), **({} if variable is None else {variable: "4"})}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    kept, fresh, inside, after = map(int, done.stdout.split())
    if variable is None:
        assert kept < fresh / 10
        assert inside >= 64 > 16 >= after
    else:  # the user has set the allocator up: it stays as it is
        assert kept > fresh / 10
        assert inside < 16
