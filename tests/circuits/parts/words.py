"""Parts as netlists whose product is their output word, so that a table shows what they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dse.circuits import Builder, Signal, product_table

Part = Callable[[Builder, list[Signal], list[Signal]], Sequence[Signal]]


def table_of(part: Part, x_bits: int, w_bits: int) -> NDArray[np.int32]:
    """Return the number that the part's output word is, for every pair of input words."""
    builder = Builder(x_bits, w_bits)
    return product_table(builder.netlist(part(builder, builder.x, builder.w)))
