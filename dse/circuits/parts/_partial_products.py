"""The partial products of an array multiplier, unsigned or two's complement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, Signal

Columns: TypeAlias = list[list[Signal]]  # the bits of weight 2^column, for every column of the product


@dataclass(frozen=True)
class PartialProducts:
    """Bits to be added: rows of one bit a column, and a constant.

    Args:
        rows: For each bit of the second operand from the lowest, the bits of its row by column.
        constant: What is added besides, modulo `2^width`.
        width: Columns of the product.
    """

    rows: list[dict[int, Signal]]
    constant: int
    width: int

    def columns(self) -> Columns:
        """Return the bits by column, those of lower rows first and the constant's ones last."""
        columns: Columns = [[row[column] for row in self.rows if column in row] for column in range(self.width)]
        for column, bits in enumerate(columns):
            bits.extend([ONE] * (self.constant >> column & 1))
        return columns


def partial_products(
    builder: Builder,
    x: Sequence[Signal],
    w: Sequence[Signal],
    *,
    signed: bool = False,
    kept: Callable[[int, int], bool] = lambda i, j: True,
) -> PartialProducts:
    """Return the partial products `x_i w_j 2^(i + j)` for which `kept(i, j)` holds.

    A product with exactly one sign bit counts negative: it enters complemented, and the `-2^(i + j)` that makes up for it
    is gathered in the constant (Baugh and Wooley, IEEE TC 1973, in the modified form without sign rows). What a dropped
    product would have added to the constant is dropped with it.
    """
    rows, constant, width = [], 0, len(x) + len(w)
    for j, w_bit in enumerate(w):
        row: dict[int, Signal] = {}
        for i, x_bit in enumerate(x):
            if kept(i, j):
                negative = signed and (i == len(x) - 1) != (j == len(w) - 1)
                row[i + j] = builder.nand(x_bit, w_bit) if negative else builder.and_(x_bit, w_bit)
                constant -= int(negative) << (i + j)
        rows.append(row)
    return PartialProducts(rows, constant % (1 << width), width)
