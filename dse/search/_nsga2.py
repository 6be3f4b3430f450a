"""Ours: genetic search over per-layer assignments, seeded and pre-screened by the robustness profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.pareto import non_dominated
from dse.search._genetic import Algorithm, Genetic, best_by_rank_and_crowding, nsga2
from dse.search._guidance import Guidance, sweep
from dse.search._loss_model import LossModel
from dse.search._one_thread import one_thread
from dse.space import SearchSpace
from dse.types import FAILED, Floats, Objectives, Population

_OFFSPRING = 30  # designs bred for each one that is simulated
_UNSCREENED = 0.4  # share of a generation that the model does not choose


class SeededNsga2:
    """NSGA-II whose first generation is the matching sweep of a robustness profile; NSGA-III likewise.

    Seeds are taken at equal distances along the sweep; when there are fewer than the population needs, mutated copies
    follow. Later generations breed many more offspring than they simulate. A model of the loss, which is the profile's
    closed-form proxy corrected by the designs simulated so far, says which of them may move the front, and non-dominated
    rank and crowding choose most of a generation among those. The rest are offspring as they come: where the model is
    wrong, they are what teaches it. Further objectives than energy and loss are predicted in the same way. Designs that
    the space does not permit are repaired; the model knows nothing of designs that failed.

    Args:
        space: The search space.
        guidance: Seeds, proxy, and the loss beyond which a design is of no interest.
        population: Designs in a generation.
        seed: Seed of all draws.
        algorithm: What chooses parents and survivors.
    """

    def __init__(
        self, space: SearchSpace, guidance: Guidance, *, population: int, seed: int, algorithm: Algorithm = nsga2
    ) -> None:
        n_layers = len(space.layers)
        self._space = space
        self._guidance = guidance
        self._limit = guidance.loss_limit(space)
        self._size = population
        self._known: set[bytes] = set()
        self._simulated: Population = np.zeros((0, n_layers), dtype=np.int64)  # what did not fail
        self._figures: Floats | None = None  # what it scored beside energy (N, K - 1)
        self._front: Objectives | None = None  # the undominated among it
        levels = np.full(n_layers, len(space.multipliers), dtype=np.int64)
        self._rng = np.random.default_rng(seed)
        initial = _first_generation(space, sweep("nsga2", space, guidance), population, self._rng)
        brood = _OFFSPRING * population
        self._genetic = Genetic(
            initial, levels, population, seed, algorithm=algorithm, offspring=brood, max_loss=space.max_loss_pp
        )

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64."""
        bred = self._space.repair(self._genetic.ask())
        keep = self._screen(bred)
        self._genetic.keep(keep, bred[keep])
        return bred[keep]

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last: energy, then loss, then any others."""
        self._known.update(row.tobytes() for row in population)
        good = (objectives < FAILED).all(axis=1)
        scored = np.column_stack([self._space.energy(population[good]), objectives[good, 1:]])
        front = scored if self._front is None else np.vstack([self._front, scored])
        self._simulated = np.vstack([self._simulated, population[good]])
        self._figures = scored[:, 1:] if self._figures is None else np.vstack([self._figures, scored[:, 1:]])
        self._front = front[non_dominated(front)]
        self._genetic.tell(objectives)

    def _screen(self, bred: Population) -> NDArray[np.int64]:
        """Return which of the offspring to simulate: new ones, each once, that may move the front."""
        keys = [row.tobytes() for row in bred]
        first = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self._known}
        new = np.array(sorted(first.values()), dtype=np.int64)
        if len(new) <= self._size or not self._known:
            return new
        if not len(self._simulated):  # all failed
            return new[: self._size]
        promising = self._most_promising(bred[new], self._size - round(_UNSCREENED * self._size))
        others = np.setdiff1d(np.arange(len(new)), promising)
        chance = self._rng.choice(others, self._size - len(promising), replace=False)
        return np.sort(new[np.concatenate([promising, chance])])

    def _most_promising(self, designs: Population, count: int) -> NDArray[np.int64]:
        """Return the rows of `designs` that the model of the loss chooses, `(count,)`."""
        assert self._figures is not None and self._front is not None
        with one_thread():
            figures = LossModel(self._guidance, self._simulated, self._figures).predict(designs)
        expected = np.column_stack([self._space.energy(designs), figures])
        acceptable = figures[:, 0] <= self._limit
        for wanted in (acceptable & ~dominated(expected, self._front), acceptable):
            if wanted.sum() >= count:
                return np.flatnonzero(wanted)[best_by_rank_and_crowding(expected[wanted], count)]
        return np.argsort(figures[:, 0], kind="stable")[:count]  # hardly any is acceptable: the nearest to it


def dominated(objectives: Objectives, front: Objectives) -> NDArray[np.bool_]:
    """Mark the rows of `(P, K)` that some row of a front `(F, K)` equals or beats, `(P,)`."""
    beaten = np.ones((len(objectives), len(front)), dtype=bool)
    for column, best in zip(objectives.T, front.T, strict=True):
        beaten &= best <= column[:, None]
    return np.asarray(beaten.any(axis=1))


def _first_generation(space: SearchSpace, seeds: Population, size: int, rng: np.random.Generator) -> Population:
    """Return designs `(size, L)`: some of the distinct seeds, or all and mutated copies of them."""
    if len(seeds) >= size:
        return seeds[np.linspace(0, len(seeds) - 1, size).round().astype(int)]
    copies = seeds[rng.integers(0, len(seeds), size - len(seeds))].copy()
    genes = rng.integers(0, copies.shape[1], len(copies))
    copies[np.arange(len(copies)), genes] = rng.integers(0, len(space.multipliers), len(copies))
    return np.vstack([seeds, space.repair(copies)])
