"""Checks of the parameters that families share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dse.circuits._netlist import MAX_BITS
from dse.exceptions import InputError, unknown_name

MIN_BITS = 2


def check_integer(function: str, key: str, value: int, low: int, high: int) -> None:
    """Raise InputError unless `value` is an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise InputError(f"{function}: {key} must be an integer from {low} to {high}, got {value!r}")


def check_bits(function: str, bits: int, low: int = MIN_BITS) -> None:
    """Raise InputError unless `bits` is a width from `low` to 12."""
    check_integer(function, "bits", bits, low, MAX_BITS)


def check_choice(function: str, key: str, value: str, valid: Iterable[str]) -> None:
    """Raise InputError unless `value` is one of `valid`."""
    valid = list(valid)
    if value not in valid:
        raise unknown_name(f"{key} of {function}", str(value), valid)
