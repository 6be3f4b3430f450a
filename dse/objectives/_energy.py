"""Energy of a design."""

from __future__ import annotations

from dse.space import SearchSpace
from dse.types import Floats, Population


class RelativeEnergy:
    """Energy relative to the exact multiplier everywhere, at the level of the space; see `SearchSpace.energy`."""

    name = "rel_energy"
    unit = "1"

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64."""
        return self._space.energy(population)
