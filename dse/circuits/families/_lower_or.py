"""Array multipliers whose rows are added by lower-part-OR adders."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist
from dse.circuits.parts import add_rows, check_bits, check_integer, partial_products


def lower_or(columns: int, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return the array in which every row is added by a lower-part-OR adder (LOA).

    The adder is that of Mahdiani et al. (IEEE TCAS-I 57(4), 2010); using it for the rows of an array is ours. In the
    `columns` lowest columns of the product each addition is an OR; the AND of the two bits in the highest of them is
    carried into the exact rest.

    Args:
        columns: Columns of the lower part, 0 to `2 bits - 1`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width or the number of columns is out of range.
    """
    check_bits("lower_or", bits)
    check_integer("lower_or", "columns", columns, 0, 2 * bits - 1)
    builder = Builder(bits, bits, signed=signed)
    products = partial_products(builder, builder.x, builder.w, signed=signed)
    return builder.netlist(add_rows(builder, products, lower=columns))
