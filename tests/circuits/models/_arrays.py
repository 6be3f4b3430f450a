"""Exact, reduced, truncated and broken arrays, and the array of lower-part-OR adders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64]


def exact(x: Values, w: Values, *, bits: int, signed: bool) -> Values:
    """The product."""
    return x * w


def reduced(x: Values, w: Values, kept_bits: int, correction: str = "none", *, bits: int, signed: bool) -> Values:
    """Operands rounded down to multiples of `2^(bits - kept_bits)`."""
    unit = 1 << (bits - kept_bits)
    kept = (x // unit * unit) * (w // unit * unit)
    return kept + (mean_missing(x, w, kept, unit**2) if correction == "constant" else 0)


def broken_array(x: Values, w: Values, horizontal: int, vertical: int, *, bits: int, signed: bool) -> Values:
    """Partial products with `j >= horizontal` and `i + j >= vertical`."""
    i, j = np.indices((bits, bits))
    return kept_products(x, w, (j >= horizontal) & (i + j >= vertical), signed)


def column_truncated(
    x: Values, w: Values, columns: int, correction: str = "none", *, bits: int, signed: bool
) -> Values:
    """Partial products with `i + j >= columns`, and what makes up for the others."""
    i, j = np.indices((bits, bits))
    kept = kept_products(x, w, i + j >= columns, signed)
    if correction == "constant":
        return kept + mean_missing(x, w, kept, 1 << columns)
    if correction == "variable":
        return kept + 2 * kept_products(x, w, i + j == columns - 1, signed)
    return kept


def lower_or(x: Values, w: Values, columns: int, *, bits: int, signed: bool) -> Values:
    """Rows added one after the other by `a + b ~ (high sum + carry) | (low parts ORed)`.

    Row `j` is `x` where bit `j` of `w` is set. As two's complement its top bit counts negative, and so does the last row;
    the array adds their complements and a constant instead.
    """
    span, mask = 1 << (2 * bits), (1 << bits) - 1
    top = 1 << (bits - 1)
    total = np.full(np.broadcast_shapes(x.shape, w.shape), (1 << bits) + (span >> 1) if signed else 0, dtype=np.int64)
    for j in range(bits):
        row = (x & mask) * (w >> j & 1)
        if signed:
            row = row ^ (top if j < bits - 1 else top - 1)  # complement the products with one sign bit
        row = row << j
        low = (1 << columns) - 1
        carry = (total & row) >> (columns - 1) & 1 if columns else 0
        total = ((total | row) & low) + (((total >> columns) + (row >> columns) + carry) << columns)
        total %= span
    return total


def mean_missing(x: Values, w: Values, kept: Values, unit: int) -> int:
    """Return what is missing on average over all pairs of operands, to the nearest multiple of `unit`, halves up."""
    missing, count = int((x * w - kept).sum()), kept.size * unit
    return (2 * missing + count) // (2 * count) * unit


def kept_products(x: Values, w: Values, kept: NDArray[np.bool_], signed: bool) -> Values:
    """Add the partial products in `kept[i, j]`; those with exactly one sign bit count negative."""
    bits = kept.shape[0]
    weight = np.int64(1) << np.arange(bits)
    if signed:
        weight[-1] *= -1
    x_terms = (x.ravel()[:, None] >> np.arange(bits) & 1) * weight
    w_terms = (w.ravel()[:, None] >> np.arange(bits) & 1) * weight
    return x_terms @ kept.astype(np.int64) @ w_terms.T
