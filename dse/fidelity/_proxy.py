"""The cheapest rung: a sum over the layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.error_model import ErrorTable
from dse.exceptions import InputError
from dse.matching import sensitivity
from dse.nn.tracing import Trace
from dse.robustness import RobustnessProfile
from dse.types import Floats, Population


@dataclass(frozen=True)
class Proxy:
    """Closed form of a design's loss, `sum_l cost[l, m_l]`: it ranks, in microseconds.

    Args:
        name: Of the rung.
        cost: What each multiplier costs in each layer `(L, M)`.
    """

    name: str
    cost: Floats

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64, larger is worse.

        Raises:
            InputError: If the population has other layers.
        """
        if population.ndim != 2 or population.shape[1] != len(self.cost):
            raise InputError(f"proxy: expected a population (P, {len(self.cost)}), got shape {population.shape}")
        return self.cost[np.arange(len(self.cost)), population].sum(axis=1)


def proxy(name: str, profile: RobustnessProfile, trace: Trace, errors: ErrorTable) -> Proxy:
    """Return the closed form `sum_l alpha_l * error^2` of a profile; see `dse.matching.sensitivity`.

    Where the profile knows its `alpha`, this is the second-order expansion of the mean KL divergence, in nats. Real errors
    are correlated and cost more, so it ranks designs and bounds nothing.
    """
    return Proxy(name, sensitivity(profile, trace.op_counts, errors))
