"""Mitchell's logarithmic multiplier: add linear approximations of two logarithms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.multipliers._gates import estimate
from dse.multipliers._generated import check_bits, check_integer, generated
from dse.multipliers._magnitude import leading_one_position, sign_magnitude_table
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._steering import mitchell_gates


def mitchell(*, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return Mitchell's multiplier (IRE Transactions on Electronic Computers, 1962).

    With `x = 2^k (1 + f)`, `log2 x` is taken as `k + f`; the sum of two logarithms goes back by the same line. The
    product is `2^(k1 + k2) (1 + f1 + f2)` where `f1 + f2 < 1`, else `2^(k1 + k2 + 1) (f1 + f2)`; zero where an operand
    is zero. It is never above the exact one. Signed operands go through the unsigned core as sign and magnitude.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Returns:
        `mitchell8u` and the like.

    Raises:
        InputError: The width is out of range.
    """
    check_bits(bits)
    return _mitchell("mitchell", bits - 1, bits, signed)


def mitchell_truncated(fraction_bits: int, *, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return Mitchell's multiplier with only the highest bits of each fraction (after Kim et al., IEEE TC 2019).

    The product is rounded down to an integer where the shift back leaves a fraction.

    Args:
        fraction_bits: Bits kept of each logarithm's fraction, 1 to `bits - 1` (which is Mitchell's own).
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Returns:
        `mitchell_t3u` and the like.

    Raises:
        InputError: A width is out of range.
    """
    check_bits(bits)
    check_integer("mitchell_truncated", "fraction_bits", fraction_bits, 1, bits - 1)
    return _mitchell(f"mitchell_t{fraction_bits}", fraction_bits, bits, signed)


def _mitchell(stem: str, fraction_bits: int, bits: int, signed: bool) -> Multiplier:
    def core(x: NDArray[np.int64], w: NDArray[np.int64]) -> NDArray[np.int64]:
        total = np.add.outer(_log2(x, fraction_bits), _log2(w, fraction_bits))
        one = 1 << fraction_bits
        product = ((total & (one - 1)) + one << (total >> fraction_bits)) >> fraction_bits
        return np.where(np.multiply.outer(x, w) == 0, 0, product)

    what = f"Mitchell logarithmic, {fraction_bits} fraction bits{', sign-magnitude wrapper' if signed else ''}"
    figures = estimate(mitchell_gates(bits, fraction_bits, signed), signed=signed)
    return generated(stem, sign_magnitude_table(core, bits, signed), figures, what, bits=bits, signed=signed)


def _log2(magnitude: NDArray[np.int64], fraction_bits: int) -> NDArray[np.int64]:
    """Return Mitchell's `log2` in fixed point with `fraction_bits` fraction bits; zero counts as one."""
    position = leading_one_position(magnitude)
    fraction = np.maximum(magnitude, 1) - (np.int64(1) << position)
    return (position << fraction_bits) + (fraction << fraction_bits >> position)
