"""RoBA: round the operands to powers of two, and leave out the product of both remainders."""

from __future__ import annotations

from dse.circuits._builder import Builder
from dse.circuits._netlist import ONE, ZERO, Netlist, Signal
from dse.circuits.parts import add, check_bits, encode, leading_one, shift_left, sign_magnitude, subtract


def roba(*, bits: int = 8, signed: bool = False) -> Netlist:
    """Return RoBA (Zendegani et al., IEEE TVLSI 25(2), 2017): `Xr W + X Wr - Xr Wr`.

    `Xr` and `Wr` are the operands rounded to the nearest power of two, ties upwards but three to two, so that the products
    are shifts; `(Xr - X)(Wr - W)` is left out. Signed operands go through the unsigned circuit as sign and magnitude with
    exact negation (S-RoBA). The paper adds by a Kogge-Stone adder, here there are ripple-carry adders.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Both operands are two's complement.

    Raises:
        InputError: The width is out of range.
    """
    check_bits("roba", bits)

    def core(b: Builder, x: list[Signal], w: list[Signal]) -> list[Signal]:
        """Add what the rounded operands give: shifts instead of products."""
        x_power, w_power = _rounded_log2(b, x), _rounded_log2(b, w)
        crossed = add(b, shift_left(b, w, x_power, 2 * bits), shift_left(b, x, w_power, 2 * bits))[: 2 * bits]
        return subtract(b, crossed, shift_left(b, [ONE], add(b, x_power, w_power), 2 * bits))

    return sign_magnitude(core, bits, signed, zero_forced=True)


def _rounded_log2(b: Builder, word: list[Signal]) -> list[Signal]:
    """Return the exponent of the nearest power of two; 0 for zero."""
    leading = leading_one(b, word)
    one_hot = []
    for power in range(len(word) + 1):
        stays = up = ZERO
        if power < len(word):
            rounds_up = word[power - 1] if power > 1 else ZERO  # of 1 and of 2 and 3 the leading one stays
            stays = b.and_(leading[power], b.not_(rounds_up))
        if power > 2:
            up = b.and_(leading[power - 1], word[power - 2])
        one_hot.append(b.or_(stays, up))
    return encode(b, one_hot, range(len(word) + 1))
