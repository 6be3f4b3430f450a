"""What several oracles of the error models share."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import Trace
from dse.types import Floats, Table


def tables(seen: Trace, multipliers: MultiplierLibrary) -> list[Table]:
    return [seen.operands.table(m) for m in multipliers]


def share_of(codes: Tensor | np.ndarray) -> Floats:
    share = np.zeros(256)
    for code in np.asarray(codes).ravel():
        share[code] += 1 / np.asarray(codes).size
    return share
