"""Ours: NSGA-II over per-layer assignments, seeded and pre-screened by the robustness profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.search._genetic import Genetic, best_by_rank_and_crowding
from dse.search._guidance import Guidance
from dse.search._loss_model import LossModel
from dse.space import SearchSpace
from dse.types import Floats, Objectives, Population

_OFFSPRING = 30  # designs bred for each one that is simulated
_UNSCREENED = 0.4  # share of a generation that the model does not choose


class SeededNsga2:
    """NSGA-II whose first generation is the matching sweep of a robustness profile.

    Seeds are taken at equal distances along the sweep; when there are fewer than the population needs, mutated copies
    follow. Later generations breed many more offspring than they simulate. A model of the loss, which is the profile's
    closed-form proxy corrected by the designs simulated so far, says which of them may move the front, and non-dominated
    rank and crowding choose most of a generation among those. The rest are offspring as they come: where the model is
    wrong, they are what teaches it. Designs over the tile limit are repaired.

    Args:
        space: The search space.
        guidance: Seeds, proxy, and the loss beyond which a design is of no interest.
        population: Designs in a generation.
        seed: Seed of all draws.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> None:
        shape, n_layers = guidance.seeds.shape, len(space.layers)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != n_layers:
            raise InputError(f"nsga2: expected seeds (S, {n_layers}) with S >= 1, got {shape}")
        self._space = space
        self._guidance = guidance
        self._size = population
        self._simulated: Population = np.zeros((0, n_layers), dtype=np.int64)
        self._losses: Floats = np.zeros(0)
        levels = np.full(n_layers, len(space.multipliers), dtype=np.int64)
        self._rng = np.random.default_rng(seed)
        initial = _first_generation(space, guidance.seeds, population, self._rng)
        self._genetic = Genetic(initial, levels, population, seed, offspring=_OFFSPRING * population)

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64."""
        bred = self._space.repair(self._genetic.ask())
        keep = self._screen(bred)
        self._genetic.keep(keep, bred[keep])
        return bred[keep]

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last: energy, then loss."""
        self._simulated = np.vstack([self._simulated, population])
        self._losses = np.concatenate([self._losses, objectives[:, 1]])
        self._genetic.tell(objectives)

    def _screen(self, bred: Population) -> NDArray[np.int64]:
        """Return which of the offspring to simulate: new ones, each once, that may move the front."""
        known = set(map(tuple, self._simulated.tolist()))
        first = {row: i for i, row in reversed(list(enumerate(map(tuple, bred.tolist())))) if row not in known}
        new = np.array(sorted(first.values()), dtype=np.int64)
        if len(new) <= self._size or not len(self._losses):
            return new
        promising = self._most_promising(bred[new], self._size - round(_UNSCREENED * self._size))
        others = np.setdiff1d(np.arange(len(new)), promising)
        chance = self._rng.choice(others, self._size - len(promising), replace=False)
        return np.sort(new[np.concatenate([promising, chance])])

    def _most_promising(self, designs: Population, count: int) -> NDArray[np.int64]:
        """Return the rows of `designs` that the model of the loss chooses, `(count,)`."""
        rows = np.arange(len(designs))
        energy = self._space.energy(designs)
        loss = LossModel(self._guidance, self._simulated, self._losses).predict(designs)
        acceptable = loss <= self._guidance.max_loss
        for wanted in (acceptable & (loss < self._best_loss(energy)), acceptable):
            if wanted.sum() >= count:
                objectives = np.stack([energy[wanted], loss[wanted]], axis=1)
                return rows[wanted][best_by_rank_and_crowding(objectives, count)]
        return np.argsort(loss, kind="stable")[:count]  # hardly any is acceptable: the nearest to it

    def _best_loss(self, energy: Floats) -> Floats:
        """Return the smallest loss simulated so far at no more than each of these energies; inf where there is none."""
        spent = self._space.energy(self._simulated)
        return np.array([self._losses[spent <= e].min(initial=np.inf) for e in energy])


def _first_generation(space: SearchSpace, seeds: Population, size: int, rng: np.random.Generator) -> Population:
    distinct = np.array(list(dict.fromkeys(map(tuple, space.repair(seeds).tolist()))), dtype=np.int64)
    if len(distinct) >= size:
        return distinct[np.linspace(0, len(distinct) - 1, size).round().astype(int)]
    copies = distinct[rng.integers(0, len(distinct), size - len(distinct))].copy()
    genes = rng.integers(0, copies.shape[1], len(copies))
    copies[np.arange(len(copies)), genes] = rng.integers(0, len(space.multipliers), len(copies))
    return np.vstack([distinct, space.repair(copies)])
