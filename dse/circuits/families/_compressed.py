"""Multipliers with approximate 4:2 compressors in the low columns of their tree."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist
from dse.circuits.parts import (
    COMPRESSORS,
    add_columns,
    check_bits,
    check_choice,
    check_integer,
    compressor_tree,
    partial_products,
)


def compressed(compressor: str, columns: int, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return a tree multiplier whose `columns` lowest columns are reduced by approximate 4:2 compressors.

    `dse.circuits.parts.compressor_tree` says how the tree is built and what of it is published. Signed operands have
    modified Baugh-Wooley partial products, whose constant ones enter as bits. A sum that the compressors make too large
    wraps around, as it does in the circuit.

    Args:
        compressor: One of `momeni2`, `yang1`, `lin`, `ha`, `akbari1`, `akbari3`, `akbari4`, `venkatachalam`, `strollo`,
            `sabetzadeh`; each names its paper in `dse/circuits/parts/_compressors.py`.
        columns: Columns with approximate compressors, 0 to `2 bits`. Papers use `bits` or all of them.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width or the number of columns is out of range, or the compressor unknown.
    """
    check_bits("compressed", bits)
    check_choice("compressed", "compressor", compressor, COMPRESSORS)
    check_integer("compressed", "columns", columns, 0, 2 * bits)
    builder = Builder(bits, bits, signed=signed)
    products = partial_products(builder, builder.x, builder.w, signed=signed)
    tree = compressor_tree(builder, products.columns(), COMPRESSORS[compressor], columns)
    return builder.netlist(add_columns(builder, tree))
