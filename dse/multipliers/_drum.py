"""DRUM: multiply the few bits behind the leading one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.multipliers._gates import estimate
from dse.multipliers._generated import check_bits, check_integer, generated
from dse.multipliers._magnitude import leading_one_position, sign_magnitude_table
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._steering import drum_gates


def drum(kept_bits: int, *, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return DRUM-k (Hashemi, Bahar, Reda, ICCAD 2015).

    Of each operand the `k` bits from the leading one on are kept and the lowest of them is set to one, which makes the
    error of uniform operands nearly unbiased; an operand below `2^k` is used as it is. The `k x k` product is exact
    and shifted back. Signed operands go through the unsigned core as sign and magnitude, as in the paper.

    Args:
        kept_bits: Bits `k` of the core, 3 to `bits`: with 2, a signed product could overflow.
        bits: Width of both operands, 3 to 12.
        signed: Both operands are two's complement.

    Returns:
        `drum4u` and the like.

    Raises:
        InputError: A width is out of range.
    """
    check_bits(bits)
    check_integer("drum", "kept_bits", kept_bits, 3, bits)

    def core(x: NDArray[np.int64], w: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.multiply.outer(_keep(x, kept_bits), _keep(w, kept_bits))

    what = f"DRUM-{kept_bits}{', sign-magnitude wrapper' if signed else ''}"
    figures = estimate(drum_gates(bits, kept_bits, signed), signed=signed)
    table = sign_magnitude_table(core, bits, signed)
    return generated(f"drum{kept_bits}", table, figures, what, bits=bits, signed=signed)


def _keep(magnitude: NDArray[np.int64], kept_bits: int) -> NDArray[np.int64]:
    """Return each magnitude reduced to `kept_bits` bits from its leading one, the lowest kept bit set."""
    shift = np.maximum(leading_one_position(magnitude) - kept_bits + 1, 0)
    return np.where(shift > 0, (magnitude >> shift | 1) << shift, magnitude)
