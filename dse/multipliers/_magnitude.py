"""What the circuits that work on magnitudes share: the leading one, and the wrapper for signed operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dse.multipliers._operands import operand_values

Core: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]


def leading_one_position(magnitude: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of the highest set bit of every magnitude, same shape, int64; 0 for zero."""
    # frexp is exact here: a magnitude of at most 12 bits is a float64 without rounding.
    return np.maximum(np.frexp(magnitude.astype(np.float64))[1].astype(np.int64) - 1, 0)


def sign_magnitude_table(core: Core, bits: int, signed: bool) -> NDArray[np.int64]:
    """Return the products of every pair of codes by an unsigned core.

    Args:
        core: Takes the magnitudes of both operands, `(2^bits,)` int64 each, and returns `(2^bits, 2^bits)` int64.
        bits: Width of both operands.
        signed: The operands are two's complement; the sign of the product is applied outside the core.

    Returns:
        Products `(2^bits, 2^bits)` int64.
    """
    values = operand_values(bits, signed)
    return core(np.abs(values), np.abs(values)) * np.multiply.outer(np.sign(values) | 1, np.sign(values) | 1)
