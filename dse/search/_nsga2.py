"""Ours: genetic search over per-layer assignments, seeded and pre-screened by the robustness profile."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from dse.pareto import non_dominated
from dse.search._additive import additive_designs, chain_of
from dse.search._genetic import Algorithm, Genetic, best_by_rank_and_crowding, nsga2
from dse.search._guidance import Guidance, distinct, sweep
from dse.search._loss_model import LossModel
from dse.search._one_thread import one_thread
from dse.space import SearchSpace
from dse.types import FAILED, Floats, Objectives, Population, Search

_OFFSPRING = 30  # designs bred for each one that is simulated,
_DEAR = 1000  # as long as so few have been simulated; then fewer: who can afford many has no need to choose so carefully
_REFIT = 1.05  # the model is fitted again when so many times the designs are known
_UNSCREENED = 0.2  # share of a generation that the model does not choose
_SEEDS = 5  # optima, and as many matched assignments, that stay candidates for each design of a generation
_STEPS = 4  # batches of the opening: the later ones know where losses become too large


class SeededNsga2:
    """NSGA-II that starts from a robustness profile; NSGA-III likewise.

    It opens with the optimum of the profile's additive proxy (`additive_front`), from both ends inwards, putting off
    what lies beyond the first design that lost too much; what that finds is the first generation. Later generations
    breed many more offspring than they simulate. A model of the loss, which is the proxy corrected by the designs
    simulated so far, says which of them may move the front, and non-dominated rank and crowding choose most of a
    generation among those; the optima and the matched assignments of all tolerance scales stand beside the offspring.
    The rest are offspring as they come: where the model is wrong, they are what teaches it. Further objectives than
    energy and loss are predicted in the same way. Designs that the space does not permit are repaired; the model knows
    nothing of designs that failed. Beyond a thousand designs fewer and fewer offspring are bred for each, in the end one,
    and the model rests: the method is plain NSGA-II by then, at a tenth of a millisecond per design.

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
        self._simulated: list[Population] = []  # what did not fail
        self._figures: list[Floats] = []  # what it scored beside energy, (P, K - 1) each
        self._front: Objectives | None = None  # the undominated among it
        self._model: LossModel | None = None
        self._fitted = 0  # designs that the model knows
        self._rng = np.random.default_rng(seed)
        optima, matched = additive_designs(space, guidance), sweep("nsga2", space, guidance)
        self._seeds = distinct(np.vstack([_thinned(chain, _SEEDS * population) for chain in (optima, matched)]))
        self._opening: Search | None = chain_of(optima, space, guidance, -(-population // _STEPS))
        self._opened: list[tuple[Population, Objectives]] = []
        self._breed = partial(
            Genetic,
            levels=np.full(n_layers, len(space.multipliers), dtype=np.int64),
            population=population,
            seed=seed,
            algorithm=algorithm,
            offspring=_OFFSPRING * population,
            max_loss=space.max_loss_pp,
        )

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64."""
        if self._opening is not None:
            proposed = self._opening.ask()
            if len(proposed) and len(self._known) < self._size:
                return proposed
            self._begin()
        offspring = self._size * max(1, round(_OFFSPRING * min(1.0, _DEAR / len(self._known))))
        bred = self._space.repair(self._genetic.ask(offspring))
        candidates = np.vstack([bred, self._seeds]) if offspring > self._size and self._learned() else bred
        chosen = candidates[self._screen(candidates, bred=len(bred))]
        self._genetic.propose(chosen)
        return chosen

    def _learned(self) -> bool:
        """Fit the model where there is enough new to learn from; return whether it was."""
        known = sum(map(len, self._simulated))
        if not known or known < _REFIT * self._fitted:
            return False
        with one_thread():
            self._model = LossModel(self._guidance, np.vstack(self._simulated), np.vstack(self._figures))
        self._fitted = known
        return True

    def _begin(self) -> None:
        """Make what the opening found the first generation."""
        population, objectives = (np.vstack(parts) for parts in zip(*self._opened, strict=True))
        self._opening = None
        self._genetic = self._breed(population)
        self._genetic.ask()
        self._genetic.tell(objectives)

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last: energy, then loss, then any others."""
        self._known.update(row.tobytes() for row in population)
        good = (objectives < FAILED).all(axis=1)
        scored = np.column_stack([self._space.energy(population[good]), objectives[good, 1:]])
        front = scored if self._front is None else np.vstack([self._front, scored])
        self._simulated.append(population[good])
        self._figures.append(scored[:, 1:])
        self._front = front[non_dominated(front)]
        if self._opening is None:
            self._genetic.tell(objectives)
        else:
            self._opening.tell(population, objectives)
            self._opened.append((population, objectives))

    def _screen(self, candidates: Population, *, bred: int) -> NDArray[np.int64]:
        """Return which candidates (the first are bred) to simulate: new ones, each once, that may move the front."""
        keys = [row.tobytes() for row in candidates]
        first = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self._known}
        new = np.array(sorted(first.values()), dtype=np.int64)
        if len(new) <= self._size or not self._known:
            return new
        if self._model is None:  # all failed
            return new[: self._size]
        promising = self._most_promising(candidates[new], self._size - round(_UNSCREENED * self._size))
        others = np.setdiff1d(np.flatnonzero(new < bred), promising)
        chance = self._rng.choice(others, min(self._size - len(promising), len(others)), replace=False)
        return np.sort(new[np.concatenate([promising, chance])])

    def _most_promising(self, designs: Population, count: int) -> NDArray[np.int64]:
        """Return the rows of `designs` that the model of the loss chooses, `(count,)`."""
        assert self._model is not None and self._front is not None
        with one_thread():
            figures = self._model.predict(designs)
        expected = np.column_stack([self._space.energy(designs), figures])
        acceptable = figures[:, 0] <= self._limit
        for wanted in (acceptable & ~dominated(expected, self._front), acceptable):
            if wanted.sum() >= count:
                return np.flatnonzero(wanted)[best_by_rank_and_crowding(expected[wanted], count)]
        return np.argsort(figures[:, 0], kind="stable")[:count]  # hardly any is acceptable: the nearest to it


def _thinned(chain: Population, most: int) -> Population:
    """Return at most so many designs of a chain `(N, L)`, at equal distances along it."""
    return chain[np.unique(np.linspace(0, len(chain) - 1, min(most, len(chain))).round().astype(np.int64))]


def dominated(objectives: Objectives, front: Objectives) -> NDArray[np.bool_]:
    """Mark the rows of `(P, K)` that some row of a front `(F, K)` equals or beats, `(P,)`."""
    beaten = np.ones((len(objectives), len(front)), dtype=bool)
    for column, best in zip(objectives.T, front.T, strict=True):
        beaten &= best <= column[:, None]
    return np.asarray(beaten.any(axis=1))
