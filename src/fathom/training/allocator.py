"""Memory that a training step gave back is kept for the next one.

glibc hands large blocks back to the system when they are freed and asks for fresh pages for the same tensors a moment later;
on a CPU, writing to fresh pages for the first time takes a fifth of a step's time. Nothing is done where the C library is
another one, or where the user has set its MALLOC_ variables.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# mallopt(3): parameter, while training, otherwise (glibc's own values)
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_SETTINGS = (
    (_MMAP_MAX, 0, 65_536),  # large blocks come from the heap, which keeps them
    (_TRIM_THRESHOLD, 2**31 - 1, 128 * 1024),  # the top of the heap is not given back
    (_TOP_PAD, 64 * 2**20, 128 * 1024),  # the heap grows in steps of so many bytes
)


@contextmanager
def kept_memory() -> Iterator[None]:
    """While it is entered, freed memory stays with this process; then it is given back."""
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        yield
        return
    library = ctypes.CDLL(None)
    try:
        for parameter, training, _ in _SETTINGS:
            library.mallopt(parameter, training)
        yield
    finally:
        for parameter, _, otherwise in _SETTINGS:
            library.mallopt(parameter, otherwise)
        library.malloc_trim(0)
