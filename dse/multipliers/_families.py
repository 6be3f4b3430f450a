"""Multipliers made from a definition: the exact array and what is left of it when partial products are dropped.

All four are one construction. An array multiplier adds the partial products `x_i w_j 2^(i + j)`; a mask says which of
them exist. For signed operands the terms with exactly one sign bit count negative (Baugh-Wooley), and a dropped term
contributes nothing, its share of the array's constant being dropped with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.multipliers._gates import array_gates, estimate
from dse.multipliers._generated import check_bits, check_integer, generated
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import operand_values


def exact(bits: int = 8, signed: bool = False) -> Multiplier:
    """Return the exact multiplier: the full array.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Returns:
        `exact8u` and the like. At 8 bits its figures are those EvoApproxLib publishes for its exact circuit.

    Raises:
        InputError: The width is out of range.
    """
    i, _ = _partial_products(bits)
    return _array("exact", "exact array", i >= 0, bits, signed)


def reduced(kept_bits: int, *, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return the exact multiplier of fewer bits: the low `bits - kept_bits` bits of both operands count as zero.

    This is the baseline any approximate multiplier has to beat (Barrois et al., DATE 2017).

    Args:
        kept_bits: High bits used of each operand, 1 to `bits`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Returns:
        `reduced6u` and the like.

    Raises:
        InputError: A width is out of range.
    """
    i, j = _partial_products(bits)
    check_integer("reduced", "kept_bits", kept_bits, 1, bits)
    low = bits - kept_bits
    return _array(f"reduced{kept_bits}", f"exact {kept_bits}-bit array", (i >= low) & (j >= low), bits, signed)


def column_truncated(columns: int, *, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return the truncated array: the `columns` lowest columns of partial products (`i + j < columns`) are dropped.

    No correction constant is added (truncated multiplier, e.g. Schulte and Swartzlander, VLSI Signal Processing 1993).

    Args:
        columns: Columns dropped, 0 to `2 bits - 2`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Returns:
        `trunc6u` and the like.

    Raises:
        InputError: The width or the number of columns is out of range.
    """
    i, j = _partial_products(bits)
    check_integer("column_truncated", "columns", columns, 0, 2 * bits - 2)
    what = f"array without its {columns} lowest columns"
    return _array(f"trunc{columns}", what, i + j >= columns, bits, signed)


def broken_array(horizontal: int, vertical: int, *, bits: int = 8, signed: bool = False) -> Multiplier:
    """Return the broken-array multiplier (Mahdiani et al., IEEE TCAS-I 57(4), 2010).

    The horizontal break level drops the first rows of the array (the low bits of the weight), the vertical break level
    the lowest columns: the partial products with `j >= horizontal` and `i + j >= vertical` stay.

    Args:
        horizontal: Rows dropped, 0 to `bits - 1`.
        vertical: Columns dropped, 0 to `2 bits - 2`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Returns:
        `bam_h2_v6u` and the like.

    Raises:
        InputError: The width or a break level is out of range.
    """
    i, j = _partial_products(bits)
    check_integer("broken_array", "horizontal", horizontal, 0, bits - 1)
    check_integer("broken_array", "vertical", vertical, 0, 2 * bits - 2)
    kept = (j >= horizontal) & (i + j >= vertical)
    return _array(
        f"bam_h{horizontal}_v{vertical}", f"broken array, HBL {horizontal}, VBL {vertical}", kept, bits, signed
    )


def _partial_products(bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return activation bit `i` and weight bit `j` of every partial product, each `(bits, bits)` int64."""
    check_bits(bits)
    i, j = np.indices((bits, bits))
    return i, j


def _array(stem: str, what: str, kept: NDArray[np.bool_], bits: int, signed: bool) -> Multiplier:
    figures = estimate(array_gates(kept, signed), signed=signed)
    kind = f"{what}{', modified Baugh-Wooley' if signed else ''}"
    return generated(stem, _products(kept, signed), figures, kind, bits=bits, signed=signed)


def _products(kept: NDArray[np.bool_], signed: bool) -> NDArray[np.int64]:
    """Add the kept partial products of every pair of codes, `(bits, bits)` bool -> `(2^bits, 2^bits)` int64."""
    bits = kept.shape[0]
    codes = operand_values(bits, signed=False)
    weight = np.int64(1) << np.arange(bits)
    if signed:
        weight[-1] *= -1
    # (2^bits, bits): the value each bit of an operand contributes.
    terms = (codes[:, None] >> np.arange(bits) & 1) * weight
    return terms @ kept.astype(np.int64) @ terms.T
