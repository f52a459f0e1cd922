"""Memory that one batch gave back is kept for the next one.

glibc hands large blocks back to the system when they are freed and asks for fresh pages for the same tensors a moment later;
on a CPU, writing to fresh pages for the first time takes a fifth of a training step's time, and a seventh of an answer's.
Nothing is done where the C library is another one, or where the user has set its MALLOC_ variables.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# mallopt(3): parameter, while memory is kept, otherwise (glibc's own values)
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_SETTINGS = (
    (_MMAP_MAX, 0, 65_536),  # large blocks come from the heap, which keeps them
    (_TRIM_THRESHOLD, 2**31 - 1, 128 * 1024),  # the top of the heap is not given back
    (_TOP_PAD, 64 * 2**20, 128 * 1024),  # the heap grows in steps of so many bytes
)


_entered, _counting = 0, Lock()


@contextmanager
def kept_memory() -> Iterator[None]:
    """While somebody has entered it, freed memory stays with this process; then it is given back."""
    global _entered
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        yield
        return
    library = ctypes.CDLL(None)
    with _counting:
        _entered += 1
        if _entered == 1:
            for parameter, kept, _ in _SETTINGS:
                library.mallopt(parameter, kept)
    try:
        yield
    finally:
        with _counting:
            _entered -= 1
            if _entered == 0:
                for parameter, _, otherwise in _SETTINGS:
                    library.mallopt(parameter, otherwise)
                library.malloc_trim(0)
