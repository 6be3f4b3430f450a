"""Array multipliers as EvoApproxLib's netlists build them, for tests of whatever measures circuits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.circuits import Builder, Netlist
from dse.circuits.parts import add_rows, partial_products

I, J = np.indices((8, 8))  # bits of the activation and of the weight that a partial product takes


def carry_save_array(kept: NDArray[np.bool_], *, signed: bool = False) -> Netlist:
    """Build the carry-save array of some partial products, rows by bits of x, closed by a ripple-carry adder.

    Signed ones are modified Baugh-Wooley arrays: terms with one sign bit enter inverted, and the constant that this needs
    enters where the first row has no partial products.

    Args:
        kept: `(bits, bits)` bool, `kept[i, j]` for the partial product of `x[i]` and `w[j]`.
        signed: Operands are two's complement.
    """
    builder = Builder(len(kept), len(kept), signed=signed)
    rows = partial_products(builder, builder.w, builder.x, signed=signed, kept=lambda j, i: bool(kept[i, j]))
    return builder.netlist(add_rows(builder, rows))
