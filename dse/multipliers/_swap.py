"""A multiplier whose operands have changed places."""

from __future__ import annotations

import dataclasses

import numpy as np

from dse.exceptions import InputError
from dse.multipliers._multiplier import Multiplier


def is_symmetric(multiplier: Multiplier) -> bool:
    """Return whether the operands may change places without changing any product."""
    alike = (multiplier.x_bits, multiplier.x_signed) == (multiplier.w_bits, multiplier.w_signed)
    return alike and np.array_equal(multiplier.table, multiplier.table.T)


def swapped(multiplier: Multiplier) -> Multiplier:
    """Return the circuit wired the other way round: the weight where the activation was.

    Returns:
        The multiplier `NAME.swap` with the table `T'[x, w] = T[w, x]` and the same figures, without the netlist, whose
        inputs are those of the other order.

    Raises:
        InputError: The operands differ in width or sign.
    """
    if (multiplier.x_bits, multiplier.x_signed) != (multiplier.w_bits, multiplier.w_signed):
        raise InputError(
            f"multiplier '{multiplier.name}': its operands differ in width or sign, so they cannot change places; "
            "leave out variants.order"
        )
    return dataclasses.replace(
        multiplier,
        name=f"{multiplier.name}.swap",
        table=multiplier.table.T,
        origin="; ".join(filter(None, (multiplier.origin, "operands swapped"))),
        netlist=None,
    )
