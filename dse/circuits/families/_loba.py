"""LOBA: products of segments that begin at leading ones."""

from __future__ import annotations

from typing import NamedTuple

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist, Signal
from dse.circuits.parts import (
    Columns,
    add,
    add_columns,
    check_bits,
    check_integer,
    dadda_tree,
    leading_segment,
    multiply,
    shift_left,
    sign_magnitude,
)

# (segment of the activation, segment of the weight), 0 the first and 1 the second
_PRODUCTS = ((0, 0), (0, 1), (1, 0), (1, 1))


class _Segment(NamedTuple):
    bits: list[Signal]
    amount: list[Signal]  # places it was shifted down


def loba(products: int, kept_bits: int, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return LOBA0 to LOBA3 (Garg, Patel, Dutt, Journal of Electronic Testing 36, 2020).

    Each operand gives two segments of `k` bits: from its leading one on, and from the leading one of what is left below.
    LOBA0 multiplies the first segments, LOBA1 adds the activation's first by the weight's second, LOBA2 the other cross
    product too, LOBA3 all four. Products are exact and shifted back; a rest below `2^k` is a segment as it is. The order
    of the cross products, and signed operands as sign and magnitude, follow the Verilog of the MAxPy project.

    Args:
        products: Products added to that of the first segments, 0 to 3.
        kept_bits: Bits `k` of a segment, 1 to `bits`.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width or the number of products is out of range.
    """
    check_bits("loba", bits)
    check_integer("loba", "products", products, 0, 3)
    check_integer("loba", "kept_bits", kept_bits, 1, bits)

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Add the products of leading segments."""
        x_segments, w_segments = _segments(b, x, kept_bits), _segments(b, w, kept_bits)
        sums: Columns = [[] for _ in range(2 * bits)]
        for first, second in _PRODUCTS[: products + 1]:
            if first < len(x_segments) and second < len(w_segments):
                _add_product(b, sums, x_segments[first], w_segments[second])
        return add_columns(b, dadda_tree(b, sums))

    return sign_magnitude(core, bits, signed)


def _segments(b: Builder, word: list[Signal], size: int) -> list[_Segment]:
    """Return both segments, or the only one where nothing can be left below the first."""
    bits, amount, below = leading_segment(b, word, size)
    first = _Segment(bits, amount)
    return [first, _Segment(*leading_segment(b, below, size)[:2])] if below else [first]


def _add_product(b: Builder, sums: Columns, x: _Segment, w: _Segment) -> None:
    moved = shift_left(b, multiply(b, x.bits, w.bits), add(b, x.amount, w.amount), len(sums))
    for column, bit in zip(sums, moved, strict=True):
        column.append(bit)
