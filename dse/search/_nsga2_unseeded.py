"""NSGA-II that knows nothing of a profile: what seeding and pre-screening are held against."""

from __future__ import annotations

import numpy as np

from dse.search._genetic import Genetic
from dse.search._random import random_designs
from dse.space import SearchSpace
from dse.types import Objectives, Population


class UnseededNsga2:
    """NSGA-II with the operators of `SeededNsga2`, a random first generation and no model: all offspring are simulated.

    Designs that the space does not permit are repaired.

    Args:
        space: The search space; its `max_loss_pp` is a constraint.
        population: Designs in a generation.
        seed: Seed of all draws.
    """

    def __init__(self, space: SearchSpace, *, population: int, seed: int) -> None:
        self._space = space
        levels = np.full(len(space.layers), len(space.multipliers), dtype=np.int64)
        initial = random_designs(space, population, np.random.default_rng(seed))
        self._genetic = Genetic(initial, levels, population, seed, offspring=population, max_loss=space.max_loss_pp)

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64."""
        designs = self._space.repair(self._genetic.ask())
        self._genetic.propose(designs)
        return designs

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        self._genetic.tell(objectives)
