"""A space of variants searched as a space of circuits: each layer uses a circuit in the variant that suits it best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.search._guidance import Guidance
from dse.space import SearchSpace
from dse.types import Objectives, Population, Search


@dataclass(frozen=True, eq=False)
class ByCircuit:
    """What a search sees of a space whose circuits have variants.

    Variants of a circuit cost the same and differ in what a layer loses by them, which the error model tells to a few per
    cent. So the choice between them is made before any search, for all methods alike, as ALWANN maps its weights (ICCAD
    2019, section III-C): a layer uses its circuit's variant of least cost (`SearchSpace.best_variants`).
    """

    space: SearchSpace  # a multiplier for each of C circuits, named as its first variant
    guidance: Guidance
    best: NDArray[np.int64]  # (L, C) the variant, as numbered in the space that was given
    circuit_of: NDArray[np.int64]  # (M,) the circuit of each variant

    @classmethod
    def of(cls, space: SearchSpace, guidance: Guidance) -> Self:
        """Return the circuits of a space, and what a guidance for the space says of them.

        Raises:
            InputError: The guidance is for other layers or multipliers.
        """
        shape = (len(space.layers), len(space.multipliers))
        for name, given in (("cost", guidance.cost), ("tolerance", guidance.tolerance)):
            if given is not None and given.shape != shape:
                raise InputError(f"guidance: {name}: expected {shape} for layers and multipliers, got {given.shape}")
        first = np.unique(space.circuit_of, return_index=True)[1]
        best = space.best_variants(guidance.cost)
        circuits = replace(
            space,
            multipliers=tuple(space.multipliers[m] for m in first),
            rel_energy=space.rel_energy[first],
            allowed=None if space.allowed is None else np.take_along_axis(space.allowed, best, axis=1),
            circuits=None,
        )
        told = replace(
            guidance,
            seeds=space.circuit_of[guidance.seeds],
            cost=np.take_along_axis(guidance.cost, best, axis=1),
            tolerance=None if guidance.tolerance is None else np.take_along_axis(guidance.tolerance, best, axis=1),
        )
        return cls(circuits, told, best, space.circuit_of)

    def uniform(self) -> Population:
        """Return C designs `(C, L)`: one circuit in all layers that allow it, otherwise as `SearchSpace.uniform`."""
        return self.designs(self.space.uniform())

    def designs(self, population: Population) -> Population:
        """Return the designs of circuits `(P, L)` with each circuit in its layer's variant `(P, L)`."""
        return self.best[np.arange(len(self.best)), population]


class CircuitSearch:
    """A search among circuits whose designs are of variants.

    Args:
        search: Searches `view.space`.
        view: The circuits.
    """

    def __init__(self, search: Search, view: ByCircuit) -> None:
        self._search, self._view = search, view

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64."""
        return self._view.designs(self._search.ask())

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        self._search.tell(self._view.circuit_of[population], objectives)
