"""Simulated figures of designs, each charged once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from dse.exceptions import InputError
from dse.operating_points._choice_measured import Simulated
from dse.space import SearchSpace
from dse.types import Floats, Population

# figures of designs on the search images, (P, L) -> (P, 2): accuracy loss in pp, and divergence from the exact network in
# nats (`kl` of `dse.objectives.Figures`); NaN for designs that failed
Evaluate: TypeAlias = Callable[[Population], Floats]


class Ledger:
    """Charges every distinct design once, until the evaluations are spent.

    Args:
        space: The search space.
        evaluate: Figures of designs, `(P, L)` -> `(P, 2)`; see `Evaluate`.
        evaluations: How many distinct designs.
    """

    def __init__(self, space: SearchSpace, evaluate: Evaluate, evaluations: int) -> None:
        self._space, self._evaluate, self.evaluations = space, evaluate, evaluations
        self._figures: dict[bytes, Floats] = {}
        self._designs: list[Population] = []

    @property
    def left(self) -> int:
        """Evaluations that are left."""
        return self.evaluations - len(self._figures)

    def __call__(self, population: Population) -> Floats:
        """Return the figures of designs `(P, L)` -> `(P, 2)`; designs beyond the budget are not simulated and have NaN."""
        new = self.new(population)[: self.left]
        if len(new):
            figures = np.asarray(self._evaluate(new), dtype=np.float64)
            if figures.shape != (len(new), 2):
                raise InputError(f"evaluate: expected figures ({len(new)}, 2), got shape {figures.shape}")
            self._figures.update(zip((row.tobytes() for row in new), figures, strict=True))
            self._designs.append(new)
        return self.known(population)

    def known(self, population: Population) -> Floats:
        """Return the figures of designs `(P, L)` -> `(P, 2)`, NaN for those that failed or were not simulated."""
        unknown = np.full(2, np.nan)
        return np.array([self._figures.get(row.tobytes(), unknown) for row in population]).reshape(-1, 2)

    def new(self, population: Population) -> Population:
        """Return the designs `(P, L)` that have not been simulated, each once, in their order."""
        first = {row.tobytes(): i for i, row in reversed(list(enumerate(population))) if row.tobytes() not in self._figures}
        return population[sorted(first.values())]

    @property
    def simulated(self) -> Simulated:
        """What has been simulated and did not fail."""
        none = np.zeros((0, len(self._space.layers)), dtype=np.int64)
        population = np.vstack([none, *self._designs])
        return Simulated.of(self._space, population, self.known(population))
