"""What is odd about a table although it is a valid one."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from dse.multipliers._metrics import error_metrics
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import exact_products


def check(multiplier: Multiplier) -> list[str]:
    """Look for the signs of a table that was read in the wrong way, or of a circuit that is broken.

    Recognised are a table that fits the other sign far better, one that is constant or ignores an operand, and products of
    zero that are not zero; `twins` finds tables that come twice.

    A transposed table cannot be recognised by itself when both operands have the same width and sign: all error figures of
    uniform operands are those of the right one. Operands of different widths show it by their shape, which the
    constructor checks.

    Args:
        multiplier: The multiplier to check.

    Returns:
        One line per finding, without the multiplier's name; empty where nothing is odd.
    """
    return list(_oddities(multiplier))


def twins(multipliers: Iterable[Multiplier]) -> dict[str, str]:
    """Find multipliers that have the table of an earlier one, as it is or transposed.

    Args:
        multipliers: With names of their own.

    Returns:
        What is to be said of each such multiplier, by its name: the first that it equals.
    """
    first: dict[Hashable, str] = {}
    found = {}
    for m in multipliers:
        own, turned = _key(m.table, m.x_signed, m.w_signed), _key(m.table.T, m.w_signed, m.x_signed)
        if own in first:
            found[m.name] = f"has the same table as '{first[own]}'"
        elif turned in first:
            found[m.name] = f"has the transposed table of '{first[turned]}'; check the operand order of both"
        first.setdefault(own, m.name)
    return found


def _key(table: NDArray[np.int32], *signs: bool) -> Hashable:
    return table.shape, signs, hashlib.sha256(table.tobytes()).digest()


def sign_doubt(multiplier: Multiplier) -> str | None:
    """Say that a table fits the other sign far better, if it does.

    Each error is relative to that of a circuit that always answers zero, because unsigned products are larger: a crude
    unsigned circuit would otherwise look like a fair signed one.
    """
    m = multiplier
    if m.x_signed != m.w_signed:
        return None
    signed, bits = m.x_signed, m.x_bits + m.w_bits
    # The same result bits read with the other sign.
    codes = m.table.astype(np.int64) % (1 << bits)
    other = codes if signed else np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes)
    other_exact = exact_products(m.x_bits, m.w_bits, not signed, not signed)
    declared = m.errors.mae / np.abs(m.exact).mean()
    swapped = error_metrics(other, other_exact).mae / np.abs(other_exact).mean()
    if swapped >= 0.5 * declared:
        return None
    return (
        f"declared {'signed' if signed else 'unsigned'}, but the table fits the {'unsigned' if signed else 'signed'} "
        f"product better (mean error distance {swapped:.3g} of the mean product, not {declared:.3g}); correct its sign"
    )


def _oddities(m: Multiplier) -> Iterator[str]:
    doubt = sign_doubt(m)
    if doubt:
        yield doubt
    inert = [who for who, axis in (("activation", 0), ("weight", 1)) if (np.ptp(m.table, axis=axis) == 0).all()]
    if len(inert) == 2:
        yield f"constant: every product is {m.table[0, 0]}"
        return
    if inert:
        yield f"the {inert[0]} changes nothing: every product depends on the other operand alone"
    for what, products in (("lut[0, w]", m.table[0]), ("lut[x, 0]", m.table[:, 0])):
        wrong = np.count_nonzero(products)
        if wrong:
            worst = products[np.abs(products.astype(np.int64)).argmax()]
            yield f"{what} is not 0 for {wrong} of {len(products)} operands (up to {worst})"
