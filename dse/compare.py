"""Score designs on search and test images and compare what the methods found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.config import ReferenceConfig
from dse.objectives import AccuracyLoss, RelativeEnergy
from dse.pareto import hypervolume, non_dominated
from dse.search import History
from dse.space import SearchSpace
from dse.types import Floats, Population


@dataclass(frozen=True)
class Scored:
    """Designs with their energy, and their accuracy on the images that chose them and on images that did not."""

    population: Population  # (P, L)
    evaluation: NDArray[np.int64]  # (P,) counted from 1 within the method; 0 where no method asked for the design
    rel_energy: Floats  # (P,)
    search_accuracy: Floats  # (P,)
    search_loss_pp: Floats  # (P,) against the exact quantised network on the search images
    accuracy: Floats  # (P,) on the test images
    accuracy_loss_pp: Floats  # (P,) against the exact quantised network on the test images

    def objectives(self, *, test: bool) -> Floats:
        """Return `(P, 2)`: energy and accuracy loss, on the test or the search images."""
        return np.stack([self.rel_energy, self.accuracy_loss_pp if test else self.search_loss_pp], axis=1)


@dataclass(frozen=True)
class Scorer:
    """The objectives of a comparison; equal designs are simulated once."""

    energy: RelativeEnergy
    search_loss: AccuracyLoss
    test_loss: AccuracyLoss

    def score(self, population: Population, evaluation: NDArray[np.int64] | None = None) -> Scored:
        """Score designs `(P, L)` on search and test images; those that cannot be scored on both are left out."""
        evaluation = np.zeros(len(population), dtype=np.int64) if evaluation is None else evaluation
        scored = np.isfinite(self.search_loss(population)) & np.isfinite(self.test_loss(population))
        population, evaluation = population[scored], evaluation[scored]
        return Scored(
            population=population,
            evaluation=evaluation,
            rel_energy=self.energy(population),
            search_accuracy=self.search_loss.accuracies(population),
            search_loss_pp=self.search_loss(population),
            accuracy=self.test_loss.accuracies(population),
            accuracy_loss_pp=self.test_loss(population),
        )

    def front(self, history: History) -> Scored:
        """Score a method's front: the designs that no other of its designs dominates on the search images."""
        scored = np.flatnonzero(history.scored)
        chosen = scored[non_dominated(history.objectives[scored])]
        chosen = chosen[np.argsort(-history.objectives[chosen, 0], kind="stable")]
        return self.score(history.population[chosen], chosen + 1)


def hypervolumes(fronts: Mapping[str, Scored], reference: Floats, *, test: bool) -> dict[str, float]:
    """Return each method's hypervolume against one reference point (2,)."""
    return {name: hypervolume(front.objectives(test=test), reference) for name, front in fronts.items()}


def best_uniform(uniform: Scored, *, loss_pp: float = 1.0) -> int | None:
    """Return the index of the cheapest uniform design that loses at most `loss_pp` on the search images; None without."""
    allowed = np.flatnonzero(uniform.search_loss_pp <= loss_pp)
    return None if len(allowed) == 0 else int(allowed[np.argmin(uniform.rel_energy[allowed])])


def compare(
    space: SearchSpace,
    histories: Mapping[str, History],
    fronts: Mapping[str, Scored],
    uniform: Scored,
    reference: ReferenceConfig,
) -> dict[str, Any]:
    """Return the figures that compare the methods, as plain data."""
    point: Floats = np.array([reference.rel_energy, reference.accuracy_loss_pp])
    cheapest = np.full((1, len(space.layers)), np.argmin(space.rel_energy))
    best = best_uniform(uniform)
    return {
        "hypervolume": hypervolumes(fronts, point, test=False),
        "hypervolume_test": hypervolumes(fronts, point, test=True),
        "reference_point": reference.model_dump(),
        "evaluations": {name: len(history.population) for name, history in histories.items()},
        "failed": {name: int((~history.scored).sum()) for name, history in histories.items()},
        "stopped": {name: history.stopped for name, history in histories.items()},
        "best_uniform": None if best is None else _uniform_design(space, uniform, best),
        "library_floor": float(space.energy(cheapest)[0]),
    }


def _uniform_design(space: SearchSpace, uniform: Scored, index: int) -> dict[str, Any]:
    figures = ("rel_energy", "search_accuracy", "accuracy", "accuracy_loss_pp")
    found = {name: float(getattr(uniform, name)[index]) for name in figures}
    return {"multiplier": space.multipliers[uniform.population[index, 0]], **found}
