"""Multipliers that lack partial products: fewer operand bits, truncated columns, broken arrays.

What is left is added by the array of the published definitions, or by a tree, which computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist
from dse.circuits.parts import (
    STRUCTURES,
    PartialProducts,
    check_bits,
    check_choice,
    check_integer,
    partial_products,
)

CORRECTIONS = ("none", "constant", "variable")


def reduced(
    kept_bits: int, *, correction: str = "none", structure: str = "array", bits: int = 8, signed: bool = False
) -> Netlist:
    """Return the exact array of fewer bits: the low `bits - kept_bits` bits of both operands count as zero.

    This is the baseline any approximate multiplier has to beat (Barrois, Sentieys, Menard, DATE 2017).

    Args:
        kept_bits: High bits used of each operand, 1 to `bits`.
        correction: `none`, or `constant` (see `column_truncated`; rounded to the lowest column that is left).
        structure: How the products are added: `array`, `wallace` or `dadda`, as in `exact`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width is out of range, or the correction or structure unknown.
    """
    check_bits("reduced", bits)
    check_integer("reduced", "kept_bits", kept_bits, 1, bits)
    check_choice("reduced", "correction", correction, CORRECTIONS[:2])
    check_choice("reduced", "structure", structure, STRUCTURES)
    low = bits - kept_bits

    def kept(i: int, j: int) -> bool:
        return i >= low and j >= low

    constant = _mean_dropped(kept, 2 * low, bits, signed) if correction == "constant" else 0
    return _sum(bits, signed, structure, kept, constant)


def broken_array(
    horizontal: int, vertical: int, *, structure: str = "array", bits: int = 8, signed: bool = False
) -> Netlist:
    """Return the broken-array multiplier (Mahdiani et al., IEEE TCAS-I 57(4), 2010).

    The horizontal break level drops the first rows of the array (the low bits of the weight), the vertical break level
    the lowest columns: the partial products with `j >= horizontal` and `i + j >= vertical` stay. The paper keeps the cells
    of sign bits in a signed array; here they are dropped like any other.

    Args:
        horizontal: Rows dropped, 0 to `bits - 1`.
        vertical: Columns dropped, 0 to `2 bits - 2`.
        structure: How the products are added: `array`, `wallace` or `dadda`, as in `exact`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width or a break level is out of range, or the structure unknown.
    """
    check_bits("broken_array", bits)
    check_integer("broken_array", "horizontal", horizontal, 0, bits - 1)
    check_integer("broken_array", "vertical", vertical, 0, 2 * bits - 2)
    check_choice("broken_array", "structure", structure, STRUCTURES)
    return _sum(bits, signed, structure, lambda i, j: j >= horizontal and i + j >= vertical)


def column_truncated(
    columns: int, *, correction: str = "none", structure: str = "array", bits: int = 8, signed: bool = False
) -> Netlist:
    """Return the truncated array: the `columns` lowest columns of partial products (`i + j < columns`) are dropped.

    What makes up for them is, by `correction`,

    * `none`: nothing;
    * `constant`: what the dropped products amount to on average, each being 1 with chance 1/4, rounded to a multiple of
      `2^columns` (Schulte and Swartzlander, VLSI Signal Processing VI, 1993, without the part of their constant that makes
      up for rounding the product, which is not rounded here);
    * `variable`: the products of the highest dropped column, added one column higher and so counted twice (King and
      Swartzlander, Asilomar 1997, without their further constant). These are reduced by a Dadda tree.

    Args:
        columns: Columns dropped, 0 to `2 bits - 2`.
        correction: See above.
        structure: How the products are added: `array`, `wallace` or `dadda`, as in `exact`; not asked for `variable`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width or the number of columns is out of range, or the correction or structure unknown.
    """
    check_bits("column_truncated", bits)
    check_integer("column_truncated", "columns", columns, 0, 2 * bits - 2)
    check_choice("column_truncated", "correction", correction, CORRECTIONS)
    check_choice("column_truncated", "structure", structure, STRUCTURES)
    if correction == "variable":
        return _variably_corrected(columns, bits, signed)

    def kept(i: int, j: int) -> bool:
        return i + j >= columns

    constant = _mean_dropped(kept, columns, bits, signed) if correction == "constant" else 0
    return _sum(bits, signed, structure, kept, constant)


def _sum(bits: int, signed: bool, structure: str, kept: Callable[[int, int], bool], constant: int = 0) -> Netlist:
    builder = Builder(bits, bits, signed=signed)
    products = partial_products(builder, builder.x, builder.w, signed=signed, kept=kept)
    products = replace(products, constant=products.constant + constant)
    return builder.netlist(STRUCTURES[structure](builder, products))


def _mean_dropped(kept: Callable[[int, int], bool], column: int, bits: int, signed: bool) -> int:
    """Return a quarter of the sum of the dropped products' weights, to the nearest multiple of `2^column`, halves up."""
    last = bits - 1
    weights = sum(
        (-1 if signed and (i == last) != (j == last) else 1) << (i + j)
        for i in range(bits)
        for j in range(bits)
        if not kept(i, j)
    )
    unit = 4 << column
    return ((2 * weights + unit) // (2 * unit)) << column


def _variably_corrected(columns: int, bits: int, signed: bool) -> Netlist:
    builder = Builder(bits, bits, signed=signed)

    def products(kept: Callable[[int, int], bool]) -> PartialProducts:
        return partial_products(builder, builder.x, builder.w, signed=signed, kept=kept)

    moved = products(lambda i, j: i + j == columns - 1)
    rows = [{column + 1: bit for column, bit in row.items()} for row in moved.rows]
    whole = products(lambda i, j: i + j >= columns)
    both = replace(whole, rows=whole.rows + rows, constant=whole.constant + 2 * moved.constant)
    return builder.netlist(STRUCTURES["dadda"](builder, both))
