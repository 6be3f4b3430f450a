"""Greedy descent: from the exact design, again and again the change that saves most energy for the loss it brings."""

from __future__ import annotations

import numpy as np

from dse.search._guidance import Guidance, distinct
from dse.space import SearchSpace
from dse.types import FAILED, Assignment, Floats, Objectives, Population

_SHORTLIST = 4  # changes simulated at each step


class Greedy:
    """Descends from the exact design, one change at a time.

    A change gives one layer a cheaper multiplier or, where the tile limit leaves a design no other way, exchanges one of its
    circuits for a cheaper multiplier in all layers. At each step the four changes that save most energy per cost of the
    proxy are simulated, and the one that saved most per measured loss is made; a change that lost nothing beats all that
    did. Where each of the four loses more than is of interest, the next four are tried; the descent ends when none is left.
    Marginal analysis (Fox, Operations Research 14, 1966) with a measured last word. The seed decides nothing.

    Below an energy bound the descent starts with the changes that the proxy alone chooses, without simulation.

    Args:
        space: The search space.
        guidance: The proxy, and the loss beyond which a design is of no interest.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance) -> None:
        self._space = space
        self._guidance = guidance
        self._limit = guidance.loss_limit(space)
        self._design: Assignment = np.zeros(len(space.layers), dtype=np.int64)
        self._loss: float | None = None  # of the design; None before it is known
        self._waiting = self._start()

    def ask(self) -> Population:
        """Propose the start, then the next changes of the design `(P, L)` int64; no rows at the end."""
        asked, self._waiting = self._waiting[:_SHORTLIST], self._waiting[_SHORTLIST:]
        return asked

    def tell(self, population: Population, objectives: Objectives) -> None:
        """Take the objectives `(P, K)` of the designs asked last."""
        loss = objectives[:, 1]
        if self._loss is None:
            self._loss = 0.0 if loss[0] >= FAILED else float(loss[0])
        else:
            good = np.flatnonzero(loss <= self._limit)
            if len(good) == 0:
                return
            saved = self._space.energy(self._design[None]) - self._space.energy(population[good])
            best = good[by_trade(saved, loss[good] - self._loss)[0]]
            self._design, self._loss = population[best], float(loss[best])
        self._waiting = self._changes()

    def _start(self) -> Population:
        """Return the first design `(1, L)` that the space permits."""
        while not self._space.permits(self._design[None])[0]:
            changes = self._changes()
            self._design = changes[0] if len(changes) else self._space.cheapest()
        return self._design[None]

    def _changes(self) -> Population:
        """Return the cheaper neighbours of the design `(P, L)`, most energy saved for its cost first."""
        changes = self._neighbours()
        broken = self._space.violations(changes)[:, :2].any(axis=1)
        saved = self._space.energy(self._design[None]) - self._space.energy(changes)
        changes, saved = changes[(saved > 0) & ~broken], saved[(saved > 0) & ~broken]
        cost = self._guidance.proxy(changes) - self._guidance.proxy(self._design[None])
        return changes[by_trade(saved, cost)]

    def _neighbours(self) -> Population:
        """Return designs that differ in one layer, and under a tile limit also in all layers of one multiplier."""
        n_layers, n_multipliers = len(self._space.layers), len(self._space.multipliers)
        layer, multiplier = np.nonzero(self._space.choices)
        single = np.repeat(self._design[None], len(layer), axis=0)
        single[np.arange(len(layer)), layer] = multiplier
        if self._space.tile_limit >= min(n_layers, n_multipliers):
            return single
        of_used = (self._design == np.unique(self._design)[:, None])[:, None, :]  # (U, 1, L)
        joint = np.where(of_used, np.arange(n_multipliers)[None, :, None], self._design)
        return distinct(np.vstack([single, joint.reshape(-1, n_layers)]))


def by_trade(saved: Floats, lost: Floats) -> np.ndarray:
    """Return the order of changes `(P,)`: those that lose nothing by what they save, then the others by saving per loss."""
    free = lost <= 0
    ratio = np.where(free, saved, saved / np.where(free, 1.0, lost))
    return np.lexsort((-ratio, ~free))
