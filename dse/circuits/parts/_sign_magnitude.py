"""Signed operands for circuits that work on magnitudes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist, Signal
from dse.circuits.parts._adders import add
from dse.circuits.parts._leading_one import any_of

Core: TypeAlias = Callable[[Builder, list[Signal], list[Signal]], list[Signal]]


def sign_magnitude(
    core: Core, bits: int, signed: bool, *, inverting: bool = False, zero_forced: bool = False
) -> Netlist:
    """Return the multiplier of an unsigned core, for signed operands with the signs handled around it.

    Args:
        core: Takes the builder and both magnitudes, `bits` long each, and returns at least `2 bits` bits of the product.
        bits: Width of both operands.
        signed: Operands are two's complement; they and the product are negated where needed.
        inverting: Negate by inverting all bits, which is one off, and spares the adders.
        zero_forced: The product is zero where an operand is, whatever the core says.
    """
    builder = Builder(bits, bits, signed=signed)
    x, w = builder.x, builder.w
    negated_if = _inverted_if if inverting else _negated_if
    if signed:
        magnitude = core(builder, negated_if(builder, x[-1], x), negated_if(builder, w[-1], w))
        product = negated_if(builder, builder.xor(x[-1], w[-1]), magnitude[: 2 * bits])
    else:
        product = core(builder, x, w)[: 2 * bits]
    if zero_forced:
        nonzero = builder.and_(any_of(builder, x), any_of(builder, w))
        product = [builder.and_(nonzero, bit) for bit in product]
    return builder.netlist(product)


def _negated_if(builder: Builder, sign: Signal, word: Sequence[Signal]) -> list[Signal]:
    return add(builder, _inverted_if(builder, sign, word), [], sign)[: len(word)]


def _inverted_if(builder: Builder, sign: Signal, word: Sequence[Signal]) -> list[Signal]:
    return [builder.xor(sign, bit) for bit in word]
