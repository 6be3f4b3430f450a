"""MBM: Mitchell's multiplier and a constant that makes up for its bias."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Netlist, Signal
from dse.circuits.parts import add, check_bits, logarithm, shift_left, sign_magnitude

_CONSTANT_BITS = 7  # behind the point, of the constant


def minimally_biased(*, bits: int = 8, signed: bool = False) -> Netlist:
    """Return MBM (Saadat, Bokhari, Parameswaran, IEEE TCAD 37(11), 2018): Mitchell's with its bias made up for.

    Before the shift back `c = 0.0001010` (binary, 0.078125) is added where `f1 + f2 < 1`, else `c / 2`. A sum that would
    leave the product's width is left uncorrected, as in the paper. Below 8 bits the fractions are filled up with zeros to
    the seven bits that the constant has (ours). The product is rounded down, without the special treatment of small operands
    that the paper mentions. Signed operands go through the unsigned core as sign and magnitude (ours).

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width is out of range.
    """
    check_bits("minimally_biased", bits)
    size = max(bits - 1, _CONSTANT_BITS)

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Add the logarithms with the constant and return the power of two."""
        x_fraction, x_position = logarithm(b, x, bits - 1)
        w_fraction, w_position = logarithm(b, w, bits - 1)
        filler = [ZERO] * (size - bits + 1)
        *fraction, carry = add(b, filler + x_fraction, filler + w_fraction)
        small = b.not_(carry)
        constant = [*[ZERO] * (size - _CONSTANT_BITS), carry, small, carry, small]
        corrected = add(b, [*fraction, ONE], constant)
        overflows = b.and_(b.and_(corrected[-1], carry), b.and_(x[-1], w[-1]))
        mantissa = [b.mux(overflows, *pair) for pair in zip(corrected, [*fraction, ONE, ZERO], strict=True)]
        exponent = add(b, x_position, w_position, carry)
        return shift_left(b, mantissa, exponent, size + 2 * bits)[size:]

    return sign_magnitude(core, bits, signed, zero_forced=True)
