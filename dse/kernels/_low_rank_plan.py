"""In which numbers a factored table is multiplied: the narrowest whose sums cannot round, on the device at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.kernels._factors import Factors, reach
from dse.kernels._tensor_cores import in_halves, is_trusted

_FLOAT32_EXACT = 2**24
_FLOAT64_EXACT = 2**53
_MIN_BLOCK = 32  # shorter blocks of float32 cost more than float64 does

Numbers = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plan:
    """The operands of the matrix product: `a (2^Bx, s)` and `b (s, 2^Bw)`, their type, and how many products at a time."""

    a: Numbers
    b: Numbers
    dtype: torch.dtype  # float16 means sums in float32
    block: int | None  # longest reduction whose partial sums stay exact; None: not asked for


@dataclass(frozen=True)
class LowRankReport:
    """What a low-rank product computes with, and how far its sums may be from the table's."""

    rank: int  # columns of the factors
    is_exact: bool
    max_abs_residual: float  # of one entry of the table
    mean_abs_residual: float  # over all pairs of codes
    sum_error_bound: float  # of one output, an integer already; 0 where exact
    dtype: torch.dtype  # of the operands; float16 is summed in float32
    columns: int  # of the operands for each reduction index: more than `rank` where factors were cut into pieces

    @classmethod
    def of(cls, factors: Factors, chosen: Plan, depth: int) -> LowRankReport:
        """Return the report on sums of `depth` products of `factors`, computed as `chosen`."""
        return cls(
            rank=factors.rank,
            is_exact=factors.is_exact,
            max_abs_residual=factors.max_abs_residual,
            mean_abs_residual=factors.mean_abs_residual,
            sum_error_bound=factors.sum_error_bound(depth),
            dtype=chosen.dtype,
            columns=len(chosen.b),
        )


def plan(factors: Factors, device: torch.device) -> Plan:
    """Choose the numbers for `factors` on `device`: float16 pieces on tensor cores, float32, or float64."""
    if not factors.is_exact:
        return Plan(factors.a, factors.b, torch.float64, None)
    narrow = _narrow(factors, device)
    if narrow is not None and _MIN_BLOCK * reach(narrow.a, narrow.b) < _FLOAT32_EXACT:
        return narrow
    return Plan(factors.a, factors.b, torch.float64, _block(_FLOAT64_EXACT, factors.a, factors.b))


def _narrow(factors: Factors, device: torch.device) -> Plan | None:
    if device.type != "cuda":
        full = _keeps_float32()
        return Plan(factors.a, factors.b, torch.float32, _block(_FLOAT32_EXACT, factors.a, factors.b)) if full else None
    pieces = in_halves(factors.a.astype(np.int64), factors.b.astype(np.int64))
    if pieces is None:
        return None
    return Plan(*pieces, torch.float16 if is_trusted(device) else torch.float32, _block(_FLOAT32_EXACT, *pieces))


def _block(limit: int, a: Numbers, b: Numbers) -> int:
    return max(1, int((limit - 1) // max(1.0, reach(a, b))))


def _keeps_float32() -> bool:
    """Return whether float32 products on the CPU keep all 24 bits: a setting lets some processors round to fewer."""
    return getattr(torch.backends.mkldnn, "matmul").fp32_precision in ("ieee", "none")  # noqa: B009


def conversion(a: Numbers) -> Literal["code", "byte", "rows"]:
    """Return how codes become factors `a (2^Bx, s)`: a cast, of the code or of its two's complement byte, or rows of `a`."""
    codes = np.arange(len(a))[:, None]
    if np.array_equal(a, codes):
        return "code"
    return "byte" if np.array_equal(a, (codes + 128) % 256 - 128) and len(a) == 256 else "rows"


def as_integers(sums: Tensor, dtype: torch.dtype, *, exact: bool) -> Tensor:
    """Return float sums as integers of `dtype`, rounded to the nearest where they are not exact."""
    if exact:
        return sums.to(dtype)
    limits = torch.iinfo(dtype)  # no true sum lies beyond, so cutting there only brings the result nearer
    return sums.round().clamp(limits.min, limits.max).to(dtype)
