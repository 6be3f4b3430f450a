"""Memory of the whole process: what the C library does with what is freed."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let freed memory be used again instead of handing it back to the system, for the rest of the process.

    Every forward pass frees tensors of some MiB and asks for the same again a moment later; by default each of them is
    mapped anew and cleared page by page, which takes a tenth to a half of the pass. The process then stays as large as it
    has ever been. The command line does so for itself; a program that imports dse decides for itself.

    Returns:
        Whether it could be done: only with glibc, as on most Linux systems.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
