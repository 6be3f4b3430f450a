"""For a set of circuits the best designs by the additive proxy; and the sets next to a set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dse.search import Guidance, additive_front
from dse.space import SearchSpace
from dse.types import Population

_RESOLUTION = 128  # partial sums kept between layers for each set: losses are known to a few images in some hundred
_MOST_SETS = 300  # all of them are looked at where there are no more
_MOST_KEPT = 4000  # fronts remembered


class SetFronts:
    """The front of energy and additive proxy that each set of circuits admits.

    With the circuits given, the best assignment for any energy is cheap: exact where layers are few, else up to the
    resolution of `additive_front`.

    Args:
        space: The search space, of circuits.
        guidance: The proxy, `cost (L, M)`.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance) -> None:
        self._space = space
        self._spent = space.op_counts[:, None] * space.rel_energy
        self._cost, self._allowed = guidance.cost, space.choices
        self._known: dict[tuple[int, ...], Population] = {}

    def __call__(self, circuits: tuple[int, ...]) -> Population:
        """Return the designs `(N, L)` within a set, dear to cheap; no rows where a layer may have none of it."""
        if circuits not in self._known:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[circuits] = self._front(np.array(circuits))
        return self._known[circuits]

    def _front(self, circuits: NDArray[np.int64]) -> Population:
        allowed = self._allowed[:, circuits]
        if not allowed.any(axis=1).all():
            return np.zeros((0, len(allowed)), dtype=np.int64)
        front = additive_front(self._spent[:, circuits], self._cost[:, circuits], allowed, resolution=_RESOLUTION)
        designs = circuits[front]
        return designs[self._space.permits(designs)]


def every_set(circuits: int, size: int) -> list[tuple[int, ...]] | None:
    """Return all sets of `size` circuits; None where there are more than 300."""
    return list(combinations(range(circuits), size)) if math.comb(circuits, size) <= _MOST_SETS else None


def neighbours(chosen: tuple[int, ...], circuits: int, size: int) -> Iterator[tuple[int, ...]]:
    """Yield the sets with one circuit more, or where `size` is reached with one exchanged for another."""
    rests = [chosen] if len(chosen) < size else [chosen[:i] + chosen[i + 1 :] for i in range(len(chosen))]
    for rest in rests:
        for circuit in range(circuits):
            if circuit not in chosen:
                yield tuple(sorted((*rest, circuit)))
