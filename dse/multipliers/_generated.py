"""What every generated family shares: how a generated multiplier is made, and the check of its parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.multipliers._gates import Estimate
from dse.multipliers._multiplier import MAX_BITS, MIN_BITS, Multiplier


def generated(
    stem: str, table: NDArray[np.int64], figures: Estimate, what: str, *, bits: int, signed: bool
) -> Multiplier:
    """Return the multiplier of a generated table, named by stem and sign.

    A stem without parameter gets the width (`exact8u`); one with a parameter gets it only where it is not 8 (`drum4u`,
    `drum4u_6bit`).
    """
    sign = "s" if signed else "u"
    name = f"{stem}{bits}{sign}" if stem.isalpha() else f"{stem}{sign}{'' if bits == 8 else f'_{bits}bit'}"
    return Multiplier(
        name,
        table.astype(np.int32),
        x_bits=bits,
        w_bits=bits,
        x_signed=signed,
        w_signed=signed,
        **figures._asdict(),
        origin=f"generated: {what}; power, area and delay estimated from gate count",
    )


def check_integer(function: str, key: str, value: int, low: int, high: int) -> None:
    """Raise InputError unless `value` is an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise InputError(f"{function}: {key} must be an integer from {low} to {high}, got {value!r}")


def check_bits(bits: int) -> None:
    """Raise InputError unless `bits` is a width a multiplier may have."""
    check_integer("generated multiplier", "bits", bits, MIN_BITS, MAX_BITS)
