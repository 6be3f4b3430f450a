"""A multiplier from its gates."""

from __future__ import annotations

from numpy.typing import ArrayLike

from dse.circuits import CellLibrary, Figures, Netlist, figures, product_table
from dse.multipliers._multiplier import Multiplier

ESTIMATED = "power, area and delay estimated from its gates"


def from_netlist(
    netlist: Netlist,
    *,
    name: str,
    origin: str = "",
    known: Figures | None = None,
    x_probabilities: ArrayLike | None = None,
    w_probabilities: ArrayLike | None = None,
    cells: CellLibrary | None = None,
) -> Multiplier:
    """Return the multiplier that a netlist is: the table of its products, and its figures.

    Args:
        netlist: The gates.
        name: Name of the multiplier.
        origin: Where the circuit comes from, one line; that figures are estimated is added.
        known: Its figures; None: estimated (`dse.circuits.figures`).
        x_probabilities, w_probabilities: How often each code of an operand comes, for the estimate; uniform where None.
        cells: Standard cells of the estimate.

    Raises:
        InputError: The name, the width of the operands or of the product, or a distribution is not as it should be.
    """
    if known is None:
        known = figures(netlist, x_probabilities=x_probabilities, w_probabilities=w_probabilities, cells=cells)
        origin = f"{origin}; {ESTIMATED}" if origin else ESTIMATED
    return Multiplier(
        name,
        product_table(netlist),
        x_bits=netlist.x_bits,
        w_bits=netlist.w_bits,
        x_signed=netlist.signed,
        w_signed=netlist.signed,
        power_mw=known.power_mw,
        area_um2=known.area_um2,
        delay_ns=known.delay_ns,
        origin=origin,
        netlist=netlist,
    )
