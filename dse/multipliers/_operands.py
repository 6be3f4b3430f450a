"""Operand codes, the values they stand for, and the exact product of every pair."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dse.types import Table


def operand_values(bits: int, signed: bool) -> NDArray[np.int64]:
    """Return the value of every code of an operand, `(2^bits,)` int64; a signed code is the two's complement byte."""
    codes = np.arange(1 << bits, dtype=np.int64)
    return np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes) if signed else codes


def product_range(x_bits: int, w_bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and the largest value that an `x_bits + w_bits` bit result holds."""
    bits = x_bits + w_bits
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


# Small, because one table of 12 x 12 bits takes 64 MiB.
@lru_cache(maxsize=4)
def exact_products(x_bits: int, w_bits: int, x_signed: bool, w_signed: bool) -> Table:
    """Return the exact product of every pair of codes, `(2^x_bits, 2^w_bits)` int32, read-only."""
    x, w = operand_values(x_bits, x_signed), operand_values(w_bits, w_signed)
    table = np.multiply.outer(x, w).astype(np.int32)
    table.setflags(write=False)
    return table
