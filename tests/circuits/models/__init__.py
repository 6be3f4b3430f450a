"""What every family computes, as arithmetic on integers: written from the papers' formulas, without looking at gates.

A model takes the operands' values as a column `(2^bits, 1)` and a row `(1, 2^bits)`, int64, and keyword arguments, and
returns products `(2^bits, 2^bits)` int64. `MODELS` has them by the name of the function that builds the netlist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tests.circuits.models import _arrays, _booth, _logarithms, _segments, _trees

Values: TypeAlias = NDArray[np.int64]
Model: TypeAlias = Callable[..., Values]


def operand_values(bits: int, signed: bool) -> Values:
    """Return the value of every code of an operand."""
    codes = np.arange(1 << bits, dtype=np.int64)
    return np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes) if signed else codes


def wrapped(product: Values, bits: int, signed: bool) -> Values:
    """Return what `2 bits` bits hold of a product."""
    span = 1 << (2 * bits)
    product = product % span
    return np.where(product >= span // 2, product - span, product) if signed else product


def on_magnitudes(core: Model) -> Model:
    """Return the model of an unsigned circuit with the signs handled around it."""

    def model(
        x: Values, w: Values, *, bits: int, signed: bool, inverting: bool = False, **parameters: object
    ) -> Values:
        negative = (x < 0) ^ (w < 0)
        if not inverting:
            return np.where(negative, -1, 1) * core(np.abs(x), np.abs(w), bits=bits, **parameters)
        # Inverting takes x to -1 - x. A magnitude of 0, which has the logarithm 0, is as good as a magnitude of 1.
        magnitude = core(*(np.maximum(np.where(v < 0, -1 - v, v), 1) for v in (x, w)), bits=bits, **parameters)
        return np.where((x == 0) | (w == 0), 0, np.where(negative, -1 - magnitude, magnitude))

    return model


MODELS: dict[str, Model] = {
    "exact": _arrays.exact,
    "reduced": _arrays.reduced,
    "broken_array": _arrays.broken_array,
    "column_truncated": _arrays.column_truncated,
    "lower_or": _arrays.lower_or,
    "compressed": _trees.compressed,
    "recursive": on_magnitudes(_trees.recursive),
    "error_tolerant": on_magnitudes(_segments.error_tolerant),
    "drum": on_magnitudes(_segments.drum),
    "loba": on_magnitudes(_segments.loba),
    "roba": on_magnitudes(_segments.roba),
    "mitchell": on_magnitudes(_logarithms.mitchell),
    "mitchell_truncated": on_magnitudes(_logarithms.mitchell_truncated),
    "set_one_logarithmic": on_magnitudes(_logarithms.set_one_logarithmic),
    "minimally_biased": on_magnitudes(_logarithms.minimally_biased),
    "booth": _booth.booth,
}


def expected_table(family: str, *, bits: int, signed: bool, **parameters: object) -> Values:
    """Return the products of all codes, `(2^bits, 2^bits)` int64, by a family's model, whatever structure adds them."""
    values = operand_values(bits, signed)
    parameters.pop("structure", None)
    product = MODELS[family](values[:, None], values[None, :], bits=bits, signed=signed, **parameters)
    return wrapped(product, bits, signed)
