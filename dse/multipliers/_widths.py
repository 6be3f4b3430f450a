"""Exact multipliers of fewer operand bits as tables of 8-bit codes: what low-bit quantisation does, as a library."""

from __future__ import annotations

from collections.abc import Iterator
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
_X_RANGES = {8: (100,), 7: (100, 75, 50), 6: (100, 75, 50)} | dict.fromkeys((5, 4, 3), (100, 75, 50, 35))
_W_RANGES = dict.fromkeys((8, 7, 6), (100,)) | dict.fromkeys((5, 4, 3), (100, 85, 75))


def widths(*, signed: bool = False) -> MultiplierLibrary:
    """Return exact multipliers of 3 to 8 bits for each operand: a search among them is per-layer mixed precision.

    They are what a user would do instead of approximating, with all that approximate multipliers get: tuned weights,
    compensation, retraining through the tables with a straight-through gradient (quantisation-aware training).

    An operand of `k` bits is the 8-bit code rounded to the nearest of `2^k` levels `d q`, halves up, and the hardware
    multiplies the numbers `q` of the levels. `d = c 255 / (2^k - 1)`: the levels cover the share `c` of the range, and what
    lies beyond is clipped, as low-bit quantisers do (Banner et al., NeurIPS 2019). A table holds `round(d_x q_x d_w q_w)`:
    the steps belong to the factor of the requantisation, and rounding to integers adds at most half a unit.

    `exact5x4` has 5 bits for activations and 4 for weights, `exact5x4.x50w85` is the same circuit where 50 % and 85 % of the
    ranges are covered. Activations of up to 7 bits have 100, 75 and 50 %, those of up to 5 bits also 35 %; weights of up to
    5 bits have 100, 85 and 75 %.

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
    made = [m for x_bits in _X_RANGES for w_bits in _W_RANGES for m in _of_circuit(x_bits, w_bits)]
    return MultiplierLibrary(sorted(made, key=lambda m: m.power_mw or 0.0, reverse=True))


def _of_circuit(x_bits: int, w_bits: int) -> Iterator[Multiplier]:
    """Yield what one circuit computes with the ranges of its operands."""
    known, circuit = _figures(max(x_bits, w_bits), min(x_bits, w_bits)), f"exact{x_bits}x{w_bits}"
    for x_range in _X_RANGES[x_bits]:
        for w_range in _W_RANGES[w_bits]:
            ranges = "".join(f"{key}{share}" for key, share in (("x", x_range), ("w", w_range)) if share < 100)
            covered = f"activations over {x_range} %, weights over {w_range} % of their range"
            yield Multiplier(
                f"{circuit}.{ranges}".removesuffix("."),
                _table(x_bits, x_range, w_bits, w_range),
                power_mw=known.power_mw,
                area_um2=known.area_um2,
                delay_ns=known.delay_ns,
                origin=f"exact array of {x_bits} x {w_bits} bits; {covered}; {ESTIMATED}",
                circuit=circuit,
            )


def _table(x_bits: int, x_range: int, w_bits: int, w_range: int) -> Table:
    """Return the products of rounded codes `(256, 256)` in units of products of codes; ranges are in per cent."""
    numbers = np.multiply.outer(_levels(x_bits, x_range), _levels(w_bits, w_range))
    whole = 10_000 * (2**x_bits - 1) * (2**w_bits - 1)
    return ((2 * numbers * x_range * w_range * _LARGEST**2 + whole) // (2 * whole)).astype(np.int32)


def _levels(bits: int, covered: int) -> NDArray[np.int64]:
    """Return the number of the level nearest to each code `(256,)`, halves up; `covered` is in per cent."""
    codes, last = np.arange(_LARGEST + 1, dtype=np.int64), 2**bits - 1
    return np.minimum((200 * codes * last + covered * _LARGEST) // (2 * covered * _LARGEST), last)


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
