"""Uniformly random designs: what any method must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.space import SearchSpace
from dse.types import Objectives, Population


class RandomSearch:
    """Draws T circuits (T the tile limit) and gives each layer one of them at random, in a random one of its variants.

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
    tiles = rng.integers(0, space.n_circuits, (count, space.tile_limit))
    shape = (count, len(space.layers))
    best = space.best_variants(np.zeros(space.choices.shape))
    if space.allowed is None:
        places = rng.integers(0, space.tile_limit, shape)
    else:
        places = _allowed_places(np.take_along_axis(space.allowed, best, axis=1), tiles, rng)
    circuits = np.take_along_axis(tiles, places, axis=1)
    if space.circuits is None:
        return space.repair(circuits)
    fits = (space.circuits == circuits[:, :, None]) & space.choices  # (P, L, M)
    drawn = np.argmax(np.where(fits, rng.random(fits.shape), -1.0), axis=2)
    return space.repair(np.where(fits.any(axis=2), drawn, best[np.arange(len(best)), circuits]))


def _allowed_places(allowed: NDArray[np.bool_], tiles: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for each layer one of the tiles `(P, T)` that it allows, the first drawn where it allows none: `(P, L)`."""
    fits = allowed[:, tiles].transpose(1, 0, 2)  # (P, L, T)
    return np.argmax(np.where(fits, rng.random(fits.shape), -1.0), axis=2)
