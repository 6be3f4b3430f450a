"""Mitchell's binary logarithm."""

from __future__ import annotations

from collections.abc import Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import Signal
from dse.circuits.parts._leading_one import encode, leading_one
from dse.circuits.parts._shifter import shift_left


def logarithm(builder: Builder, word: Sequence[Signal], fraction_bits: int) -> tuple[list[Signal], list[Signal]]:
    """Return `log2(2^k (1 + f)) = k + f` (Mitchell, IRE TEC 1962): the highest bits of `f`, and `k`; 0 for zero.

    The word is shifted until its leading one is on top; the fraction stands behind it.
    """
    last = len(word) - 1
    leading = leading_one(builder, word)
    normalised = shift_left(builder, word, encode(builder, leading, range(last, -1, -1)), len(word))
    return normalised[last - fraction_bits : last], encode(builder, leading, range(len(word)))
