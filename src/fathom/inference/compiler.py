"""Our one C++ program, compiled for the machine at hand when it is first needed, and kept in the user's cache folder.

What is loaded is code, so it is loaded from nowhere but a folder that belongs to the user alone; its name says which source,
which processor, which compiler and which flags it was made of.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("encoder.cpp")
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC")
_SECONDS = 120  # that a compiler may take; it usually takes three
OFF = "FATHOM_NATIVE"  # "0" in the environment: torch computes everything


@functools.cache
def load_library() -> ctypes.CDLL | None:
    """The program, or None where this machine cannot run it or cannot make it; the latter is said, once."""
    if not _can_be_run() or os.environ.get(OFF) == "0":
        return None
    try:
        library = ctypes.CDLL(str(compiled(SOURCE, cache_folder())))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # RuntimeError: the user has no home
        warnings.warn(
            f"encoders are computed by torch, at half the speed: {_reason(error)}; {OFF}=0 in the environment silences this",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return library if library.prepare() else None


def cache_folder() -> Path:
    """Where compiled programs are kept, as the XDG base directory specification has it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fathom"


def compiled(source: Path, folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """The library made of `source`, made now if it is not in `folder` yet.

    Args:
        flags: for the compiler, after ours.

    Raises:
        OSError: there is no compiler, or the folder cannot be written or is open to other users.
        subprocess.SubprocessError: the compiler failed or did not come to an end.
    """
    compiler = shutil.which(os.environ.get("CXX") or "c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise FileNotFoundError("no C++ compiler was found (c++, g++, clang++, or what CXX names)")
    found = os.stat(compiler)
    made_of = [source.read_bytes(), _processor(), compiler, found.st_size, found.st_mtime_ns, _FLAGS, flags]
    name = hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.stat()
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise PermissionError(f"{folder} belongs to other users or can be written by them")
    target = folder / f"{source.stem}-{name}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:  # in the same file system, so that it appears whole
            made = Path(temporary) / target.name
            command = [compiler, *_FLAGS, *flags, "-o", str(made), str(source)]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
            made.replace(target)
    return target


def _can_be_run() -> bool:
    """Linux on a processor of Intel's or AMD's with products of bfloat16."""
    here = sys.platform == "linux" and platform.machine() == "x86_64"
    return here and torch.backends.cpu.get_cpu_capability() == "AVX512" and bool(torch.cpu._is_avx512_bf16_supported())


def _processor() -> str:
    """The instructions that the processor has."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith("flags")), "")


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = str(error.stderr).strip().splitlines()
        return f"{error.cmd[0]} failed: {next((line for line in said if 'error' in line), said[-1] if said else '')}"
    return str(error)
