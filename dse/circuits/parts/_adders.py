"""Ripple-carry addition of two words, of rows one after the other, and of what a tree leaves."""

from __future__ import annotations

from collections.abc import Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Signal
from dse.circuits.parts._partial_products import Columns, PartialProducts


def add(builder: Builder, a: Sequence[Signal], b: Sequence[Signal], carry: Signal = ZERO) -> list[Signal]:
    """Return `a + b + carry`, one bit longer than the longer of the two words."""
    total: list[Signal] = []
    for column in range(max(len(a), len(b))):
        bit, carry = builder.full_adder(_bit(a, column), _bit(b, column), carry)
        total.append(bit)
    return [*total, carry]


def subtract(builder: Builder, a: Sequence[Signal], b: Sequence[Signal]) -> list[Signal]:
    """Return `a - b` modulo two to the length of `a`; `b` may be shorter."""
    inverted = [builder.not_(_bit(b, column)) for column in range(len(a))]
    return add(builder, a, inverted, ONE)[: len(a)]


def add_rows(builder: Builder, products: PartialProducts, *, lower: int = 0) -> list[Signal]:
    """Add rows in carry-save form, closed by a ripple-carry adder: the array multiplier.

    In the `lower` lowest columns each addition is an OR, and the AND of the two bits in the highest of them is carried into
    the exact rest (the lower-part-OR adder of Mahdiani et al., IEEE TCAS-I 57(4), 2010).

    Args:
        builder: Where the gates go.
        products: What is added; its constant enters where the first row has no partial products.
        lower: Columns from the lowest that are not added exactly.

    Returns:
        The bits of the sum, modulo `2^width`.
    """
    sums: list[Signal] = [ONE if products.constant >> column & 1 else ZERO for column in range(products.width)]
    carries = [ZERO] * (products.width + 1)
    for first, row in enumerate(products.rows):
        passed = list(carries)
        for column in range(first, first + products.width - len(products.rows)):
            term = row.get(column, ZERO)
            if column < lower:
                passed[column + 1] = builder.and_(sums[column], term) if column == lower - 1 else ZERO
                sums[column] = builder.or_(sums[column], term)
            else:
                sums[column], passed[column + 1] = builder.full_adder(sums[column], term, carries[column])
            if column == first:
                passed[column] = ZERO
        carries = passed
    return add(builder, sums, carries[: products.width])[: products.width]


def add_columns(builder: Builder, columns: Columns) -> list[Signal]:
    """Add columns of at most two bits by a ripple-carry adder, modulo two to the number of columns."""
    first, second = ([_bit(bits, word) for bits in columns] for word in range(2))
    return add(builder, first, second)[: len(columns)]


def _bit(word: Sequence[Signal], place: int) -> Signal:
    return word[place] if place < len(word) else ZERO
