"""Finding the highest set bit, and the bits from there on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Signal


def any_of(builder: Builder, signals: Iterable[Signal]) -> Signal:
    """Return the OR of signals as a balanced tree; 0 for none."""
    level = list(signals)
    while len(level) > 1:
        paired = [builder.or_(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(level) & ~1 :]
    return level[0] if level else ZERO


def leading_one(builder: Builder, word: Sequence[Signal]) -> list[Signal]:
    """Return a word of the same length in which only the highest set bit is set."""
    found, none_above = [], ONE
    for bit in reversed(word):
        found.append(builder.and_(bit, none_above))
        none_above = builder.and_(none_above, builder.not_(bit))
    return found[::-1]


def encode(builder: Builder, one_hot: Sequence[Signal], values: Sequence[int]) -> list[Signal]:
    """Return the number in `values` whose signal is set, from its lowest bit; 0 where none is."""
    size = max(values, default=0).bit_length()
    pairs = list(zip(one_hot, values, strict=True))
    return [any_of(builder, (signal for signal, value in pairs if value >> bit & 1)) for bit in range(size)]


def leading_segment(
    builder: Builder, word: Sequence[Signal], size: int
) -> tuple[list[Signal], list[Signal], list[Signal]]:
    """Cut the `size` bits from the leading one on out of a word.

    A word whose leading one stands below `size` is taken as it is.

    Returns:
        The segment from its lowest bit, by how many places it was shifted down (a binary number, at most
        `len(word) - size`), and the bits of the word below it, in place and of the length that they can have.
    """
    size = min(size, len(word))
    leading = leading_one(builder, word)
    high = range(size, len(word))  # places of a leading one with which bits are cut off
    small = builder.not_(any_of(builder, (word[place] for place in high)))
    segment = []
    for bit in range(size):
        moved = (builder.and_(leading[place], word[place - size + 1 + bit]) for place in high)
        segment.append(any_of(builder, [*moved, builder.and_(small, word[bit])]))
    amount = encode(builder, [leading[place] for place in high], [place - size + 1 for place in high])
    below = [builder.and_(word[bit], any_of(builder, word[bit + size :])) for bit in range(len(word) - size)]
    return segment, amount, below
