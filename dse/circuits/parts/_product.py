"""An exact multiplier as part of another circuit."""

from __future__ import annotations

from collections.abc import Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import Signal
from dse.circuits.parts._adders import add_rows
from dse.circuits.parts._partial_products import partial_products


def multiply(builder: Builder, x: Sequence[Signal], w: Sequence[Signal]) -> list[Signal]:
    """Return the exact product of two unsigned words by an array, as long as both together."""
    return add_rows(builder, partial_products(builder, x, w))
