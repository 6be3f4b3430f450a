"""What the robustness profile tells a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.types import Floats, Population


@dataclass(frozen=True)
class Guidance:
    """Seeds and a closed-form proxy of the loss, both from the profile without simulation, and what loss is of interest."""

    seeds: Population  # (S, L) matched assignments for a sweep of tolerance scales, cautious to bold
    cost: Floats  # (L, M) >= 0: each multiplier's cost in each layer; a design's proxy is the sum over its layers
    max_loss: float  # larger losses are of no interest, in the unit of the second objective

    def proxy(self, population: Population) -> Floats:
        """Return the proxy of designs `(P, L)` -> `(P,)`: larger means a larger loss; it ranks and has no unit."""
        return self.cost[np.arange(population.shape[1]), population].sum(axis=1)
