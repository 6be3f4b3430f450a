"""Radix-4 Booth multipliers: exact, truncated, and with approximate encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Netlist, Signal
from dse.circuits.parts import Columns, add_columns, check_bits, check_choice, check_integer, dadda_tree

ENCODERS = ("abe1", "abe2")


class _Digit(NamedTuple):
    """A digit `-2 b[2i+1] + b[2i] + b[2i-1]` of the weight."""

    place: int  # 2i
    high: Signal  # b[2i+1]
    is_one: Signal  # the digit is 1 or -1
    is_two: Signal  # the digit is 2 or -2
    is_negative: Signal


def booth(
    *,
    truncated_columns: int = 0,
    encoder: str = "abe1",
    approximate_columns: int = 0,
    bits: int = 8,
    signed: bool = False,
) -> Netlist:
    """Return a radix-4 Booth multiplier (MacSorley, Proceedings of the IRE 1961) with a Dadda tree; the weight is recoded.

    A row is the activation times a digit: the bits of one or two times the activation, inverted where the digit is
    negative, and a one in the row's lowest column that completes the negation. Sign bits enter complemented and their
    weight is taken off in a constant. Unsigned operands get a leading zero.

    Args:
        truncated_columns: Lowest columns whose bits are left out, 0 to `bits`, the ones of negation among them.
        encoder: What makes the bits in the approximate columns; `abe1`, `(b[2i] xor b[2i-1]) and (b[2i+1] xor x[j])`, takes
            digits 2 and -2 for 0; `abe2`, `b[2i+1] xor x[j]`, takes every digit for 1 or -1 (R4ABE1 and R4ABE2 of Liu et
            al., IEEE TC 66(8), 2017). The ones of negation, also that of the last row, which the paper leaves out in some
            designs, and the rows' sign bits stay exact (ours).
        approximate_columns: Lowest columns with the approximate encoder, the paper's `p`, 0 to `2 bits`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A number is out of range, or the encoder unknown.
    """
    check_bits("booth", bits)
    check_integer("booth", "truncated_columns", truncated_columns, 0, bits)
    check_integer("booth", "approximate_columns", approximate_columns, 0, 2 * bits)
    check_choice("booth", "encoder", encoder, ENCODERS)
    builder = Builder(bits, bits, signed=signed)
    columns: Columns = [[] for _ in range(2 * bits)]
    constant = 0
    for digit in _digits(builder):
        row = _row(builder, digit, encoder, approximate_columns - digit.place)
        sign = digit.place + len(row) - 1
        constant -= 1 << sign
        for column, bit in [(digit.place, digit.is_negative), *enumerate(row, digit.place)]:
            if truncated_columns <= column < 2 * bits:
                columns[column].append(bit)
    for column in range(2 * bits):
        columns[column] += [ONE] * (constant >> column & 1)
    return builder.netlist(add_columns(builder, dadda_tree(builder, columns)))


def _digits(b: Builder) -> Iterator[_Digit]:
    """Yield the weight's digits from the lowest."""
    extension = b.w[-1] if b.signed else ZERO
    w = [ZERO, *b.w, extension, extension]
    for place in range(0, b.w_bits + (not b.signed), 2):
        low, middle, high = w[place : place + 3]
        is_one = b.xor(middle, low)
        is_two = b.and_(b.not_(is_one), b.xor(high, middle))
        yield _Digit(place, high, is_one, is_two, b.and_(high, b.nand(middle, low)))


def _row(b: Builder, digit: _Digit, encoder: str, approximate: int) -> list[Signal]:
    """Return the bits of the activation times a digit, without the one that completes the negation.

    The highest is the sign, complemented. The `approximate` lowest come from the approximate encoder.
    """
    extension = b.x[-1] if b.signed else ZERO
    x = [ZERO, *b.x, extension, *[ZERO] * (not b.signed)]
    row = []
    for j, (below, bit) in enumerate(zip(x, x[1:], strict=False)):
        if j < approximate and j < len(x) - 2:
            selected = b.xor(digit.high, bit)
            row.append(b.and_(digit.is_one, selected) if encoder == "abe1" else selected)
        else:
            multiple = b.or_(b.and_(digit.is_one, bit), b.and_(digit.is_two, below))
            row.append(b.xor(digit.is_negative, multiple))
    return [*row[:-1], b.not_(row[-1])]
