"""Slopes of a multiplier's table, where the circuit's steps are smoothed away: a gradient for training through it.

After Meng, Burleson and De Micheli, arXiv 2509.10519 (LUT-2D and LUT-1D), and its predecessor at DATE 2025: the table is
averaged along one operand over a window, and the central difference of the average is the slope. Window and difference are
those of the authors' published script (`gen_bp_lut.py` of AppMult-Aware-Retraining). Two things are defined here anew:

* Near the ends of the range the script uses `(largest - smallest) / 2^B`, which is never negative and so serves unsigned
  operands only. Here the table continues beyond its ends by point reflection, `T(end + d) = 2 T(end) - T(end - d)`: a
  straight line stays one, windows are full everywhere, and the slope near an end is the one of the table just inside.
* The one-dimensional slope is the mean of the two-dimensional ones over all values of the operand that moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.types import Floats, Table

WINDOW = 16  # with 32 the half window that the authors chose for 8-bit multipliers

Slopes = NDArray[np.float32]


@dataclass(frozen=True)
class TableGradient:
    """Slopes of a table `T[x, w]` by code, in units of a product per unit of the operand's value."""

    x2d: Slopes  # (2^Bx, 2^Bw) dT/dx of the table smoothed along x
    w2d: Slopes  # (2^Bx, 2^Bw) dT/dw of the table smoothed along w
    x1d: Slopes  # (2^Bw,) mean of x2d over the activations, for each weight code: what stands for the weight
    w1d: Slopes  # (2^Bx,) mean of w2d over the weights, for each activation code: what stands for the activation


def table_gradient(
    lut: Table, x_values: NDArray[np.int64], w_values: NDArray[np.int64], *, window: int = WINDOW
) -> TableGradient:
    """Return the slopes of a table along both operands; those of the table of exact products are exact everywhere.

    A signed operand's lowest code (-256 of 9 bits) has no positive counterpart and symmetric quantisation never produces
    it. It enters neither averages nor differences and gets the slope of its neighbour.

    Args:
        lut: Table `(2^Bx, 2^Bw)` int32, by code.
        x_values: Value of each activation code `(2^Bx,)`, consecutive integers in any order (`OperandFormat.x_values`).
        w_values: Value of each weight code `(2^Bw,)`, likewise.
        window: Entries averaged on each side of an entry, in steps of the operand's value.

    Raises:
        InputError: If the table's shape is not that of the values, or the window does not fit them.
    """
    if lut.shape != (len(x_values), len(w_values)):
        raise InputError(f"table: expected shape ({len(x_values)}, {len(w_values)}) as the values say, got {lut.shape}")
    x2d = _slopes(lut, x_values, window, axis=0)
    w2d = _slopes(lut, w_values, window, axis=1)
    x1d = x2d[_by_value(x_values)].mean(0)
    w1d = w2d[:, _by_value(w_values)].mean(1)
    return TableGradient(*(slopes.astype(np.float32) for slopes in (x2d, w2d, x1d, w1d)))


def smoothed(table: NDArray[np.integer], window: int, axis: int) -> Floats:
    """Return the mean of the `2 * window + 1` entries around each entry along `axis`: same shape, float64.

    Args:
        table: Integers in the order of the operand's value along `axis`; they continue beyond the ends by point reflection.
        window: Entries on each side.
        axis: The operand to smooth along.

    Raises:
        InputError: If the window is below 1 or longer than the table.
    """
    length = table.shape[axis]
    if not 1 <= window <= (length - 1) // 2:
        raise InputError(
            f"window: expected 1..{(length - 1) // 2}, so that 2 * window + 1 entries fit in {length}, got {window}"
        )
    ends = [(0, 0)] * table.ndim
    ends[axis] = (window + 1, window)  # one more in front, for the difference of running sums
    padded = np.pad(table.astype(np.int64), ends, mode="reflect", reflect_type="odd")
    sums = np.moveaxis(padded.cumsum(axis), axis, 0)  # of integers: exact
    return np.moveaxis(sums[2 * window + 1 :] - sums[: -(2 * window + 1)], 0, axis) / (2 * window + 1)


def _slopes(lut: Table, values: NDArray[np.int64], window: int, axis: int) -> Floats:
    """Return the differences along one axis, by code: central ones, which at the reflected ends are one-sided ones."""
    codes = _by_value(values)
    slopes = np.gradient(smoothed(lut.take(codes, axis), window, axis), axis=axis)
    places = np.clip(values - values[codes[0]], 0, None)  # of each code in the order of values
    return slopes.take(places, axis)


def _by_value(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the codes that quantisation produces, in the order of their values."""
    order = np.argsort(values)
    return order[values[order] >= -values.max()] if values.min() < 0 else order
