"""The compiled engine's state in this process: the library, the instruction set, and buffers that are used again."""

from __future__ import annotations

import ctypes
import threading

import torch
from torch import Tensor

from dse.kernels._binding import library

_level: int | None = None  # number of the instruction set to use; None: the best that the processor has


class _Workspace(threading.local):
    """Buffers of one thread, kept between calls: fresh ones would cost page faults every time."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def get(self, name: str, size: int) -> Tensor:
        """Return at least `size` bytes, uint8, aligned to 64; their contents are whatever was left there."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < size + 64:
            self._buffers[name] = buffer = torch.empty(size + 64, dtype=torch.uint8)
        return aligned(buffer)


workspace = _Workspace()


def aligned(buffer: Tensor) -> Tensor:
    """Return the part of a buffer of bytes that begins at a multiple of 64."""
    return buffer[-buffer.data_ptr() % 64 :]


def why_not() -> str | None:
    """Return why the compiled engine cannot be used on this machine, None when it can."""
    found = library()
    return found if isinstance(found, str) else None


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets that this processor offers the engine, best last; empty where it is not built."""
    found = library()
    if isinstance(found, str):
        return ()
    return tuple(found.dse_level_name(level).decode() for level in range(found.dse_levels()))


def use_instruction_set(name: str | None) -> None:
    """Use one of `instruction_sets()` from now on in all threads; None: the best. For tests and benchmarks."""
    global _level
    _level = None if name is None else instruction_sets().index(name)


def native_library() -> ctypes.CDLL:
    """Return the compiled engine; only where `why_not` has nothing to say."""
    found = library()
    assert not isinstance(found, str), "callers ask why_not first"
    return found


def current_level() -> int:
    """Return the number of the instruction set to use."""
    return native_library().dse_levels() - 1 if _level is None else _level
