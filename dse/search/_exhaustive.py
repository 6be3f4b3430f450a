"""Every design of a small space, in order: the oracle of the tests."""

from __future__ import annotations

import math
from itertools import islice, product

import numpy as np

from dse.exceptions import InputError
from dse.space import SearchSpace
from dse.types import Objectives, Population

_LARGEST = 10**6


class Exhaustive:
    """Enumerates all designs that the space permits: allowed, within the tile limit and the energy bound.

    Args:
        space: The search space, at most a million designs before the tile limit.
        population: Designs in a batch.

    Raises:
        InputError: If the space is larger.
    """

    def __init__(self, space: SearchSpace, *, population: int) -> None:
        choices = [np.flatnonzero(row).tolist() for row in space.choices]
        size = math.prod(len(choice) for choice in choices)
        if size > _LARGEST:
            raise InputError(
                f"exhaustive: expected a space of at most {_LARGEST} designs, got {size}; choose another method"
            )
        self._space = space
        self._every = product(*choices)
        self._size = population
        self._ready: Population = np.zeros((0, len(space.layers)), dtype=np.int64)

    def ask(self) -> Population:
        """Return the next designs `(P, L)` int64, no rows at the end."""
        while len(self._ready) < self._size:
            block = np.array(list(islice(self._every, max(self._size, 1000))), dtype=np.int64)
            if len(block) == 0:
                break
            self._ready = np.vstack([self._ready, block[self._space.permits(block)]])
        asked, self._ready = self._ready[: self._size], self._ready[self._size :]
        return asked

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Learn nothing."""
