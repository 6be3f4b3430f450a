"""Logarithmic multipliers: Mitchell's, with fewer fraction bits, with a cheaper addition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Netlist, Signal
from dse.circuits.parts import add, check_bits, check_integer, logarithm, shift_left, sign_magnitude

Addition: TypeAlias = Callable[[Builder, list[Signal], list[Signal]], list[Signal]]


def mitchell(*, bits: int = 8, signed: bool = False) -> Netlist:
    """Return Mitchell's multiplier (IRE Transactions on Electronic Computers, 1962).

    With `x = 2^k (1 + f)`, `log2 x` is taken as `k + f`; the sum of two logarithms goes back by the same line. The
    product is `2^(k1 + k2) (1 + f1 + f2)` where `f1 + f2 < 1`, else `2^(k1 + k2 + 1) (f1 + f2)`; zero where an operand
    is zero. It is never above the exact one. Signed operands go through the unsigned core as sign and magnitude.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width is out of range.
    """
    check_bits("mitchell", bits)
    return _logarithmic(bits - 1, add, bits, signed)


def mitchell_truncated(
    fraction_bits: int, *, unbiased: bool = False, inverting: bool = False, bits: int = 8, signed: bool = False
) -> Netlist:
    """Return Mitchell's multiplier with only the highest bits of each fraction (Kim et al., IEEE TC 68(5), 2019).

    The product is rounded down to an integer where the shift back leaves a fraction. The paper's Mitch-w is the unbiased
    one, for signed operands both unbiased and inverting.

    Args:
        fraction_bits: Bits kept of each logarithm's fraction, 1 to `bits - 1` (which is Mitchell's own).
        unbiased: A one follows the kept bits of both fractions, so that their sum is one unit larger.
        inverting: Signed operands and products are negated by inverting their bits, without the one; a magnitude of zero
            (of -1) has the logarithm 0. Nothing changes for unsigned operands.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width is out of range.
    """
    check_bits("mitchell_truncated", bits)
    check_integer("mitchell_truncated", "fraction_bits", fraction_bits, 1, bits - 1)
    carry = ONE if unbiased else ZERO
    return _logarithmic(fraction_bits, lambda b, x, w: add(b, x, w, carry), bits, signed, inverting=inverting)


def set_one_logarithmic(ones: int, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return ALM-SOA (Liu et al., IEEE TCAS-I 65(9), 2018): Mitchell's with a set-one adder for the logarithms.

    The `ones` lowest bits of the sum are one; the AND of the two bits in the highest of them is carried upwards. Signed
    operands go through the unsigned core as sign and magnitude.

    Args:
        ones: Bits of the sum that are set, 1 to `bits - 1` (the length of the fraction).
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width is out of range.
    """
    check_bits("set_one_logarithmic", bits)
    check_integer("set_one_logarithmic", "ones", ones, 1, bits - 1)

    def set_one_add(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        carry = b.and_(x[ones - 1], w[ones - 1])
        return [ONE] * ones + add(b, x[ones:], w[ones:], carry)

    return _logarithmic(bits - 1, set_one_add, bits, signed)


def _logarithmic(
    fraction_bits: int, addition: Addition, bits: int, signed: bool, *, inverting: bool = False
) -> Netlist:
    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Add the logarithms and return the power of two."""
        x_fraction, x_position = logarithm(b, x, fraction_bits)
        w_fraction, w_position = logarithm(b, w, fraction_bits)
        total = addition(b, x_fraction + x_position, w_fraction + w_position)
        mantissa, exponent = [*total[:fraction_bits], ONE], total[fraction_bits:]
        return shift_left(b, mantissa, exponent, fraction_bits + 2 * bits)[fraction_bits:]

    return sign_magnitude(core, bits, signed, inverting=inverting, zero_forced=True)
