"""DRUM: multiply the few bits behind the leading one."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist, Signal
from dse.circuits.parts import (
    add,
    any_of,
    check_bits,
    check_integer,
    leading_segment,
    multiply,
    shift_left,
    sign_magnitude,
)


def drum(kept_bits: int, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return DRUM-k (Hashemi, Bahar, Reda, ICCAD 2015).

    Of each operand the `k` bits from the leading one on are kept and the lowest of them is set to one, which makes the
    error of uniform operands nearly unbiased; an operand below `2^k` is used as it is. The `k x k` product is exact
    and shifted back. Signed operands go through the unsigned core as sign and magnitude, as in the paper.

    Args:
        kept_bits: Bits `k` of the core, 3 to `bits`: with 2, a signed product could overflow.
        bits: Width of both operands, 3 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width is out of range.
    """
    check_bits("drum", bits, 3)
    check_integer("drum", "kept_bits", kept_bits, 3, bits)

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Multiply the leading segments and shift back."""
        x_segment, x_amount = _unbiased(b, x, kept_bits)
        w_segment, w_amount = _unbiased(b, w, kept_bits)
        return shift_left(b, multiply(b, x_segment, w_segment), add(b, x_amount, w_amount), 2 * bits)

    return sign_magnitude(core, bits, signed)


def _unbiased(b: Builder, word: list[Signal], size: int) -> tuple[list[Signal], list[Signal]]:
    """Return the leading segment, its lowest bit set where bits were cut off, and the shift."""
    segment, amount, _ = leading_segment(b, word, size)
    return [b.or_(segment[0], any_of(b, word[size:])), *segment[1:]], amount
