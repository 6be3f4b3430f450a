"""Drive any search by ask and tell, charging it for every distinct design until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dse.exceptions import InputError
from dse.types import Objective, Objectives, Population, Search

_TOGETHER = 32  # designs handed to an objective at once: they share work, and progress waits for the last of them
_PATIENCE = 200  # asks in a row without one new design before a method is taken to have converged


@dataclass(frozen=True)
class History:
    """Every distinct design a method has evaluated, in order."""

    population: Population  # (N, L)
    objectives: Objectives  # (N, K)
    stopped: str  # "budget", "exhausted" (nothing left to ask) or "converged" (asks only designs it knows)


def run_search(
    search: Search,
    objectives: Sequence[Objective],
    budget: int,
    *,
    progress: Callable[[int, int, Objectives], None] | None = None,
) -> History:
    """Let `search` propose designs until it has evaluated `budget` distinct ones.

    A design costs one evaluation the first time it is asked and nothing afterwards. The batch in which the budget runs out
    is evaluated as far as it goes and not told.

    Args:
        search: The method.
        objectives: K figures of merit, each asked for the new designs of a batch together.
        budget: Distinct designs to evaluate, at least 1.
        progress: Called as (done, budget, objectives so far) for every new design, up to 32 in a row.

    Raises:
        InputError: If the budget is below 1, a method asks for something that is no population, or an objective does not
            score every design.
    """
    if budget < 1:
        raise InputError(f"search.evaluations: expected at least 1, got {budget}")
    known: dict[tuple[int, ...], list[float]] = {}
    idle = 0
    while idle < _PATIENCE:
        population = np.asarray(search.ask())
        if population.ndim != 2 or population.dtype != np.int64:
            raise InputError(f"search: expected a population (P, L) int64, got {population.shape} {population.dtype}")
        if len(population) == 0:
            return _history(known, "exhausted", population.shape[1], len(objectives))
        before = len(known)
        asked = [tuple(row.tolist()) for row in population]
        new = list(dict.fromkeys(key for key in asked if key not in known))
        affordable = new[: budget - len(known)]
        for start in range(0, len(affordable), _TOGETHER):
            designs = affordable[start : start + _TOGETHER]
            for design, figures in zip(designs, _score(np.array(designs, dtype=np.int64), objectives), strict=True):
                known[design] = figures
                if progress:
                    progress(len(known), budget, np.array(list(known.values())))
        if len(affordable) < len(new):
            return _history(known, "budget", population.shape[1], len(objectives))
        idle = 0 if len(known) > before else idle + 1
        search.tell(population, np.array([known[key] for key in asked]))
    return _history(known, "converged", population.shape[1], len(objectives))


def _score(population: Population, objectives: Sequence[Objective]) -> list[list[float]]:
    """Return the K figures of each of some distinct designs `(P, L)`."""
    scores = np.empty((len(population), len(objectives)))
    for column, objective in enumerate(objectives):
        found = np.asarray(objective(population))
        if found.shape != (len(population),):
            raise InputError(f"objective '{objective.name}': expected ({len(population)},), got {found.shape}")
        scores[:, column] = found
    figures: list[list[float]] = scores.tolist()
    return figures


def _history(known: dict[tuple[int, ...], list[float]], stopped: str, layers: int, n_objectives: int) -> History:
    return History(
        population=np.array(list(known), dtype=np.int64).reshape(-1, layers),
        objectives=np.array(list(known.values()), dtype=np.float64).reshape(-1, n_objectives),
        stopped=stopped,
    )
