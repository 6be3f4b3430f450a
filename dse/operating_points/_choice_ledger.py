"""Simulated losses of designs, each charged once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dse.exceptions import InputError
from dse.operating_points._choice_measured import Simulated
from dse.space import SearchSpace
from dse.types import Floats, Population


class Ledger:
    """Charges every distinct design once, until the evaluations are spent.

    Args:
        space: The search space.
        evaluate: Accuracy losses of designs `(P, L)` -> `(P,)` pp, NaN for those that failed.
        evaluations: How many distinct designs.
    """

    def __init__(self, space: SearchSpace, evaluate: Callable[[Population], Floats], evaluations: int) -> None:
        self._space, self._evaluate, self.evaluations = space, evaluate, evaluations
        self._losses: dict[bytes, float] = {}
        self._designs: list[Population] = []

    @property
    def left(self) -> int:
        """Evaluations that are left."""
        return self.evaluations - len(self._losses)

    def __call__(self, population: Population) -> Floats:
        """Return the losses of designs `(P, L)` -> `(P,)` pp; designs beyond the budget are not simulated and have NaN."""
        new = self.new(population)[: self.left]
        if len(new):
            losses = np.asarray(self._evaluate(new), dtype=np.float64)
            if losses.shape != (len(new),):
                raise InputError(f"evaluate: expected {len(new)} losses, got shape {losses.shape}")
            self._losses.update(zip((row.tobytes() for row in new), losses.tolist(), strict=True))
            self._designs.append(new)
        return self.known(population)

    def known(self, population: Population) -> Floats:
        """Return the losses of designs `(P, L)` -> `(P,)` pp, NaN for those that failed or were not simulated."""
        return np.array([self._losses.get(row.tobytes(), np.nan) for row in population], dtype=np.float64)

    def new(self, population: Population) -> Population:
        """Return the designs `(P, L)` that have not been simulated, each once, in their order."""
        first = {row.tobytes(): i for i, row in reversed(list(enumerate(population))) if row.tobytes() not in self._losses}
        return population[sorted(first.values())]

    @property
    def simulated(self) -> Simulated:
        """What has been simulated and did not fail."""
        none = np.zeros((0, len(self._space.layers)), dtype=np.int64)
        population = np.vstack([none, *self._designs])
        return Simulated.of(self._space, population, self.known(population))
