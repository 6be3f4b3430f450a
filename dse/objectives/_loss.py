"""Loss of accuracy as an objective, with a memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dse.types import Floats, Population


class AccuracyLoss:
    """Loss of accuracy against the exact quantised network on the same images, in percentage points.

    Repeated designs are answered from memory.

    Args:
        accuracies: Gives the accuracy of designs, `(P, L)` int64 -> `(P,)` float64, fractions; asked for new ones only, each
            once and all of a population together, so that it may share work between them.
        exact_accuracy: Accuracy of the exact quantised network.
    """

    name = "accuracy_loss_pp"
    unit = "pp"

    def __init__(self, accuracies: Callable[[Population], Floats], exact_accuracy: float) -> None:
        self._accuracies = accuracies
        self._exact = exact_accuracy
        self._known: dict[bytes, float] = {}

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64, negative where a design is better than the exact network."""
        return 100 * (self._exact - self.accuracies(population))

    def accuracies(self, population: Population) -> Floats:
        """Return the accuracy of each design: `(P, L)` int64 -> `(P,)` float64, fractions."""
        keys = [row.tobytes() for row in population]
        new = {key: row for key, row in zip(keys, population, strict=True) if key not in self._known}
        if new:
            found = self._accuracies(np.stack(list(new.values())))
            self._known.update(zip(new, map(float, found), strict=True))
        return np.array([self._known[key] for key in keys], dtype=np.float64)
