"""A multiplier's table as the engines take it: checked once, with what several of them derive from it."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from dse.exceptions import InputError

MAX_SPAN = 2**16 - 1  # of entries that 16 bits are to hold
_CODE_DTYPES = (torch.uint8, torch.int16, torch.int32, torch.int64)


def sum_dtype(depth: int, reach: int) -> torch.dtype:
    """Return int32 where no sum of `depth` entries of a magnitude up to `reach` can leave it, else int64."""
    return torch.int32 if depth * reach < 2**31 else torch.int64


class LutTable:
    """A table `(2^Bx, 2^Bw)` int32, first axis the activation's code; a copy, so that later changes cannot creep in.

    Make one where many products go through the same table: what the engines derive from it is then shared.

    Raises:
        InputError: For another rank or dtype, or no entries.
    """

    def __init__(self, lut: Tensor) -> None:
        if not isinstance(lut, Tensor) or lut.ndim != 2 or lut.dtype != torch.int32 or lut.numel() == 0:
            got = f"{tuple(lut.shape)} {lut.dtype}" if isinstance(lut, Tensor) else type(lut).__name__
            raise InputError(f"LutTable: expected lut (2^Bx, 2^Bw) int32, got {got}")
        self.lut = lut.detach().clone(memory_format=torch.contiguous_format)
        self.levels, self.w_levels = lut.shape
        self.low, self.high = (int(bound) for bound in torch.aminmax(lut))
        self.engines: dict[tuple[str, bool], str] = {}  # the one to use, by device and whether for a whole layer
        self._strips: dict[int, Tensor] = {}
        self._elsewhere: dict[torch.device, LutTable] = {}

    def on(self, device: torch.device) -> LutTable:
        """Return this table on a device: itself where it is there already, else a copy made once."""
        if device == self.lut.device:
            return self
        if device not in self._elsewhere:
            self._elsewhere[device] = LutTable(self.lut.to(device))
        return self._elsewhere[device]

    @property
    def reach(self) -> int:
        """Largest magnitude of an entry."""
        return max(abs(self.low), abs(self.high))

    def sum_dtype(self, depth: int) -> torch.dtype:
        """Return int32 where no sum of `depth` entries can leave it, else int64."""
        return sum_dtype(depth, self.reach)

    @cached_property
    def padded(self) -> Tensor:
        """The table with its last row repeated until the number of rows is a multiple of 8: `(levels, 2^Bw)` int32."""
        missing = -self.levels % 8
        return torch.cat([self.lut, self.lut[-1:].expand(missing, -1)]).contiguous() if missing else self.lut

    def strips(self, shift: int) -> Tensor:
        """Columns of the padded table, each less its smallest entry and `shift`, modulo 2^16: `(2^Bw, levels)` int16."""
        if shift not in self._strips:
            columns = (self.padded - self.lowest - shift).to(torch.int16)  # the conversion keeps the low 16 bits
            self._strips[shift] = columns.t().contiguous()
        return self._strips[shift]

    @property
    def centre(self) -> int:
        """What `by_weight` has taken off every entry: half of the span of those that 16 bits then hold, else 0."""
        return (self.low + self.high + 1) // 2 if self._is_narrow else 0

    @cached_property
    def by_weight(self) -> Tensor:
        """The table less its `centre`, a row for each weight: `(2^Bw, levels)`, int16 where that holds it, else int32."""
        dtype = torch.int16 if self._is_narrow else torch.int32
        return (self.lut.to(torch.int64) - self.centre).to(dtype).t().contiguous()

    @property
    def _is_narrow(self) -> bool:
        return self.high - self.low <= MAX_SPAN

    @cached_property
    def lowest(self) -> Tensor:
        """Smallest entry of every column: `(2^Bw,)` int32."""
        return self.lut.amin(0).contiguous()

    @cached_property
    def fits_rows(self) -> bool:
        """Whether the entries of every column span at most 16 bits, as those of all plausible multipliers do."""
        return int((self.lut.amax(0).long() - self.lowest.long()).max()) <= MAX_SPAN


def check_codes(name: str, codes: Tensor, levels: int) -> None:
    """Raise InputError unless `codes` are integer codes in `0..levels - 1`."""
    if not isinstance(codes, Tensor) or codes.dtype not in _CODE_DTYPES:
        got = codes.dtype if isinstance(codes, Tensor) else type(codes).__name__
        raise InputError(f"{name}: expected integer codes (uint8 or int16), got {got}")
    if codes.numel() == 0 or (codes.dtype == torch.uint8 and levels >= 256):
        return
    low, high = torch.stack(torch.aminmax(codes)).tolist()  # a GPU is waited for once
    if low < 0 or high >= levels:
        raise InputError(f"{name}: expected codes in 0..{levels - 1} for this table, got {low}..{high}")
