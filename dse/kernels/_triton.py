"""LUT products on a GPU by look-ups: a Triton kernel in which every program sums a block of outputs over the whole depth.

Triton leaves shared memory to its compiler, so the table can only be kept near by being small: its entries are centred and
stored in 16 bits wherever they span no more, which halves a 256 x 256 table to the 128 KiB that a recent GPU's L1 holds. It
is stored by weight: threads that look up side by side have one weight and different activations, so that what they read lies
in one strip of 512 bytes, a few cache lines, instead of all over the table. Sums are integers throughout.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch
from torch import Tensor

from dse.kernels._table import LutTable

# The fastest on an H100 for the layers of ResNets, MobileNetV2 and VGG, among 64 to 256 rows and 1 to 32 columns.
_BLOCK_ROWS = 64  # of one program
_MAX_BLOCK_COLUMNS = 8  # weights' codes that each of its threads goes through at a time


class TritonProduct:
    """Products with fixed weights on a CUDA device: same arguments and results as `LutProduct`.

    Usable where `why_not` is None. Codes and table have been checked by the caller, as has that all lie on one device.

    Args:
        w_codes: Weight codes `(G, K, N)`, integers below `2^Bw`.
        table: Table `(2^Bx, 2^Bw)`.
    """

    def __init__(self, w_codes: Tensor, table: LutTable) -> None:
        self._groups, self._depth, self._columns = w_codes.shape
        self._w = w_codes.to(torch.int16).contiguous()
        self._lut = table.by_weight
        self._constant = self._depth * table.centre
        self._out_dtype = table.sum_dtype(self._depth)

    @property
    def nbytes(self) -> int:
        """Bytes held: the codes and the table."""
        return sum(held.numel() * held.element_size() for held in (self._w, self._lut))

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` below `2^Bx` -> `(M, G, N)` int32, int64 where a sum could overflow."""
        shape = (len(x_codes), self._groups, self._columns)
        out = torch.zeros(shape, dtype=self._out_dtype, device=x_codes.device)
        if out.numel() == 0 or self._depth == 0:
            return out
        self._launch(x_codes.permute(1, 2, 0).contiguous(), out)
        return out

    def _launch(self, x: Tensor, out: Tensor) -> None:
        """Fill `out (M, G, N)` from codes `(G, K, M)`."""
        from dse.kernels._triton_kernel import lut_sums  # here, so that this file can be imported without Triton

        rows, groups, columns = out.shape
        block_columns = min(_MAX_BLOCK_COLUMNS, _power_of_two(columns))
        block_rows = min(_BLOCK_ROWS, _power_of_two(rows))
        programs = groups * -(-rows // block_rows) * -(-columns // block_columns)
        sizes = (rows, groups, self._depth, columns, self._lut.shape[1])
        with torch.cuda.device_of(out):  # Triton launches on the current device
            lut_sums[(programs,)](x, self._w, self._lut, out, *sizes, self._constant, block_rows, block_columns)


def why_not(device: torch.device) -> str | None:
    """Return why the kernel cannot run on `device`, None where it can: on CUDA, or anywhere in Triton's interpreter."""
    if find_spec("triton") is None:
        return "triton is not installed"
    if os.environ.get("TRITON_INTERPRET") == "1":
        return None
    if device.type != "cuda":
        return f"its kernel runs on CUDA devices, not on {device.type}"
    return None if torch.cuda.is_available() else "PyTorch finds no CUDA device"


def _power_of_two(size: int) -> int:
    """Return the smallest power of two that is not below `size`."""
    return 1 << (size - 1).bit_length()
