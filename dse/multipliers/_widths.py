"""Exact multipliers of fewer operand bits as tables of 8-bit codes: what low-bit quantisation does, as a library."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dse.circuits import Builder, Figures, Netlist, figures
from dse.circuits.parts import STRUCTURES, partial_products
from dse.exceptions import InputError
from dse.multipliers._circuit import ESTIMATED
from dse.multipliers._library import MultiplierLibrary
from dse.multipliers._multiplier import Multiplier
from dse.types import Table

_LARGEST = 255  # code of an operand
_BITS = range(8, 2, -1)


def widths(*, signed: bool = False) -> MultiplierLibrary:
    """Return exact multipliers of 3 to 8 bits for each operand: a search among them is per-layer mixed precision.

    They are what a user would do instead of approximating, with all that approximate multipliers get: both operand orders,
    clipped ranges, tuned weights, compensation, retraining through the tables with a straight-through gradient
    (quantisation-aware training).

    An operand of `k` bits is the 8-bit code rounded to the nearest of `2^k` levels `d q`, `d = 255 / (2^k - 1)`, halves up,
    and the hardware multiplies the numbers `q` of the levels. A table holds `round(d_x q_x d_w q_w)`: the steps belong to
    the factor of the requantisation, and rounding to integers adds at most half a unit. Low-bit quantisers clip (Banner et
    al., NeurIPS 2019); `dse.multipliers.clipped` does.

    `exact5x4` has 5 bits for activations and 4 for weights, and wired the other way round 4 and 5: the variant
    `exact5x4.swap` of a search (`dse.variants.expand`).

    All circuits are carry-save arrays, the cheaper way round, and the reference is the array of 8 x 8 bits to which the
    estimates are scaled, EvoApproxLib's exact circuit: energies relative to it compare with those of that library. Dadda
    trees need less power (`docs/hardware.md`), but a tree relative to an array would save energy without any loss.

    Args:
        signed: Must be False.

    Returns:
        The library, by falling power behind `exact8x8`.

    Raises:
        InputError: Signed operands are asked for.
    """
    if signed:
        raise InputError("library 'widths': its operands are unsigned, got signed ones asked for; use format 'sm8'")
    return _library()


@lru_cache
def _library() -> MultiplierLibrary:
    made = [_multiplier(wide, narrow) for wide in _BITS for narrow in _BITS if narrow <= wide]
    return MultiplierLibrary(sorted(made, key=lambda m: m.power_mw or 0.0, reverse=True))


def _multiplier(x_bits: int, w_bits: int) -> Multiplier:
    known = _figures(x_bits, w_bits)
    return Multiplier(
        f"exact{x_bits}x{w_bits}",
        _table(x_bits, w_bits),
        power_mw=known.power_mw,
        area_um2=known.area_um2,
        delay_ns=known.delay_ns,
        origin=f"exact array of {x_bits} x {w_bits} bits; {ESTIMATED}",
    )


def _table(x_bits: int, w_bits: int) -> Table:
    """Return the products of rounded codes `(256, 256)` in units of products of codes."""
    numbers = np.multiply.outer(_levels(x_bits), _levels(w_bits))
    whole = (2**x_bits - 1) * (2**w_bits - 1)
    return ((2 * numbers * _LARGEST**2 + whole) // (2 * whole)).astype(np.int32)


def _levels(bits: int) -> NDArray[np.int64]:
    """Return the number of the level nearest to each code `(256,)`, halves up."""
    codes, last = np.arange(_LARGEST + 1, dtype=np.int64), 2**bits - 1
    return (2 * codes * last + _LARGEST) // (2 * _LARGEST)


@lru_cache
def _figures(wide: int, narrow: int) -> Figures:
    """Estimate the array with rows by the bits of either operand, whichever needs less power."""
    found = min((figures(_array(wide, narrow)), figures(_array(narrow, wide))), key=lambda f: f.power_mw)
    # to nW: the last bits depend on how the machine adds, and hashes of runs depend on them
    return Figures(round(found.power_mw, 6), round(found.area_um2, 6), round(found.delay_ns, 6))


def _array(rows: int, columns: int) -> Netlist:
    """Return an exact array with a row for each bit of the first operand, as in the circuit that estimates are scaled to."""
    builder = Builder(rows, columns)
    return builder.netlist(STRUCTURES["array"](builder, partial_products(builder, builder.w, builder.x)))
