"""NSGA-III (Deb and Jain, TEC 2014) and U-NSGA-III (Seada and Deb, TEC 2016), for three objectives and more."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.individual import Individual
from pymoo.core.population import Population as Individuals
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.util.ref_dirs import get_reference_directions

from dse.types import Floats


def nsga3(n_objectives: int, **settings: Any) -> GeneticAlgorithm:
    """Return NSGA-III, whose parents are drawn at random among the feasible."""
    return _with_directions(n_objectives, lambda a, b: 0.0, settings)


def u_nsga3(n_objectives: int, **settings: Any) -> GeneticAlgorithm:
    """Return U-NSGA-III, where of two parents in one niche the better by rank, then by distance to the niche, wins."""
    return _with_directions(n_objectives, _by_niche, settings)


def _with_directions(
    n_objectives: int, order: Callable[[Individual, Individual], float], settings: dict[str, Any]
) -> GeneticAlgorithm:
    directions = reference_directions(n_objectives, settings["pop_size"])
    size = max(settings["pop_size"], len(directions))
    offspring = settings["n_offsprings"] or settings["pop_size"]
    selection = TournamentSelection(func_comp=_tournament(order))
    return NSGA3(directions, selection=selection, **{**settings, "pop_size": size, "n_offsprings": offspring})


def reference_directions(n_objectives: int, population: int) -> Floats:
    """Return the finest simplex lattice (Das and Dennis, 1998) of at most `population` directions: `(D, K)`, at least K."""
    parts = 1
    while math.comb(parts + n_objectives, n_objectives - 1) <= population and n_objectives > 1:
        parts += 1
    return np.asarray(get_reference_directions("das-dennis", n_objectives, n_partitions=parts), dtype=np.float64)


def _tournament(order: Callable[[Individual, Individual], float]) -> Callable[..., NDArray[np.int64]]:
    """Return the comparison of a binary tournament: the smaller violation, then the smaller by `order`, then at random.

    pymoo 0.6.2 draws ties between infeasible parents from a generator of its own, so that runs with equal seeds differ
    (pymoo#794); here the algorithm's generator draws them all.
    """

    def compare(pop: Individuals, P: Any, *, random_state: np.random.Generator, **kwargs: Any) -> NDArray[np.int64]:
        winners = np.empty(len(P), dtype=np.int64)
        for i, (a, b) in enumerate(P):
            better = float(pop[a].CV[0] - pop[b].CV[0]) or order(pop[a], pop[b])
            winners[i] = a if better < 0 else b if better > 0 else random_state.choice([a, b])
        return winners[:, None]

    return compare


def _by_niche(a: Individual, b: Individual) -> float:
    """Return which of two parents is better: negative for a, positive for b, 0 where they are in different niches."""
    if a.CV[0] > 0 or a.get("niche") != b.get("niche"):
        return 0.0
    return float(a.get("rank") - b.get("rank")) or float(a.get("dist_to_niche") - b.get("dist_to_niche"))
