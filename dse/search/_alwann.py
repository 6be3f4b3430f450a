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

    Where circuits have variants, a tile holds a circuit and L more genes say in which variant each layer uses its tile's;
    a gene beyond the circuit's variants counts modulo their number. The first generation has the first of each.

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
        n_layers, n_circuits = len(space.layers), space.n_circuits
        self._variants = np.bincount(space.circuit_of)  # (C,) how many
        self._by_circuit = np.argsort(space.circuit_of, kind="stable")  # variants of one circuit side by side
        genes = [n_circuits] * self._tiles + [self._tiles] * n_layers
        if self._variants.max() > 1:
            genes += [int(self._variants.max())] * n_layers
        levels = np.array(genes, dtype=np.int64)
        initial = np.zeros((n_circuits, len(levels)), dtype=np.int64)
        initial[:, : self._tiles] = np.arange(n_circuits)[:, None]
        limits = [limit for limit in (max_loss, space.max_loss_pp) if limit is not None]
        self._genetic = Genetic(initial, levels, population, seed, max_loss=min(limits, default=None))

    def ask(self) -> Population:
        """Propose the next designs, decoded: `(P, L)` int64."""
        chromosomes = self._genetic.ask()
        places = chromosomes[:, self._tiles : self._tiles + len(self._space.layers)]
        circuits = np.take_along_axis(chromosomes[:, : self._tiles], places, axis=1)
        genes = chromosomes[:, self._tiles + len(self._space.layers) :]
        variants = genes % self._variants[circuits] if genes.size else np.zeros_like(circuits)
        starts = np.cumsum(self._variants) - self._variants
        return self._space.repair(self._by_circuit[starts[circuits] + variants])

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        self._genetic.tell(objectives)
