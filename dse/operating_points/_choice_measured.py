"""The best operating points among designs that have been simulated, with at most n circuits between them: exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.expected_loss import ExpectedLoss
from dse.operating_points._choice_pick import Goal
from dse.space import SearchSpace
from dse.types import Floats, Population


@dataclass(frozen=True, eq=False)
class Simulated:
    """Designs that have been simulated: N distinct ones that did not fail, in the order of their evaluation."""

    population: Population  # (N, L)
    rel_energy: Floats  # (N,)
    loss_pp: Floats  # (N,) on the search images
    divergence: Floats  # (N,) from the exact network there, nats
    expected_pp: Floats  # (N,) the loss that designs of their divergence have; what points are judged by
    circuits: NDArray[np.bool_]  # (N, C) which circuits each holds

    @classmethod
    def of(cls, space: SearchSpace, population: Population, figures: Floats) -> Simulated:
        """Return designs `(N, L)` with figures `(N, 2)`, loss in pp and divergence, without those that are not finite."""
        fine = np.isfinite(figures).all(axis=1)
        population, loss, divergence = population[fine], *figures[fine].T
        expected = ExpectedLoss(divergence, loss)(divergence) if len(loss) else loss
        return cls(population, space.energy(population), loss, divergence, expected, circuits_of(space, population))

    def expect(self, divergence: Floats) -> Floats:
        """Return the loss in pp that other designs' divergence lets expect, `(P,)` -> `(P,)`."""
        return ExpectedLoss(self.divergence, self.loss_pp)(divergence)

    def within(self, circuits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the designs that hold no other circuits than some."""
        others = np.ones(self.circuits.shape[1], dtype=bool)
        others[circuits] = False
        return np.flatnonzero(~self.circuits[:, others].any(axis=1))


def circuits_of(space: SearchSpace, population: Population) -> NDArray[np.bool_]:
    """Return which circuits designs hold: `(P, L)` -> `(P, C)`."""
    held = np.zeros((len(population), space.n_circuits), dtype=bool)
    held[np.arange(len(population))[:, None], space.circuit_of[population]] = True
    return held


def best_simulated(simulated: Simulated, goal: Goal) -> tuple[tuple[float, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Return how good the best points are, their designs' places `(O,)`, and the circuits that they hold.

    A union of the circuits of at most O designs is all that O points can hold, so all such unions of at most n circuits are
    looked at: designs are left out first that another one beats without other circuits.
    """
    useful = _useful(simulated)
    held = [int.from_bytes(np.packbits(row).tobytes()) for row in simulated.circuits[useful]]
    best: tuple[tuple[float, ...], NDArray[np.int64]] | None = None
    for union in sorted(_unions(set(held), goal.request.instances, goal.request.points)):
        inside = useful[[mask | union == union for mask in held]]
        quality, chosen = goal.pick(simulated.rel_energy[inside], simulated.expected_pp[inside])
        if best is None or quality < best[0]:
            best = quality, inside[chosen]
    assert best is not None
    return *best, np.flatnonzero(simulated.circuits[best[1]].any(axis=0))


def _useful(simulated: Simulated) -> NDArray[np.int64]:
    """Return the designs that no other one beats in energy and loss with the same circuits or fewer."""
    energy, loss, circuits = simulated.rel_energy, simulated.expected_pp, simulated.circuits
    kept: list[int] = []
    for i in np.lexsort((circuits.sum(axis=1), loss, energy)).tolist():  # what beats a design comes before it
        rivals = np.array(kept, dtype=np.int64)
        if not ((loss[rivals] <= loss[i]) & ~(circuits[rivals] & ~circuits[i]).any(axis=1)).any():
            kept.append(i)
    return np.array(kept, dtype=np.int64)


def _unions(masks: set[int], most: int, parts: int) -> set[int]:
    """Return the unions of 1 to `parts` sets that hold at most `most` elements; a set is a number, an element a bit."""
    unions = {mask for mask in masks if mask.bit_count() <= most}
    grown = unions
    for _ in range(parts - 1):
        grown = {union | mask for union in grown for mask in masks if (union | mask).bit_count() <= most} - unions
        unions |= grown
    return unions
