"""Uniformly random designs: what any method must beat."""

from __future__ import annotations

import numpy as np

from dse.space import SearchSpace
from dse.types import Objectives, Population


class RandomSearch:
    """Draws T multipliers (T the tile limit) and gives each layer one of them at random.

    Args:
        space: The search space.
        population: Designs in a batch.
        seed: Seed of all draws.
    """

    def __init__(self, space: SearchSpace, *, population: int, seed: int) -> None:
        self._space = space
        self._size = population
        self._rng = np.random.default_rng(seed)

    def ask(self) -> Population:
        """Propose designs `(P, L)` int64."""
        tiles = self._rng.integers(0, len(self._space.multipliers), (self._size, self._space.tile_limit))
        places = self._rng.integers(0, self._space.tile_limit, (self._size, len(self._space.layers)))
        return np.take_along_axis(tiles, places, axis=1)

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Learn nothing."""
