"""The exact product by three structures."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist
from dse.circuits.parts import STRUCTURES, check_bits, check_choice, partial_products


def exact(bits: int = 8, signed: bool = False, *, structure: str = "array") -> Netlist:
    """Return an exact multiplier, signed ones with modified Baugh-Wooley partial products.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.
        structure: `array` adds row after row in carry-save form; `wallace` (Wallace, IEEE TEC 1964) and `dadda` (Dadda,
            Alta Frequenza 1965) reduce columns by trees. All end with one ripple-carry adder.

    Raises:
        InputError: The width is out of range or the structure unknown.
    """
    check_bits("exact", bits)
    check_choice("exact", "structure", structure, STRUCTURES)
    builder = Builder(bits, bits, signed=signed)
    products = partial_products(builder, builder.x, builder.w, signed=signed)
    return builder.netlist(STRUCTURES[structure](builder, products))
