"""Mitchell's multiplier and what was made of it, in fixed point, on magnitudes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.circuits.models._segments import floor_log2

Values = NDArray[np.int64]


def mitchell(x: Values, w: Values, *, bits: int) -> Values:
    """Add `k + f` of both operands and go back by the same line."""
    return mitchell_truncated(x, w, bits - 1, bits=bits)


def mitchell_truncated(x: Values, w: Values, fraction_bits: int, unbiased: bool = False, *, bits: int) -> Values:
    """Mitchell with fractions cut to `fraction_bits` bits; unbiased with half a unit more in both."""
    total = _log2(x, fraction_bits) + _log2(w, fraction_bits) + int(unbiased)
    return np.where(x * w == 0, 0, _exp2(total, fraction_bits))


def set_one_logarithmic(x: Values, w: Values, ones: int, *, bits: int) -> Values:
    """Mitchell with the lowest bits of the sum of logarithms set, and one carry from below them."""
    x_log, w_log = _log2(x, bits - 1), _log2(w, bits - 1)
    unit = 1 << ones
    carry = (x_log % unit >= unit // 2) & (w_log % unit >= unit // 2)
    total = (x_log // unit + w_log // unit + carry) * unit + unit - 1
    return np.where(x * w == 0, 0, _exp2(total, bits - 1))


def minimally_biased(x: Values, w: Values, *, bits: int) -> Values:
    """`2^(k1+k2) (1 + f1 + f2 + c)`, or `2^(k1+k2+1) (f1 + f2 + c/2)` where `f1 + f2 >= 1`; `c = 5/64`.

    With `x = 2^k1 (1 + f1)` and `w = 2^k2 (1 + f2)` all of it is in units of 2^-7 without fractions: `2^k1 f1` is
    `x - 2^k1`, so `2^(k1+k2) (f1 + f2)` is `(x - 2^k1) 2^k2 + (w - 2^k2) 2^k1`.
    """
    x_power, w_power = 1 << floor_log2(x), 1 << floor_log2(w)
    power = x_power * w_power
    fractions = (x - x_power) * w_power + (w - w_power) * x_power
    below_one = fractions < power
    plain = np.where(below_one, power + fractions, 2 * fractions)
    corrected = (128 * plain + np.where(below_one, power * 10, 2 * power * 5)) // 128
    product = np.where(corrected < 1 << (2 * bits), corrected, plain)
    return np.where(x * w == 0, 0, product)


def _log2(magnitude: Values, fraction_bits: int) -> Values:
    position = floor_log2(magnitude)
    fraction = np.maximum(magnitude, 1) - (np.int64(1) << position)
    return (position << fraction_bits) + (fraction << fraction_bits >> position)


def _exp2(total: Values, fraction_bits: int) -> Values:
    one = 1 << fraction_bits
    return (total % one + one << total // one) // one
