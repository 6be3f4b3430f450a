"""The barrel shifter."""

from __future__ import annotations

from collections.abc import Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import ZERO, Signal


def shift_left(builder: Builder, word: Sequence[Signal], amount: Sequence[Signal], width: int) -> list[Signal]:
    """Return `word * 2^amount` modulo `2^width`: a stage of multiplexers for each bit of the amount, from the lowest."""
    bits = [*word, *[ZERO] * (width - len(word))][:width]
    for stage, select in enumerate(amount):
        step = 1 << stage
        bits = [builder.mux(select, bit, bits[i - step] if i >= step else ZERO) for i, bit in enumerate(bits)]
    return bits
