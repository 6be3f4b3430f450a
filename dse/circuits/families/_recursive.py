"""Multipliers put together from approximate 2 x 2 blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import ZERO, Netlist, Signal
from dse.circuits.parts import (
    Columns,
    add_columns,
    check_bits,
    check_choice,
    check_integer,
    dadda_tree,
    multiply,
    sign_magnitude,
)

Block: TypeAlias = Callable[[Builder, Sequence[Signal], Sequence[Signal]], list[Signal]]


def _kulkarni(b: Builder, x: Sequence[Signal], w: Sequence[Signal]) -> list[Signal]:
    """Three times three is seven, everything else exact."""
    return [b.and_(x[0], w[0]), b.or_(b.and_(x[0], w[1]), b.and_(x[1], w[0])), b.and_(x[1], w[1])]


def _rehman1(b: Builder, x: Sequence[Signal], w: Sequence[Signal]) -> list[Signal]:
    """Three products are one too small: 1 by 1, 1 by 3 and 3 by 1; three times three is nine."""
    cross, other = b.and_(x[0], w[1]), b.and_(x[1], w[0])
    all_set = b.and_(cross, other)
    return [all_set, b.xor(cross, other), b.xor(b.and_(x[1], w[1]), all_set), all_set]


def _rehman3(b: Builder, x: Sequence[Signal], w: Sequence[Signal]) -> list[Signal]:
    """Three times three is five, everything else exact."""
    return [b.and_(x[0], w[0]), b.xor(b.and_(x[0], w[1]), b.and_(x[1], w[0])), b.and_(x[1], w[1])]


BLOCKS: dict[str, Block] = {"kulkarni": _kulkarni, "rehman1": _rehman1, "rehman3": _rehman3}


def recursive(block: str = "kulkarni", columns: int | None = None, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return the sum of products of two-bit digits, those of low weight by approximate 2 x 2 blocks.

    Kulkarni, Gupta and Ercegovac (VLSI Design 2011) split operands in halves down to two bits and add exactly, which is
    the sum of all products of digits; where only some blocks are approximate, which ones is ours (those below a column).
    The sum is made by a Dadda tree. An odd width is filled up with a zero bit. Signed operands go through the unsigned
    circuit as sign and magnitude, which is ours as well.

    Args:
        block: `kulkarni` (3 x 3 = 7), or a block of Rehman et al. (ICCAD 2016) as their library lpACLib publishes it:
            `rehman1` (its version 1: 1 x 1 = 0, 1 x 3 = 3 x 1 = 2) or `rehman3` (its version 3: 3 x 3 = 5).
        columns: Blocks whose lowest bit has a weight below `2^columns` are approximate; all of them for None.
            0 to `2 bits - 1`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width or the number of columns is out of range, or the block unknown.
    """
    check_bits("recursive", bits)
    check_choice("recursive", "block", block, BLOCKS)
    below = 2 * bits - 1 if columns is None else columns
    check_integer("recursive", "columns", below, 0, 2 * bits - 1)

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Add the products of digits by two bits."""
        sums: Columns = [[] for _ in range(2 * (bits + bits % 2))]
        for i, x_digit in _digits(x):
            for j, w_digit in _digits(w):
                make = BLOCKS[block] if i + j < below else multiply
                for place, bit in enumerate(make(b, x_digit, w_digit), start=i + j):
                    sums[place].append(bit)
        return add_columns(b, dadda_tree(b, sums))

    return sign_magnitude(core, bits, signed)


def _digits(word: list[Signal]) -> list[tuple[int, list[Signal]]]:
    """Return the two-bit digits of a word, each with the place of its lower bit."""
    padded = [*word, ZERO]
    return [(place, padded[place : place + 2]) for place in range(0, len(word), 2)]
