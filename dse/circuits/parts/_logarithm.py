"""Mitchell's binary logarithm."""

from __future__ import annotations

from collections.abc import Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import ZERO, Signal
from dse.circuits.parts._leading_one import any_of


def logarithm(builder: Builder, word: Sequence[Signal], fraction_bits: int) -> tuple[list[Signal], list[Signal]]:
    """Return `log2(2^k (1 + f)) = k + f` (Mitchell, IRE TEC 1962): the highest bits of `f`, and `k`; 0 for zero.

    The word is brought up to its leading one by halves: where the upper half is empty, the lower half moves there. What
    did not have to move is `k`; the fraction stands behind the leading one.
    """
    size = 1 << (len(word) - 1).bit_length()
    bits = [*word, *[ZERO] * (size - len(word))]
    position: list[Signal] = []
    half = size // 2
    while half:
        stays = any_of(builder, bits[size - half :])
        position.insert(0, stays)
        moved = [*[ZERO] * half, *bits[: size - half]]
        bits = [builder.mux(stays, *pair) for pair in zip(moved, bits, strict=True)]
        half //= 2
    return bits[size - 1 - fraction_bits : size - 1], position
