"""Logarithmic multipliers: Mitchell's, with fewer fraction bits, with cheaper addition, with a correction."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Netlist, Signal
from dse.circuits.parts import (
    add,
    any_of,
    check_bits,
    check_integer,
    encode,
    leading_one,
    shift_left,
    sign_magnitude,
)

_MBM_FRACTION_BITS = 7  # of the correction constant


class _Log(NamedTuple):
    """Mitchell's binary logarithm in fixed point, `position + fraction`; 0 for zero."""

    fraction: list[Signal]
    position: list[Signal]
    is_nonzero: Signal


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


def mitchell_truncated(fraction_bits: int, *, unbiased: bool = False, bits: int = 8, signed: bool = False) -> Netlist:
    """Return Mitchell's multiplier with only the highest bits of each fraction (Kim et al., IEEE TC 68(5), 2019).

    The product is rounded down to an integer where the shift back leaves a fraction. The paper's Mitch-w is the unbiased
    one; for signed operands it negates by inverting, here negation is exact.

    Args:
        fraction_bits: Bits kept of each logarithm's fraction, 1 to `bits - 1` (which is Mitchell's own).
        unbiased: A one follows the kept bits of both fractions, so that their sum is one unit larger.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width is out of range.
    """
    check_bits("mitchell_truncated", bits)
    check_integer("mitchell_truncated", "fraction_bits", fraction_bits, 1, bits - 1)
    carry = ONE if unbiased else ZERO
    return _logarithmic(fraction_bits, lambda b, x, w: add(b, x, w, carry), bits, signed)


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


def minimally_biased(*, bits: int = 8, signed: bool = False) -> Netlist:
    """Return MBM (Saadat, Bokhari, Parameswaran, IEEE TCAD 37(11), 2018): Mitchell's with its bias made up for.

    Before the shift back `c = 0.0001010` (binary, 0.078125) is added where `f1 + f2 < 1`, else `c / 2`. A sum that would
    leave the product's width is left uncorrected, as in the paper. Below 8 bits the fractions are filled up with zeros to
    the seven bits that the constant has (ours); the product is rounded down. Signed operands go through the unsigned core
    as sign and magnitude (ours).

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width is out of range.
    """
    check_bits("minimally_biased", bits)
    size = max(bits - 1, _MBM_FRACTION_BITS)

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        x_log, w_log = _log2(b, x, bits - 1), _log2(b, w, bits - 1)
        filler = [ZERO] * (size - bits + 1)
        *fraction, carry = add(b, filler + x_log.fraction, filler + w_log.fraction)
        small = b.not_(carry)
        constant = [*[ZERO] * (size - _MBM_FRACTION_BITS), carry, small, carry, small]
        corrected = add(b, [*fraction, ONE], constant)
        overflows = b.and_(b.and_(corrected[-1], carry), b.and_(x[-1], w[-1]))
        mantissa = [b.mux(overflows, *pair) for pair in zip(corrected, [*fraction, ONE, ZERO], strict=True)]
        exponent = add(b, x_log.position, w_log.position, carry)
        product = shift_left(b, mantissa, exponent, size + 2 * bits)[size:]
        return _where(b, b.and_(x_log.is_nonzero, w_log.is_nonzero), product)

    return sign_magnitude(core, bits, signed)


def _logarithmic(fraction_bits: int, addition: Addition, bits: int, signed: bool) -> Netlist:
    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        x_log, w_log = _log2(b, x, fraction_bits), _log2(b, w, fraction_bits)
        total = addition(b, x_log.fraction + x_log.position, w_log.fraction + w_log.position)
        mantissa, exponent = [*total[:fraction_bits], ONE], total[fraction_bits:]
        product = shift_left(b, mantissa, exponent, fraction_bits + 2 * bits)[fraction_bits:]
        return _where(b, b.and_(x_log.is_nonzero, w_log.is_nonzero), product)

    return sign_magnitude(core, bits, signed)


def _log2(b: Builder, word: list[Signal], fraction_bits: int) -> _Log:
    last = len(word) - 1
    leading = leading_one(b, word)
    normalised = shift_left(b, word, encode(b, leading, range(last, -1, -1)), len(word))
    return _Log(normalised[last - fraction_bits : last], encode(b, leading, range(len(word))), any_of(b, word))


def _where(b: Builder, condition: Signal, word: list[Signal]) -> list[Signal]:
    return [b.and_(condition, bit) for bit in word]
