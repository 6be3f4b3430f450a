"""ETM, DRUM, LOBA and RoBA, on magnitudes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64]


def floor_log2(magnitude: Values) -> Values:
    """Return the place of the highest set bit; 0 for zero."""
    # frexp is exact here: a magnitude of at most 13 bits is a float64 without rounding.
    return np.maximum(np.frexp(magnitude.astype(np.float64))[1].astype(np.int64) - 1, 0)


def error_tolerant(x: Values, w: Values, low_bits: int | None = None, *, bits: int) -> Values:
    """Exact where both are below `2^low_bits`, else the high parts' product with a guess below it."""
    low = bits // 2 if low_bits is None else low_bits
    unit = 1 << low
    either = (x % unit) | (w % unit)
    guess = np.where(either > 0, (2 << (floor_log2(either) + low)) - 1, 0)
    return np.where((x < unit) & (w < unit), x * w, (x // unit) * (w // unit) * unit**2 + guess)


def drum(x: Values, w: Values, kept_bits: int, *, bits: int) -> Values:
    """Product of both operands cut to `kept_bits` bits from the leading one, the lowest of them set."""

    def keep(magnitude: Values) -> Values:
        shift = np.maximum(floor_log2(magnitude) - kept_bits + 1, 0)
        return np.where(shift > 0, (magnitude >> shift | 1) << shift, magnitude)

    return keep(x) * keep(w)


def loba(x: Values, w: Values, products: int, kept_bits: int, *, bits: int) -> Values:
    """Sum of products of the operands' leading segments and second segments."""

    def segment(magnitude: Values) -> Values:
        unit = 1 << np.maximum(floor_log2(magnitude) - kept_bits + 1, 0)
        return magnitude // unit * unit

    x1, w1 = segment(x), segment(w)
    x2, w2 = segment(x - x1), segment(w - w1)
    terms = (x1 * w1, x1 * w2, x2 * w1, x2 * w2)
    return sum(terms[1 : products + 1], start=terms[0])


def roba(x: Values, w: Values, *, bits: int) -> Values:
    """`Xr W + X Wr - Xr Wr`, in the paper's equivalent form `X W - (Xr - X)(Wr - W)`."""

    def rounded(magnitude: Values) -> Values:
        below = 1 << floor_log2(magnitude)
        nearest = np.where((2 * magnitude >= 3 * below) & (magnitude != 3), 2 * below, below)
        return np.where(magnitude == 0, 0, nearest)

    return x * w - (rounded(x) - x) * (rounded(w) - w)
