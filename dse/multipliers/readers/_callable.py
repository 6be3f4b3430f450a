"""Multipliers as Python functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.circuits.parts import check_integer
from dse.exceptions import InputError, one_line
from dse.multipliers._multiplier import MAX_BITS, MIN_BITS, Multiplier
from dse.multipliers._operands import operand_values


def from_callable(
    function: Callable[[Any, Any], Any],
    *,
    name: str,
    x_bits: int = 8,
    w_bits: int = 8,
    x_signed: bool = False,
    w_signed: bool = False,
    power_mw: float | None = None,
) -> Multiplier:
    """Tabulate a Python function of two operands.

    The function is called once with all pairs, as int64 arrays `(2^x_bits, 2^w_bits)` of values; where it does not take
    arrays, once for each pair with two Python integers.

    Args:
        function: `function(x, w)`, the product of activation and weight; it gets values, negative ones where signed.
        name: Name of the multiplier.
        x_bits: Width of the activation, 2 to 12.
        w_bits: Width of the weight, 2 to 12.
        x_signed: The activation is two's complement.
        w_signed: The weight is two's complement.
        power_mw: Power in mW, or None where it is unknown.

    Returns:
        The multiplier.

    Raises:
        InputError: The function fails on a pair or returns no integer, or the multiplier is not valid (see `Multiplier`).
    """
    for key, bits in (("x_bits", x_bits), ("w_bits", w_bits)):
        check_integer("from_callable", key, bits, MIN_BITS, MAX_BITS)
    x, w = np.meshgrid(operand_values(x_bits, x_signed), operand_values(w_bits, w_signed), indexing="ij")
    table = _at_once(function, x, w)
    if table is None:
        table = _one_by_one(name, function, x, w)
    return Multiplier(
        name,
        table,  # type: ignore[arg-type]  # the constructor checks and converts it
        x_bits=x_bits,
        w_bits=w_bits,
        x_signed=x_signed,
        w_signed=w_signed,
        power_mw=power_mw,
        origin=f"Python function {getattr(function, '__qualname__', type(function).__name__)}",
    )


def _at_once(
    function: Callable[[Any, Any], Any], x: NDArray[np.int64], w: NDArray[np.int64]
) -> NDArray[np.generic] | None:
    """Call the function with arrays; None where it does not take them."""
    try:
        products = np.asarray(function(x.copy(), w.copy()))
    except Exception:  # whatever a function for numbers makes of arrays
        return None
    return products if products.shape == x.shape and products.dtype != object else None


def _one_by_one(
    name: str, function: Callable[[Any, Any], Any], x: NDArray[np.int64], w: NDArray[np.int64]
) -> NDArray[np.generic]:
    products = []
    for pair in zip(x.ravel().tolist(), w.ravel().tolist(), strict=True):
        try:
            products.append(function(*pair))
        except Exception as error:
            what = f"{type(error).__name__}: {one_line(error)}"
            raise InputError(f"multiplier '{name}': function{pair} raised {what}") from error
    try:
        return np.array(products).reshape(x.shape)
    except ValueError:
        raise InputError(f"multiplier '{name}': the function must return one integer per pair of operands") from None
