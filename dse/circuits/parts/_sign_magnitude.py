"""Signed operands for circuits that work on magnitudes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dse.circuits._builder import Builder
from dse.circuits._netlist import Netlist, Signal
from dse.circuits.parts._adders import add

Core: TypeAlias = Callable[[Builder, list[Signal], list[Signal]], list[Signal]]


def sign_magnitude(core: Core, bits: int, signed: bool) -> Netlist:
    """Return the multiplier of an unsigned core, for signed operands with the signs handled around it.

    Args:
        core: Takes the builder and both magnitudes, `bits` long each, and returns at least `2 bits` bits of the product.
        bits: Width of both operands.
        signed: Operands are two's complement; they and the product are negated where needed, exactly.
    """
    builder = Builder(bits, bits, signed=signed)
    x, w = builder.x, builder.w
    if not signed:
        return builder.netlist(core(builder, x, w)[: 2 * bits])
    magnitude = core(builder, _negated_if(builder, x[-1], x), _negated_if(builder, w[-1], w))
    return builder.netlist(_negated_if(builder, builder.xor(x[-1], w[-1]), magnitude[: 2 * bits]))


def _negated_if(builder: Builder, sign: Signal, word: Sequence[Signal]) -> list[Signal]:
    flipped = [builder.xor(sign, bit) for bit in word]
    return add(builder, flipped, [], sign)[: len(word)]
