"""The exact product by three structures."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist
from dse.circuits.parts import (
    PartialProducts,
    add_columns,
    add_rows,
    check_bits,
    check_choice,
    dadda_tree,
    partial_products,
    wallace_tree,
)

STRUCTURES = ("array", "wallace", "dadda")


def exact(bits: int = 8, signed: bool = False, *, structure: str = "array") -> Netlist:
    """Return an exact multiplier, signed ones with modified Baugh-Wooley partial products.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.
        structure: `array` adds row after row by ripple-carry adders; `wallace` (Wallace, IEEE TEC 1964) and `dadda` (Dadda,
            Alta Frequenza 1965) reduce columns by trees and end with one ripple-carry adder.

    Raises:
        InputError: The width is out of range or the structure unknown.
    """
    check_bits("exact", bits)
    check_choice("exact", "structure", structure, STRUCTURES)
    builder = Builder(bits, bits, signed=signed)
    products = partial_products(builder, builder.x, builder.w, signed=signed)
    return builder.netlist(_sum(builder, products, structure))


def _sum(builder: Builder, products: PartialProducts, structure: str) -> list[int]:
    if structure == "array":
        return add_rows(builder, products)
    tree = wallace_tree if structure == "wallace" else dadda_tree
    return add_columns(builder, tree(builder, products.columns()))
