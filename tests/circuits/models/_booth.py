"""Radix-4 Booth: rows as integers, their approximate columns by masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64]


def booth(
    x: Values,
    w: Values,
    truncated_columns: int = 0,
    encoder: str = "abe1",
    approximate_columns: int = 0,
    *,
    bits: int,
    signed: bool,
) -> Values:
    """Add the rows `digit * x 4^i`.

    A negative row is the complement of a positive one plus one. Python's and numpy's integers are two's complement
    without end, so that the low bits of a row are those below a mask, and cutting columns rounds down.
    """
    unit = 1 << truncated_columns
    total = np.zeros(np.broadcast_shapes(x.shape, w.shape), dtype=np.int64)
    for place in range(0, bits if signed else bits + 1, 2):
        high, middle, low = (w >> place + 1 & 1), (w >> place & 1), (w << 1 >> place & 1)
        digit = middle + low - 2 * high
        negation = (digit < 0).astype(np.int64)
        row = digit * x - negation
        if encoder == "abe1":
            approximate = np.where(np.abs(digit) == 1, np.where(high == 1, ~x, x), 0)
        else:
            approximate = np.where(high == 1, ~x, x)
        # Approximate columns end below the row's sign.
        mask = (1 << int(np.clip(approximate_columns - place, 0, bits if signed else bits + 1))) - 1
        row = (row & ~mask) | (approximate & mask)
        total += (row << place) // unit * unit + (negation << place) // unit * unit
    return total
