"""Which designs of a front are worth retraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dse.pareto import cheapest_within
from dse.types import Floats


def designs_within(rel_energy: Floats, loss_pp: Floats, limits: Sequence[float]) -> list[int]:
    """Return for each limit the cheapest design that loses at most so much, each design once; limits that none keeps go.

    Args:
        rel_energy: Of the front `(P,)`.
        loss_pp: On the images that choose `(P,)`, pp; see `dse.pareto.cheapest_within`.
        limits: In pp.
    """
    found = (cheapest_within(rel_energy, loss_pp, limit) for limit in limits)
    return list(dict.fromkeys(index for index in found if index is not None))


def knee(rel_energy: Floats, loss_pp: Floats, max_loss: float) -> list[int]:
    """Return the design that lies farthest below the line between the ends of a front, both axes scaled to the ends.

    Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary intersection", Structural Optimization
    18, 1999. Designs that lose more than `max_loss` pp belong to no end; where all do, there is no knee.
    """
    within = np.flatnonzero(loss_pp <= max_loss)
    if len(within) == 0:
        return []
    sums = sum(_scaled(values[within]) for values in (rel_energy, loss_pp))
    return [int(within[np.argmin(sums)])]


def _scaled(values: Floats) -> Floats:
    span = np.ptp(values)
    return (values - values.min()) / (span if span > 0 else 1.0)
