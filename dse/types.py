"""Array vocabulary of the whole package, and the interfaces of an objective and of a search.

Letters in shapes: `L` approximable layers in forward order, `M` multipliers of the library (index 0 exact), `P` candidates
in a batch, `K` objectives, `S` seeds, `Bx`/`Bw` operand bits of the activation and the weight.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Assignment: TypeAlias = NDArray[np.int64]  # (L,) index into the library
Population: TypeAlias = NDArray[np.int64]  # (P, L)
Objectives: TypeAlias = NDArray[np.float64]  # (P, K), all minimised
Floats: TypeAlias = NDArray[np.float64]
Table: TypeAlias = NDArray[np.int32]  # (2^Bx, 2^Bw), first axis the activation's code

LARGEST_SEED = 2**32 - 1  # that all generators take: numpy's older one, which several libraries use, takes no larger one
FAILED = 1e6  # what a method is told, in every objective, of a design that could not be scored; finite, and beaten by all


@runtime_checkable
class Objective(Protocol):
    """One figure of merit of a design, minimised."""

    name: str
    unit: str

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64."""
        ...


@runtime_checkable
class Search(Protocol):
    """A method that proposes designs and learns from their objectives."""

    def ask(self) -> Population:
        """Propose the next designs `(P, L)` int64; no rows when the method has nothing left to propose."""
        ...

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of what was asked last, in the order it was asked."""
        ...
