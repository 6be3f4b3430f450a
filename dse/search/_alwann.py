"""The baseline: an ALWANN-style search (Mrazek et al., ICCAD 2019, arXiv 1907.07229)."""

from __future__ import annotations

import numpy as np

from dse.search._genetic import Genetic
from dse.space import SearchSpace
from dse.types import Objectives, Population


class Alwann:
    """NSGA-II over tiles: chromosome `[m_1 .. m_T | t_1 .. t_L]`, T tile multipliers and L tile indices.

    The first generation is the uniform designs (every library multiplier in all tiles, all layers on tile 0). Several
    tiles may hold the same multiplier and a tile may stay unused, as in the authors' own data; a layer may go to any tile
    (the non-pipelined variant, in which idle tiles are switched off). Crossover and mutation are not published; they are
    those of our own search, as are all settings.

    The encoding respects the tile limit by itself. It knows no forbidden multipliers and no bound of the energy: where the
    space has them the decoded design is repaired, while the chromosome is inherited as it is.

    Args:
        space: The search space; its tile limit is T, its `max_loss_pp` a constraint.
        population: Designs in a generation.
        seed: Seed of all draws.
        max_loss: The loss beyond which a design is of no interest, as a constraint. None, as published: no constraint but
            the space's own.
    """

    def __init__(self, space: SearchSpace, *, population: int, seed: int, max_loss: float | None = None) -> None:
        self._space = space
        self._tiles = space.tile_limit
        n_layers, n_multipliers = len(space.layers), len(space.multipliers)
        levels = np.array([n_multipliers] * self._tiles + [self._tiles] * n_layers, dtype=np.int64)
        initial = np.zeros((n_multipliers, len(levels)), dtype=np.int64)
        initial[:, : self._tiles] = np.arange(n_multipliers)[:, None]
        limits = [limit for limit in (max_loss, space.max_loss_pp) if limit is not None]
        self._genetic = Genetic(initial, levels, population, seed, max_loss=min(limits, default=None))

    def ask(self) -> Population:
        """Propose the next designs, decoded: `(P, L)` int64."""
        chromosomes = self._genetic.ask()
        tiles, places = chromosomes[:, : self._tiles], chromosomes[:, self._tiles :]
        return self._space.repair(np.take_along_axis(tiles, places, axis=1))

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        self._genetic.tell(objectives)
