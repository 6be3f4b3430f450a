"""Every design of a small space, in order: the oracle of the tests."""

from __future__ import annotations

from itertools import islice, product

import numpy as np

from dse.exceptions import InputError
from dse.space import SearchSpace
from dse.types import Objectives, Population

_LARGEST = 10**6


class Exhaustive:
    """Enumerates all `M^L` designs that respect the tile limit.

    Args:
        space: The search space, at most a million designs.
        population: Designs in a batch.

    Raises:
        InputError: If the space is larger.
    """

    def __init__(self, space: SearchSpace, *, population: int) -> None:
        size = len(space.multipliers) ** len(space.layers)
        if size > _LARGEST:
            raise InputError(
                f"exhaustive: expected a space of at most {_LARGEST} designs, got {size}; choose another method"
            )
        self._space = space
        self._designs = (
            design
            for design in product(range(len(space.multipliers)), repeat=len(space.layers))
            if len(set(design)) <= space.tile_limit
        )
        self._size = population

    def ask(self) -> Population:
        """Return the next designs `(P, L)` int64, no rows at the end."""
        return np.array(list(islice(self._designs, self._size)), dtype=np.int64).reshape(-1, len(self._space.layers))

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Learn nothing."""
