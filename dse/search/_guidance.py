"""What the robustness profile tells a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.exceptions import InputError
from dse.space import SearchSpace
from dse.types import Floats, Population


@dataclass(frozen=True)
class Guidance:
    """Seeds and a closed-form proxy of the loss, both from the profile without simulation, and what loss is of interest."""

    seeds: Population  # (S, L) matched assignments for a sweep of tolerance scales, cautious to bold
    cost: Floats  # (L, M) >= 0: each multiplier's cost in each layer; a design's proxy is the sum over its layers
    max_loss: float  # larger losses are of no interest, in the unit of the second objective
    tolerance: Floats | None = None  # (L, M) >= 0: error over sigma, the tolerance scale that bears it; 0 for exact

    def proxy(self, population: Population) -> Floats:
        """Return the proxy of designs `(P, L)` -> `(P,)`: larger means a larger loss; it ranks and has no unit."""
        return self.cost[np.arange(population.shape[1]), population].sum(axis=1)

    def loss_limit(self, space: SearchSpace) -> float:
        """Return the largest loss of interest: that of the guidance or the bound of the space, the smaller."""
        return self.max_loss if space.max_loss_pp is None else min(self.max_loss, space.max_loss_pp)


def sweep(method: str, space: SearchSpace, guidance: Guidance) -> Population:
    """Return the distinct seeds `(S, L)` of a guidance as designs of the space, cautious to bold.

    Raises:
        InputError: If there are none, or they have another number of layers; `method` asks for them.
    """
    shape, n_layers = guidance.seeds.shape, len(space.layers)
    if len(shape) != 2 or shape[0] == 0 or shape[1] != n_layers:
        raise InputError(f"{method}: expected seeds (S, {n_layers}) with S >= 1, got {shape}")
    return distinct(space.repair(guidance.seeds))


def distinct(population: Population) -> Population:
    """Return the designs `(P, L)` without repetitions, in the order in which they first occur."""
    first = np.unique(population, axis=0, return_index=True)[1]
    return population[np.sort(first)]
