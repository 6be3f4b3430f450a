"""A chain of designs from cautious to bold, evaluated so that any budget covers it evenly."""

from __future__ import annotations

import numpy as np

from dse.search._spread import spread_order
from dse.types import FAILED, Floats, Objectives, Population


class Chain:
    """Asks for given designs: both ends, then the middles of the widest gaps.

    Once a design has lost more than is of interest, the bolder ones wait until all others have been asked for.

    Args:
        designs: Distinct designs `(N, L)`, cautious to bold.
        positions: Where they stand along the chain `(N,)`, sorted: gaps are measured by them.
        population: Designs in a batch.
        max_loss: The largest loss of interest, in the unit of the second objective.
    """

    def __init__(self, designs: Population, positions: Floats, *, population: int, max_loss: float) -> None:
        self._designs = designs
        self._waiting = spread_order(positions)
        self._size = population
        self._max_loss = max_loss
        self._beyond = len(designs)  # the most cautious design that was found to lose too much

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64, no rows at the end."""
        order = np.argsort(self._waiting > self._beyond, kind="stable")
        self._asked = self._waiting[order[: self._size]]
        self._waiting = np.delete(self._waiting, order[: self._size])
        return self._designs[self._asked]

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        loss = objectives[:, 1]
        too_much = self._asked[(loss > self._max_loss) & (loss < FAILED)]
        self._beyond = min([self._beyond, *too_much.tolist()])
