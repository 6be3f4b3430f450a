"""The baseline: an ALWANN-style search (Mrazek et al., ICCAD 2019, arXiv 1907.07229)."""

from __future__ import annotations

import numpy as np

from dse.search._genetic import Genetic
from dse.space import SearchSpace
from dse.types import Objectives, Population


class Alwann:
    """NSGA-II over tiles: chromosome `[m_1 .. m_T | t_1 .. t_L]`, T tile multipliers and L tile indices.

    The first generation is the M uniform designs (every library multiplier in all tiles, all layers on tile 0). Several
    tiles may hold the same multiplier and a tile may stay unused, as in the authors' own data; a layer may go to any tile
    (the non-pipelined variant, in which idle tiles are switched off). Crossover and mutation are not published; they are
    those of our own search, as are all settings.

    Args:
        space: The search space; its tile limit is T.
        population: Designs in a generation.
        seed: Seed of all draws.
        max_loss: The loss beyond which a design is of no interest, as a constraint. None, as published: no constraint.
    """

    def __init__(self, space: SearchSpace, *, population: int, seed: int, max_loss: float | None = None) -> None:
        self._tiles = space.tile_limit
        n_layers, n_multipliers = len(space.layers), len(space.multipliers)
        levels = np.array([n_multipliers] * self._tiles + [self._tiles] * n_layers, dtype=np.int64)
        multipliers = np.repeat(np.arange(n_multipliers)[:, None], self._tiles, axis=1)
        initial = np.hstack([multipliers, np.zeros((n_multipliers, n_layers), dtype=np.int64)])
        self._genetic = Genetic(initial, levels, population, seed, max_loss=max_loss)

    def ask(self) -> Population:
        """Propose the next designs, decoded: `(P, L)` int64."""
        chromosomes = self._genetic.ask()
        return np.take_along_axis(chromosomes[:, : self._tiles], chromosomes[:, self._tiles :], axis=1)

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        self._genetic.tell(objectives)
