"""A handful of what `make torture` does: interrupted runs end as the run that nothing interrupted, byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="it knows Linux's ways to fail")
def test_interrupted_runs_end_in_the_same_bytes() -> None:
    command = [sys.executable, "-m", "tests.interruptions", "--points", "8", "--seed", "0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "each ended as the run that nothing" in ended.stdout
