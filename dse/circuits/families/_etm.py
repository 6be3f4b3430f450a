"""The error-tolerant multiplier."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import ZERO, Netlist, Signal
from dse.circuits.parts import any_of, check_bits, check_integer, multiply, sign_magnitude


def error_tolerant(low_bits: int | None = None, *, bits: int = 8, signed: bool = False) -> Netlist:
    """Return the error-tolerant multiplier ETM (Kyaw, Goh, Yeo, EDSSC 2010).

    Operands are split in a high and a low part. Where both high parts are zero, the low parts are multiplied exactly.
    Else the high parts are, and the lower `2 low_bits` bits of the product are guessed: from the highest place on in
    which one of the low parts has a one, all of them are one (the lower half repeats the last). The paper splits in the
    middle. Signed operands go through the unsigned circuit as sign and magnitude (ours).

    Args:
        low_bits: Bits of the low part, 1 to `bits - 1`; half of them for None.
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: A width is out of range.
    """
    check_bits("error_tolerant", bits)
    low = bits // 2 if low_bits is None else low_bits
    check_integer("error_tolerant", "low_bits", low, 1, bits - 1)
    size = max(low, bits - low)  # of the one multiplier that serves both parts

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Multiply the high parts where there are any, else the low ones."""
        is_high = any_of(b, [*x[low:], *w[low:]])
        product = multiply(b, _chosen(b, is_high, x, low, size), _chosen(b, is_high, w, low, size))
        shifted = [*_guess(b, x[:low], w[:low]), *product]
        return [b.mux(is_high, *pair) for pair in zip([*product, *[ZERO] * (2 * low)], shifted, strict=True)]

    return sign_magnitude(core, bits, signed)


def _chosen(b: Builder, is_high: Signal, word: list[Signal], low: int, size: int) -> list[Signal]:
    """Return the high part where `is_high`, else the low part, filled up to `size` bits."""
    high_part = [*word[low:], *[ZERO] * (size - len(word) + low)]
    low_part = [*word[:low], *[ZERO] * (size - low)]
    return [b.mux(is_high, *pair) for pair in zip(low_part, high_part, strict=True)]


def _guess(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
    """Return twice as many bits as a low part has, from the lowest."""
    guessed, seen = [], ZERO
    for pair in zip(reversed(x), reversed(w), strict=True):
        seen = b.or_(seen, b.or_(*pair))
        guessed.append(seen)
    return [*[seen] * len(x), *reversed(guessed)]
