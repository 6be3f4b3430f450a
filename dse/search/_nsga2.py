"""Ours: NSGA-II over per-layer assignments, seeded and pre-screened by the robustness profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.search._genetic import Genetic, best_by_rank_and_crowding
from dse.search._guidance import Guidance
from dse.space import SearchSpace
from dse.types import Floats, Objectives, Population

_OFFSPRING = 30  # candidates bred for each one that is simulated


class SeededNsga2:
    """NSGA-II whose first generation is the matching sweep of a robustness profile.

    Seeds are taken at equal distances along the sweep; when there are fewer than the population needs, mutated copies
    follow. Later generations breed many more offspring than they evaluate: the profile's closed-form proxy, which costs
    microseconds, picks those that look best in energy and proxy by non-dominated rank and crowding. Designs over the tile
    limit are repaired.

    Args:
        space: The search space.
        guidance: Seeds and proxy.
        population: Designs in a generation.
        seed: Seed of all draws.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> None:
        shape, n_layers = guidance.seeds.shape, len(space.layers)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != n_layers:
            raise InputError(f"nsga2: expected seeds (S, {n_layers}) with S >= 1, got {shape}")
        self._space = space
        self._guidance = guidance
        self._population = population
        self._shares = space.op_counts / space.op_counts.sum()
        self._evaluated: set[tuple[int, ...]] = set()
        levels = np.full(n_layers, len(space.multipliers), dtype=np.int64)
        initial = _first_generation(space, guidance.seeds, population, np.random.default_rng(seed))
        self._genetic = Genetic(initial, levels, population, seed, offspring=_OFFSPRING * population)

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64."""
        bred = self._space.repair(self._genetic.ask())
        keep = self._screen(bred)
        self._genetic.keep(keep, bred[keep])
        return bred[keep]

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        self._evaluated.update(map(tuple, population.tolist()))
        self._genetic.tell(objectives)

    def _screen(self, bred: Population) -> NDArray[np.int64]:
        """Return which of the offspring to evaluate: new ones, each once, the most promising ones first."""
        first = {
            row: i for i, row in reversed(list(enumerate(map(tuple, bred.tolist())))) if row not in self._evaluated
        }
        new = np.array(sorted(first.values()), dtype=np.int64)
        if len(new) <= self._population:
            return new
        promise: Floats = np.stack([self._energy(bred[new]), self._guidance.proxy(bred[new])], axis=1)
        return new[best_by_rank_and_crowding(promise, self._population)]

    def _energy(self, population: Population) -> Floats:
        return self._space.rel_energy[population] @ self._shares


def _first_generation(space: SearchSpace, seeds: Population, size: int, rng: np.random.Generator) -> Population:
    distinct = np.array(list(dict.fromkeys(map(tuple, space.repair(seeds).tolist()))), dtype=np.int64)
    if len(distinct) >= size:
        return distinct[np.linspace(0, len(distinct) - 1, size).round().astype(int)]
    copies = distinct[rng.integers(0, len(distinct), size - len(distinct))].copy()
    genes = rng.integers(0, copies.shape[1], len(copies))
    copies[np.arange(len(copies)), genes] = rng.integers(0, len(space.multipliers), len(copies))
    return np.vstack([distinct, space.repair(copies)])
