"""What a file says about one multiplier, and the one place where that becomes a checked multiplier."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dse.circuits import Netlist
from dse.exceptions import InputError
from dse.multipliers._declared import DeclaredError, contradiction
from dse.multipliers._metrics import error_metrics
from dse.multipliers._multiplier import MAX_BITS, MIN_BITS, Multiplier
from dse.multipliers._operands import exact_products
from dse.multipliers._self_check import sign_doubt

Order = Literal["xw", "wx"]  # which operand comes first: the activation or the weight


@dataclass(frozen=True)
class Candidate:
    """One multiplier as a file has it; None where the file does not say.

    `a` is the first operand (first axis of the table, first parameter of a function) and `b` the second. Which of them is
    the activation is for the caller to say.
    """

    name: str
    table: NDArray[np.generic]  # (2^a_bits, 2^b_bits) as read; nothing is checked yet
    where: str  # file, for messages
    _: KW_ONLY
    a_bits: int | None = None
    b_bits: int | None = None
    a_signed: bool | None = None
    b_signed: bool | None = None
    power_mw: float | None = None
    area_um2: float | None = None
    delay_ns: float | None = None
    declared: tuple[DeclaredError, ...] = ()
    declared_in: str = ""  # what states the declared errors
    origin: str = ""
    any_arrangement: bool = False  # a signed table may also begin with the most negative value
    warnings: tuple[str, ...] = ()
    netlist: Netlist | None = None  # x being operand `a`


def checked(candidate: Candidate, order: Order = "xw") -> Multiplier:
    """Make a multiplier of what was read, refusing a table that is not what is declared.

    Widths that are left open come from the shape; signs that are left open are signed where the table holds negative
    products. A signed table that `any_arrangement` allows to begin with the most negative value is put into the order of
    the codes where it then fits the exact product far better; its origin says so.

    Args:
        candidate: What a file says.
        order: `xw` where operand `a` is the activation, `wx` where it is the weight.

    Returns:
        The multiplier.

    Raises:
        InputError: Shape, type, range, sign or an error figure does not fit.
    """
    c = candidate
    where = f"{c.where}: {c.name!r}"
    a_bits, b_bits = (_bits(size) for size in c.table.shape) if c.table.ndim == 2 else (8, 8)
    a_bits, b_bits = c.a_bits or a_bits, c.b_bits or b_bits
    negative = bool(c.table.dtype.kind in "iu" and c.table.size and c.table.min() < 0)
    a_signed, b_signed = (negative if sign is None else sign for sign in (c.a_signed, c.b_signed))
    table, origin = c.table, c.origin
    if c.any_arrangement and a_signed and b_signed and _by_value(table, a_bits, b_bits):
        table, origin = _rolled(table), f"{origin}; stored by value, the most negative first"
    if order == "wx":
        table, a_bits, b_bits, a_signed, b_signed = table.T, b_bits, a_bits, b_signed, a_signed
    try:
        multiplier = Multiplier(
            c.name,
            table,  # type: ignore[arg-type]  # the constructor checks and converts it
            x_bits=a_bits,
            w_bits=b_bits,
            x_signed=a_signed,
            w_signed=b_signed,
            power_mw=c.power_mw,
            area_um2=c.area_um2,
            delay_ns=c.delay_ns,
            origin=origin,
            netlist=c.netlist if order == "xw" else None,
        )
    except InputError as error:  # which names the multiplier
        raise InputError(f"{c.where}: {error}") from None
    doubt = sign_doubt(multiplier)
    if doubt:
        raise InputError(f"{where}: {doubt}")
    wrong = contradiction(multiplier, c.declared)
    if wrong:
        raise InputError(
            f"{where}: {c.declared_in} declares {wrong}; the table, its operand order or its sign is not the one that was "
            "measured"
        )
    return multiplier


def _bits(size: int) -> int:
    """Return the width whose number of codes is nearest to `size`, so that a table one row short is told what it lacks."""
    return round(float(np.log2(max(size, 1))))


def _by_value(table: NDArray[np.generic], a_bits: int, b_bits: int) -> bool:
    """Whether a signed table fits the exact product far better with its first row and column taken as most negative."""
    fits = MIN_BITS <= a_bits <= MAX_BITS and MIN_BITS <= b_bits <= MAX_BITS
    if not fits or table.dtype.kind not in "iu" or table.shape != (1 << a_bits, 1 << b_bits):
        return False
    exact = exact_products(a_bits, b_bits, True, True)
    as_stored, rolled = (error_metrics(t, exact).mae for t in (table, _rolled(table)))  # type: ignore[arg-type]
    return rolled < 0.5 * as_stored


def _rolled(table: NDArray[np.generic]) -> NDArray[np.generic]:
    """Move the rows and columns of the values -2^(B-1).. behind those of 0.., where their two's complement codes are."""
    return np.roll(table, (table.shape[0] // 2, table.shape[1] // 2), axis=(0, 1))
