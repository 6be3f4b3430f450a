"""Fixed weights and the table they go through, as the compiled engine takes them."""

from __future__ import annotations

import ctypes
from dataclasses import InitVar, dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from dse.exceptions import InputError
from dse.kernels._binding import Job
from dse.kernels._compiled import aligned, current_level, native_library
from dse.kernels._table import MAX_SPAN, LutTable, check_codes
from dse.kernels._workers import split

_KEPT_BYTES = 2**25  # of rows kept for one product


def require_per_channel(name: str, values: Tensor, groups: int, columns: int) -> None:
    """Raise InputError unless `values` are one for each output channel: `(G, N)`."""
    if tuple(values.shape) != (groups, columns):
        raise InputError(f"{name}: expected ({groups}, {columns}), one for each output channel, got {tuple(values.shape)}")


@dataclass(frozen=True, eq=False)
class Operands:
    """Weights and the table they go through, as the compiled code takes them.

    Args:
        table: The multiplier's table.
        w_codes: Weight codes `(G, K, N)`, integers below `2^Bw`.
        slope: What is taken off an entry for each unit of the activation's code `(G, N)` int32 (a zero point), or None.

    Raises:
        InputError: For codes outside the table, or shapes that do not fit together.
    """

    table: LutTable
    w_codes: InitVar[Tensor]
    slope: Tensor | None = None
    w: Tensor = field(init=False)  # the codes (G, K, N) int16, a copy: the compiled code must be able to rely on them
    _rows: dict[int, Tensor | None] = field(default_factory=dict)  # by instruction set; None: asked for once

    @property
    def nbytes(self) -> int:
        """Bytes held beside the table."""
        return self.w.numel() * 2 + sum(rows.numel() for rows in self._rows.values() if rows is not None)

    def __post_init__(self, w_codes: Tensor) -> None:
        check_codes("w_codes", w_codes, self.table.w_levels)
        if w_codes.ndim != 3:
            raise InputError(f"Operands: expected w_codes (G, K, N), got shape {tuple(w_codes.shape)}")
        groups, _, columns = w_codes.shape
        if self.slope is not None:
            require_per_channel("slope", self.slope, groups, columns)
            object.__setattr__(self, "slope", self.slope.to(torch.int32, copy=True).contiguous())
        object.__setattr__(self, "w", w_codes.to(torch.int16, copy=True).contiguous())

    @cached_property
    def _spans(self) -> tuple[Tensor, int]:
        base = torch.empty(self.w.shape, dtype=torch.int32)
        return base, int(native_library().dse_spans(ctypes.byref(self.job(with_base=False)), base.data_ptr()))

    @property
    def fits(self) -> bool:
        """Whether every column spans at most 16 bits, so that rows can be laid out."""
        return self.table.fits_rows if self.slope is None else self._spans[1] <= MAX_SPAN

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
        job = Job(
            strips=strips.data_ptr(), table=table.padded.data_ptr(), lowest=table.lowest.data_ptr(), w=w.data_ptr()
        )
        job.levels, job.w_levels = table.padded.shape
        job.groups, job.depth, job.columns = groups, depth, columns
        if self.slope is not None:
            job.slope = self.slope.data_ptr()
            if with_base:
                job.base = self._spans[0].data_ptr()
        return job

    def rows(self, job: Job, level: int, threads: int) -> Tensor | None:
        """Return the table rows of all weights, laid out once and kept.

        None at the first call, because weights that are used once only are better laid out piece by piece in the cache,
        and where they would take more than 32 MiB.
        """
        library, this = native_library(), ctypes.byref(job)
        if level not in self._rows or library.dse_row_bytes(this, level) > _KEPT_BYTES:
            self._rows[level] = None
        elif self._rows[level] is None:
            rows = aligned(torch.empty(library.dse_row_bytes(this, level) + 64, dtype=torch.uint8))
            job.rows = rows.data_ptr()
            split(
                library.dse_tiles(this, level),
                lambda first, last: library.dse_lay_out(this, level, first, last),
                threads,
            )
            self._rows[level] = rows
        return self._rows[level]
