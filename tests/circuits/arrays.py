"""Array multipliers as EvoApproxLib's netlists build them, for tests of whatever measures circuits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.circuits import Builder, Netlist, Signal

I, J = np.indices((8, 8))  # bits of the activation and of the weight that a partial product takes


def carry_save_array(kept: NDArray[np.bool_], *, signed: bool = False) -> Netlist:
    """Build the carry-save array of some partial products, rows by bits of x, closed by a ripple-carry adder.

    Signed ones are modified Baugh-Wooley arrays: terms with one sign bit enter inverted, and the constant that this needs
    enters where the first row has no partial products.

    Args:
        kept: `(bits, bits)` bool, `kept[i, j]` for the partial product of `x[i]` and `w[j]`.
        signed: Operands are two's complement.
    """
    bits = len(kept)
    b = Builder(bits, bits, signed=signed)
    inverted = np.zeros_like(kept)
    if signed:
        inverted[-1] = True
        inverted[:, -1] ^= True
    constant = -sum(1 << int(i + j) for i, j in np.argwhere(inverted & kept))
    sums: dict[int, Signal] = {column: constant >> column & 1 for column in range(2 * bits)}
    carries: dict[int, Signal] = {}
    for i in range(bits):
        passed = {}
        for j in range(bits):
            column = i + j
            term = (b.nand if inverted[i, j] else b.and_)(b.x[i], b.w[j]) if kept[i, j] else 0
            sums[column], passed[column + 1] = b.full_adder(sums[column], term, carries.pop(column, 0))
        carries.update({column: carry for column, carry in passed.items() if carry})
    carry, product = 0, []
    for column in range(2 * bits):
        total, carry = b.full_adder(sums[column], carries.get(column, 0), carry)
        product.append(total)
    return b.netlist(product)
