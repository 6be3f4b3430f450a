"""Spaces small enough to enumerate, with losses that add up or nearly so."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import numpy as np

from dse.search import Guidance
from dse.space import SearchSpace
from dse.types import Floats, Population
from tests.small import space


def library_space(layers: int = 4, multipliers: int = 5, seed: int = 0) -> tuple[SearchSpace, Guidance]:
    """Return a space of random costs that mostly rise as multipliers get cheaper, and what guides a search in it."""
    rng = np.random.default_rng(seed)
    made = space(layers, multipliers)
    cost = 3 * rng.random((layers, multipliers)) * np.linspace(0, 1, multipliers) ** 2
    cost[:, 0] = 0
    tolerance = np.sqrt(cost) * rng.uniform(0.5, 2, (layers, 1))
    return made, Guidance(np.zeros((1, layers), dtype=np.int64), cost, max_loss=8.0, tolerance=tolerance)


def additive(guidance: Guidance, seed: int | None = None) -> Callable[[Population], Floats]:
    """Return losses `(P,)` that are the proxy itself, or with a seed other ones that the proxy only resembles."""
    cost = guidance.cost
    if seed is not None:
        cost = cost * np.random.default_rng(seed).uniform(0.3, 3, cost.shape)
    return lambda population: cost[np.arange(population.shape[1]), population].sum(axis=1)


def evaluated(loss: Callable[[Population], Floats]) -> Callable[[Population], Floats]:
    """Return figures `(P, 2)` whose divergence is the loss itself, so that no other loss is expected."""
    return lambda population: np.repeat(loss(population)[:, None], 2, axis=1)


def every_design(made: SearchSpace) -> Population:
    return np.array(list(product(range(len(made.multipliers)), repeat=len(made.layers))), dtype=np.int64)


def every_choice(made: SearchSpace, instances: int) -> list[Population]:
    """Return the designs that each set of so many circuits admits."""
    designs = every_design(made)
    held = made.circuit_of[designs]
    return [designs[np.isin(held, chosen).all(axis=1)] for chosen in combinations(range(made.n_circuits), instances)]
