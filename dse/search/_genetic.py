"""NSGA-II over integer genes behind ask/tell: the engine that both evolutionary methods share (Deb et al., TEC 2002)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population as Individuals
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from dse.types import Objectives, Population

_ROUNDS = (
    10  # of mating to fill a large brood; pymoo's 100 cost seconds per generation once a small space is nearly known
)


def best_by_rank_and_crowding(objectives: Objectives, count: int) -> NDArray[np.int64]:
    """Return the rows of `(P, K)` that NSGA-II's survival would keep, best first: `(count,)` indices."""
    chosen: list[int] = []
    for front in NonDominatedSorting().do(objectives):
        crowding = get_crowding_function("cd").do(objectives[front])
        chosen.extend(front[np.argsort(-crowding, kind="stable")].tolist())
        if len(chosen) >= count:
            break
    return np.array(chosen[:count], dtype=np.int64)


class Genetic:
    """NSGA-II with uniform crossover and random-reset mutation over integer chromosomes.

    Args:
        initial: First generation `(P0, G)` int64.
        levels: Number of values of each gene `(G,)`; gene g takes 0..levels[g] - 1.
        population: Survivors of a generation, and offspring asked for in the next.
        seed: Seed of all draws.
        offspring: Chromosomes bred in a generation; as many as survive when None.
        max_loss: Constraint on the second objective: what exceeds it loses to all that does not. None: no constraint.
    """

    def __init__(
        self,
        initial: Population,
        levels: Population,
        population: int,
        seed: int,
        *,
        offspring: int | None = None,
        max_loss: float | None = None,
    ) -> None:
        self._max_loss = max_loss
        bounds = {"xl": np.zeros(len(levels)), "xu": levels - 1, "vtype": int}
        problem = Problem(n_var=len(levels), n_obj=2, n_ieq_constr=int(max_loss is not None), **bounds)
        self._algorithm = NSGA2(
            pop_size=population,
            n_offsprings=offspring,
            sampling=initial,
            crossover=UniformCrossover(prob=0.9),
            mutation=RandomReset(),
            eliminate_duplicates=True,
        )
        if offspring is not None:
            self._algorithm.mating.n_max_iterations = _ROUNDS
        self._algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)

    def ask(self) -> Population:
        """Return the next chromosomes `(P, G)` int64, no rows when mating finds nothing new."""
        asked = self._algorithm.ask()
        self._asked = Individuals() if asked is None else asked
        if len(self._asked) == 0:
            return np.zeros((0, self._algorithm.problem.n_var), dtype=np.int64)
        return np.asarray(self._asked.get("X")).astype(np.int64)

    def keep(self, rows: NDArray[np.int64], chromosomes: Population) -> None:
        """Keep only these rows of what was asked last, with these (repaired) chromosomes; only they are told."""
        self._asked = self._asked[rows]
        self._asked.set("X", chromosomes)

    def tell(self, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the chromosomes asked last."""
        self._asked.set("F", objectives)
        if self._max_loss is not None:
            self._asked.set("G", objectives[:, 1:] - self._max_loss)
        for individual in self._asked:
            individual.evaluated.update(("F", "G", "H"))
        self._algorithm.tell(infills=self._asked)


class RandomReset(Mutation):
    """Each gene takes a uniformly random value with probability 1 / G."""

    def _do(self, problem: Problem, X: Any, *args: Any, random_state: np.random.Generator, **kwargs: Any) -> Any:
        mask = random_state.random(X.shape) < 1 / problem.n_var
        return np.where(mask, random_state.integers(0, problem.xu.astype(np.int64) + 1, X.shape), X)
