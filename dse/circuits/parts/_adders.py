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


def lower_or_add(builder: Builder, a: Sequence[Signal], b: Sequence[Signal], lower: int) -> list[Signal]:
    """Return about `a + b`, as long as `add`: the `lower` lowest bits are ORs (LOA, Mahdiani et al., IEEE TCAS-I 2010).

    The AND of the highest bits of the lower part is the carry into the upper part.
    """
    size = max(len(a), len(b))
    a, b = [_bit(a, column) for column in range(size)], [_bit(b, column) for column in range(size)]
    lower = min(lower, size)
    carry = builder.and_(a[lower - 1], b[lower - 1]) if lower else ZERO
    return [builder.or_(*pair) for pair in zip(a[:lower], b[:lower], strict=True)] + add(
        builder, a[lower:], b[lower:], carry
    )


def add_rows(builder: Builder, products: PartialProducts, *, lower: int = 0) -> list[Signal]:
    """Add the rows one after the other, each by a ripple-carry adder: the array multiplier.

    Args:
        builder: Where the gates go.
        products: What is added; its constant enters ahead of the first row.
        lower: Columns from the lowest in which each addition is an OR (`lower_or_add`).

    Returns:
        The bits of the sum, modulo `2^width`.
    """
    total = [ONE if products.constant >> column & 1 else ZERO for column in range(products.width)]
    for row in products.rows:
        if row:
            first = min(row) if lower == 0 else 0  # nothing happens below the first column of a row
            bits = [row.get(column, ZERO) for column in range(first, products.width)]
            total[first:] = lower_or_add(builder, total[first:], bits, lower)[: products.width - first]
    return total


def add_columns(builder: Builder, columns: Columns) -> list[Signal]:
    """Add columns of at most two bits by a ripple-carry adder, modulo two to the number of columns."""
    first, second = ([_bit(bits, word) for bits in columns] for word in range(2))
    return add(builder, first, second)[: len(columns)]


def _bit(word: Sequence[Signal], place: int) -> Signal:
    return word[place] if place < len(word) else ZERO
