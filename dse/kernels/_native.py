"""Running jobs of the compiled engine, and products of codes on it. How sums are formed is told in `native/rows.inc.h`."""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache

import torch
from torch import Tensor

from dse.kernels._binding import Job
from dse.kernels._compiled import current_level, native_library, workspace
from dse.kernels._operands import Operands
from dse.kernels._table import LutTable
from dse.kernels._workers import split

_BLOCK = 8192  # positions whose sums are kept while the rows of a few reduction indices are added: 1 MiB at most
_FEW = 64  # positions below which laying out rows costs more than looking entries up one by one, as it does for one column
_REUSED = 8192  # positions up to which rows are kept for the next call: for more, laying out again is as fast
_SMALL = 2**18  # products below which a second thread costs more than it saves


def threads_for(products: int) -> int:
    """Return how many threads so many products deserve."""
    return 1 if products < _SMALL else torch.get_num_threads()


def run_job(job: Job, operands: Operands, constant: Tensor | None = None) -> None:
    """Run a job made by `operands` whose activations and outputs are set: by rows where they pay, else entry by entry.

    Args:
        job: The job.
        operands: What made it.
        constant: Added to the sums `(G, N)` int32, modulo 2^32.
    """
    total, library, level = job.images * job.positions, native_library(), current_level()
    threads = threads_for(total * job.groups * job.depth * job.columns)
    if job.wide or total < min(_FEW, job.levels // 2) or job.columns == 1 or not operands.fits:
        offset = torch.zeros(job.groups * job.columns, dtype=torch.int32) if constant is None else constant
        job.offset = offset.data_ptr()
        split(total, lambda first, last: library.dse_sum_directly(ctypes.byref(job), first, last), threads)
        return
    offset = operands.base if constant is None else operands.base + constant  # wraps around, as the sums do
    job.offset = offset.data_ptr()
    job.block = min(_BLOCK, -(-total // threads // 8) * 8)
    job.table_bytes = _table_bytes()
    needed = library.dse_scratch_bytes(ctypes.byref(job))
    rows = operands.rows(job, level, threads) if total <= _REUSED else None
    job.rows = None if rows is None else rows.data_ptr()

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
        """Bytes held beside the table."""
        return self._operands.nbytes

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


@cache
def _table_bytes() -> int:
    """Return how many bytes of rows to use at a time: a quarter of the second-level cache, of 1 MiB where it is unknown."""
    return min(max((native_library().dse_cache_bytes() or 2**20) // 4, 2**17), 2**19)


@lru_cache(maxsize=64)
def _range(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.int64)
