"""The compiled engine on torch tensors: products of codes, and whole convolutions from real input to real output.

How the sums are formed is told in `native/rows.inc.h`. No patch matrix is ever made: a convolution's windows are read where
they lie in the padded planes of codes.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from dse.kernels._binding import Job, library
from dse.kernels._table import LutTable
from dse.kernels._workers import split

_SPAN = 2**16 - 1  # of a column's entries: what 16 bits hold
_BLOCK = 8192  # positions whose sums are kept while the rows of a few reduction indices are added: 1 MiB at most
_FEW = 64  # positions below which laying out rows costs more than looking entries up one by one
_SMALL = 2**18  # products below which a second thread costs more than it saves

_level: int | None = None  # instruction set to use; None: the best that the processor has


class _Workspace(threading.local):
    """Buffers of one thread, kept between calls: fresh ones would cost page faults every time."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def get(self, name: str, size: int) -> Tensor:
        """Return at least `size` bytes, uint8, aligned to 64; their contents are whatever was left there."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < size + 64:
            self._buffers[name] = buffer = torch.empty(size + 64, dtype=torch.uint8)
        return buffer[-buffer.data_ptr() % 64 :]


workspace = _Workspace()


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


def threads_for(products: int) -> int:
    """Return how many threads so many products deserve."""
    return 1 if products < _SMALL else torch.get_num_threads()


@dataclass(frozen=True)
class Operands:
    """Weights and the table they go through, as the compiled code takes them.

    Args:
        table: The multiplier's table.
        w_codes: Weight codes `(G, K, N)`, integers below `2^Bw`.
        slope: What is taken off an entry for each unit of the activation's code `(G, N)` int32 (a weight zero point), or None.
    """

    table: LutTable
    w_codes: Tensor
    slope: Tensor | None = None

    @cached_property
    def w(self) -> Tensor:
        """Weight codes `(G, K, N)` int16, contiguous."""
        return self.w_codes.to(torch.int16).contiguous()

    @cached_property
    def _spans(self) -> tuple[Tensor, int]:
        base = torch.empty(self.w.shape, dtype=torch.int32)
        return base, int(native_library().dse_spans(ctypes.byref(self.job(with_base=False)), base.data_ptr()))

    @property
    def fits(self) -> bool:
        """Whether every column spans at most 16 bits, so that rows can be laid out."""
        return (self.table.span if self.slope is None else self._spans[1]) <= _SPAN

    @cached_property
    def base(self) -> Tensor:
        """Sum of the smallest entries over the reduction `(G, N)` int32, modulo 2^32."""
        lowest = self.table.lowest[self.w.long()] if self.slope is None else self._spans[0]
        return lowest.sum(1, dtype=torch.int64).to(torch.int32)

    def job(self, *, with_base: bool = True) -> Job:
        """Return a job with these operands and nothing else. It holds addresses: keep this object while it is used."""
        table, w = self.table, self.w
        groups, depth, columns = w.shape
        strips = table.strips(native_library().dse_shift(current_level()))
        job = Job(strips=strips.data_ptr(), table=table.padded.data_ptr(), lowest=table.lowest.data_ptr(), w=w.data_ptr())
        job.levels, job.w_levels = table.padded.shape
        job.groups, job.depth, job.columns = groups, depth, columns
        if self.slope is not None:
            job.slope = self.slope.data_ptr()
            if with_base:
                job.base = self._spans[0].data_ptr()
        return job


def run_job(job: Job, operands: Operands, constant: Tensor | None = None) -> None:
    """Run a job made by `operands` whose activations and outputs are set: by rows where they pay, else entry by entry.

    Args:
        job: The job.
        operands: What made it.
        constant: Added to the sums `(G, N)` int32, modulo 2^32.
    """
    total, library, level = job.images * job.positions, native_library(), current_level()
    threads = threads_for(total * job.groups * job.depth * job.columns)
    if job.wide or total < min(_FEW, job.levels // 2) or not operands.fits:
        offset = torch.zeros(job.groups * job.columns, dtype=torch.int32) if constant is None else constant
        job.offset = offset.data_ptr()
        split(total, lambda first, last: library.dse_sum_directly(ctypes.byref(job), first, last), threads)
        return
    offset = operands.base if constant is None else operands.base + constant  # wraps around, as the sums do
    job.offset = offset.data_ptr()
    job.block = min(_BLOCK, -(-total // threads // 8) * 8)
    needed = library.dse_scratch_bytes(ctypes.byref(job))

    def compute(first: int, last: int) -> None:
        library.dse_sum(ctypes.byref(job), level, first, last, workspace.get("sums", needed).data_ptr())

    split(library.dse_units(ctypes.byref(job), level), compute, threads)


class NativeProduct:
    """Products with fixed weights on the compiled engine; see `dse.kernels.LutProduct`."""

    def __init__(self, w_codes: Tensor, table: LutTable) -> None:
        self._operands = Operands(table, w_codes)
        self._dtype = table.sum_dtype(w_codes.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes held beside the table: the codes."""
        return self._operands.w.numel() * 2

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` below `2^Bx` -> `(M, G, N)` int32, int64 where a sum could overflow."""
        operands = self._operands
        x = x_codes.to(torch.uint8).contiguous()
        rows, (groups, depth, columns) = len(x), operands.w.shape
        out = torch.empty((rows, groups, columns), dtype=self._dtype)
        if out.numel() == 0 or depth == 0:
            return out.zero_()
        tap = _range(depth)
        job = operands.job()
        job.x, job.tap, job.out = x.data_ptr(), tap.data_ptr(), out.data_ptr()
        job.images, job.positions, job.position_stride, job.group_stride = 1, rows, groups * depth, depth
        job.out_position, job.out_column = groups * columns, 1
        job.wide = self._dtype == torch.int64
        run_job(job, operands)
        return out


@lru_cache(maxsize=64)
def _range(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.int64)
