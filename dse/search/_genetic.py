"""Genetic search over integer genes behind ask/tell: the engine that all evolutionary methods share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population as Individuals
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from dse.search._guidance import distinct
from dse.types import FAILED, Objectives, Population

Algorithm = Callable[..., GeneticAlgorithm]  # (n_objectives, **settings): a pymoo algorithm

_ROUNDS = 10  # of mating to fill a large brood; pymoo's 100 cost seconds per generation once a small space is nearly known


def nsga2(n_objectives: int, **settings: Any) -> GeneticAlgorithm:
    """Return NSGA-II (Deb et al., TEC 2002)."""
    return NSGA2(**settings)


def best_by_rank_and_crowding(objectives: Objectives, count: int) -> NDArray[np.int64]:
    """Return the rows of `(P, K)` that NSGA-II's survival would keep, best first: `(count,)` indices."""
    chosen: list[int] = []
    for front in NonDominatedSorting().do(objectives, n_stop_if_ranked=count):
        crowding = get_crowding_function("cd").do(objectives[front])
        chosen.extend(front[np.argsort(-crowding, kind="stable")].tolist())
    return np.array(chosen[:count], dtype=np.int64)


class Genetic:
    """A genetic algorithm with uniform crossover and random-reset mutation over integer chromosomes.

    The number of objectives is that of the first ones told. Failed designs are infeasible, and so is what exceeds the
    largest loss: they lose to all that is feasible, and among themselves the smaller excess wins (Deb et al., TEC 2002).

    Args:
        initial: First generation `(P0, G)` int64; of equal rows the first counts.
        levels: Number of values of each gene `(G,)`; gene g takes 0..levels[g] - 1.
        population: Survivors of a generation, and offspring asked for in the next.
        seed: Seed of all draws.
        algorithm: Makes the algorithm once the number of objectives is known.
        offspring: Chromosomes bred in a generation; as many as survive when None.
        max_loss: Constraint on the second objective. None: no constraint.
    """

    def __init__(
        self,
        initial: Population,
        levels: Population,
        population: int,
        seed: int,
        *,
        algorithm: Algorithm = nsga2,
        offspring: int | None = None,
        max_loss: float | None = None,
    ) -> None:
        self._max_loss = max_loss
        self._levels = levels
        self._make = algorithm
        self._settings = {"pop_size": population, "n_offsprings": offspring}
        self._seed = seed
        self._algorithm: GeneticAlgorithm | None = None  # made when the first objectives are told
        self._asked = Individuals.new("X", distinct(initial))

    def ask(self, offspring: int | None = None) -> Population:
        """Return the next chromosomes `(P, G)` int64, no rows when mating finds nothing new.

        Args:
            offspring: How many to breed, from now on; as before when None.
        """
        if self._algorithm is not None:
            if offspring is not None:
                self._algorithm.n_offsprings = offspring
            asked = self._algorithm.ask()
            self._asked = Individuals() if asked is None else asked
        if len(self._asked) == 0:
            return np.zeros((0, len(self._levels)), dtype=np.int64)
        return np.asarray(self._asked.get("X")).astype(np.int64)

    def propose(self, chromosomes: Population) -> None:
        """Put other chromosomes `(P, G)` in the place of what was asked last; they are told."""
        self._asked = Individuals.new("X", chromosomes)

    def tell(self, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the chromosomes asked last."""
        if self._algorithm is None:
            self._algorithm = self._started(objectives.shape[1])
        failed = (objectives >= FAILED).any(axis=1)
        excess = np.zeros(len(objectives)) if self._max_loss is None else objectives[:, 1] - self._max_loss
        self._asked.set("F", objectives)
        self._asked.set("G", np.where(failed, FAILED, excess)[:, None])
        for individual in self._asked:
            individual.evaluated.update(("F", "G", "H"))
        with warnings.catch_warnings():  # pymoo's NSGA-III switches all warnings off, for the whole process
            self._algorithm.tell(infills=self._asked)

    def _started(self, n_objectives: int) -> GeneticAlgorithm:
        """Return the algorithm, which has asked for the first generation."""
        bounds = {"xl": np.zeros(len(self._levels)), "xu": self._levels - 1, "vtype": int}
        problem = Problem(n_var=len(self._levels), n_obj=n_objectives, n_ieq_constr=1, **bounds)
        algorithm = self._make(
            n_objectives,
            sampling=self._asked,
            crossover=UniformCrossover(prob=0.9),
            mutation=RandomReset(),
            eliminate_duplicates=EqualGenes(),
            **self._settings,
        )
        if self._settings["n_offsprings"] is not None:
            algorithm.mating.n_max_iterations = _ROUNDS
        algorithm.setup(problem, termination=NoTermination(), seed=self._seed, verbose=False)
        self._asked = algorithm.ask()
        return algorithm


class EqualGenes(DuplicateElimination):
    """Of equal chromosomes only the first stays: pymoo's own, without the distances between all pairs."""

    def _do(self, pop: Individuals, other: Individuals | None, is_duplicate: NDArray[np.bool_]) -> NDArray[np.bool_]:
        seen = set() if other is None else set(_keys(other))
        for i, key in enumerate(_keys(pop)):
            is_duplicate[i] = key in seen
            if other is None:
                seen.add(key)
        return is_duplicate


def _keys(individuals: Individuals) -> list[bytes]:
    # not get("X"), which asks every individual for a list of attributes and takes twice as long
    return [row.tobytes() for row in np.array([individual.X for individual in individuals], dtype=np.int64)]


class RandomReset(Mutation):
    """Each gene takes a uniformly random value with probability 1 / G."""

    def _do(self, problem: Problem, X: Any, *args: Any, random_state: np.random.Generator, **kwargs: Any) -> Any:
        mask = random_state.random(X.shape) < 1 / problem.n_var
        return np.where(mask, random_state.integers(0, problem.xu.astype(np.int64) + 1, X.shape), X)
