"""Drive any search by ask and tell, charging it for every distinct design until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.types import FAILED, Objective, Objectives, Population, Search

_TOGETHER = 32  # designs handed to an objective at once: they share work, and progress waits for the last of them
_PATIENCE = 200  # asks in a row without one new design before a method is taken to have converged




@dataclass(frozen=True)
class History:
    """Every distinct design a method has evaluated, in order."""

    population: Population  # (N, L)
    objectives: Objectives  # (N, K), NaN in the rows of designs that could not be scored
    stopped: str  # "budget", "exhausted" (nothing left to ask) or "converged" (asks only designs it knows)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which designs have objectives `(N,)`; the others failed and belong in no front, indicator or figure."""
        return np.isfinite(self.objectives).all(axis=1)


def run_search(
    search: Search,
    objectives: Sequence[Objective],
    budget: int,
    *,
    together: int = _TOGETHER,
    progress: Callable[[int, int, Objectives], None] | None = None,
) -> History:
    """Let `search` propose designs until it has evaluated `budget` distinct ones.

    A design costs one evaluation the first time it is asked and nothing afterwards. The batch in which the budget runs out
    is evaluated as far as it goes and not told. A design of which an objective is NaN or infinite has failed: it costs as
    any other, and the method is told `FAILED` in every objective.

    Args:
        search: The method.
        objectives: K figures of merit, each asked for the new designs of a batch together.
        budget: Distinct designs to evaluate, at least 1.
        together: Most designs handed to an objective at once.
        progress: Called as (done, budget, objectives of the designs just evaluated `(P, K)`).

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
        for start in range(0, len(affordable), together):
            designs = affordable[start : start + together]
            scores = _score(np.array(designs, dtype=np.int64), objectives)
            known.update(zip(designs, scores.tolist(), strict=True))
            if progress:
                progress(len(known), budget, scores)
        if len(affordable) < len(new):
            return _history(known, "budget", population.shape[1], len(objectives))
        idle = 0 if len(known) > before else idle + 1
        told = np.array([known[key] for key in asked])
        told[~np.isfinite(told).all(axis=1)] = FAILED
        search.tell(population, told)
    return _history(known, "converged", population.shape[1], len(objectives))


def _score(population: Population, objectives: Sequence[Objective]) -> Objectives:
    """Return the K figures of each of some distinct designs `(P, L)`, NaN in all of a row where one is not finite."""
    scores = np.empty((len(population), len(objectives)))
    for column, objective in enumerate(objectives):
        found = np.asarray(objective(population))
        if found.shape != (len(population),):
            raise InputError(f"objective '{objective.name}': expected ({len(population)},), got {found.shape}")
        scores[:, column] = found
    scores[~np.isfinite(scores).all(axis=1)] = np.nan
    return scores


def _history(known: dict[tuple[int, ...], list[float]], stopped: str, layers: int, n_objectives: int) -> History:
    return History(
        population=np.array(list(known), dtype=np.int64).reshape(-1, layers),
        objectives=np.array(list(known.values()), dtype=np.float64).reshape(-1, n_objectives),
        stopped=stopped,
    )
