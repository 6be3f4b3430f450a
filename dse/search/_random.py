"""Uniformly random designs: what any method must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.space import SearchSpace
from dse.types import Objectives, Population


class RandomSearch:
    """Draws T multipliers (T the tile limit) and gives each layer one of them at random.

    Where multipliers are forbidden, each layer draws among those of the T that it allows. A layer that allows none of them,
    and a design over the energy bound, are repaired, which makes the draws less uniform the more the space forbids.

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
        return random_designs(self._space, self._size, self._rng)

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Learn nothing."""


def random_designs(space: SearchSpace, count: int, rng: np.random.Generator) -> Population:
    """Draw designs `(count, L)` as `RandomSearch` does."""
    tiles = rng.integers(0, len(space.multipliers), (count, space.tile_limit))
    if space.allowed is None:
        places = rng.integers(0, space.tile_limit, (count, len(space.layers)))
    else:
        places = _allowed_places(space.allowed, tiles, rng)
    return space.repair(np.take_along_axis(tiles, places, axis=1))


def _allowed_places(allowed: NDArray[np.bool_], tiles: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for each layer one of the tiles `(P, T)` that it allows, the first drawn where it allows none: `(P, L)`."""
    fits = allowed[:, tiles].transpose(1, 0, 2)  # (P, L, T)
    return np.argmax(np.where(fits, rng.random(fits.shape), -1.0), axis=2)
