"""The best O of some designs, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.operating_points._choice_request import PointsRequest
from dse.types import Floats

_ROUND_OFF = 1e-9  # pp: a loss is the difference of two fractions of images


@dataclass(frozen=True)
class Goal:
    """What the points of a request are judged by.

    Args:
        request: Number of points, and budgets.
        reference: Relative energy and loss in pp from which a point is worth nothing: the hypervolume's reference point.
    """

    request: PointsRequest
    reference: tuple[float, float]

    def pick(self, rel_energy: Floats, loss_pp: Floats) -> tuple[tuple[float, ...], NDArray[np.int64]]:
        """Return how good the best points among designs are, smaller is better, and which designs they are.

        By construction no point spends more than another one and loses more: the points are in order of falling energy and
        of rising loss. Points may be equal where designs are few.

        Args:
            rel_energy, loss_pp: Of designs `(N,)`, N >= 1.

        Returns:
            Numbers to be compared in turn, and the designs' places `(O,)`, from the dearest to the cheapest. First among the
            numbers is by how much budgets are missed where there are any, in the budgets' unit, summed over the points.
        """
        request = self.request
        if request.loss_budgets_pp is not None:
            limits = np.array(request.loss_budgets_pp)
            chosen = np.array([_within(loss_pp, rel_energy, limit) for limit in limits])
            missed = np.maximum(loss_pp[chosen] - limits - _ROUND_OFF, 0).sum()
            return (float(missed), float(rel_energy[chosen].mean()), float(loss_pp[chosen].mean())), chosen
        if request.energy_budgets is not None:
            limits = np.array(request.energy_budgets)
            chosen = np.array([_within(rel_energy, loss_pp, limit) for limit in limits])
            missed = np.maximum(rel_energy[chosen] - limits - _ROUND_OFF, 0).sum()
            losses, energies = loss_pp[chosen], rel_energy[chosen]
            return (float(missed), float(losses.max()), float(losses.mean()), float(energies.mean())), chosen
        return self._largest_hypervolume(rel_energy, loss_pp)

    def _largest_hypervolume(self, rel_energy: Floats, loss_pp: Floats) -> tuple[tuple[float, ...], NDArray[np.int64]]:
        """Return the O designs that dominate most, by dynamic programming along the front (exact).

        As in Auger, Bader, Brockhoff and Zitzler (FOGA 2009): on a front, dear to cheap, what a point adds depends on the
        one before it alone.
        """
        front = _front(rel_energy, loss_pp)
        energy, worth = rel_energy[front], self.reference[1] - loss_pp[front]
        inside = (worth > 0) & (energy < self.reference[0])
        if not inside.any():
            least = int(np.lexsort((rel_energy, loss_pp))[0])
            return (0.0,), np.full(self.request.points, least)
        front, energy, worth = front[inside], energy[inside], worth[inside]
        gain = (energy[:, None] - energy) * worth  # of j after i
        later = np.tri(len(front), k=-1, dtype=bool).T
        best, before = (self.reference[0] - energy) * worth, []
        for _ in range(min(self.request.points, len(front)) - 1):
            reached = np.where(later, best[:, None] + gain, best)  # or stay at j
            before.append(reached.argmax(axis=0))
            best = reached.max(axis=0)
        place = int(best.argmax())
        chosen = [place]
        for step in reversed(before):
            chosen.append(int(step[chosen[-1]]))
        picked = front[sorted(chosen)]
        return (-float(best[place]),), np.concatenate([picked, np.repeat(picked[-1:], self.request.points - len(picked))])


def _within(bounded: Floats, minimised: Floats, limit: float) -> int:
    """Return the design of least `minimised` with `bounded` up to a limit; where none has, that of least `bounded`."""
    allowed = np.flatnonzero(bounded <= limit + _ROUND_OFF)
    if len(allowed) == 0:
        return int(np.lexsort((minimised, bounded))[0])
    return int(allowed[np.lexsort((bounded[allowed], minimised[allowed]))[0]])


def _front(rel_energy: Floats, loss_pp: Floats) -> NDArray[np.int64]:
    """Return the undominated designs, dear to cheap, the first of equal ones."""
    order = np.lexsort((loss_pp, rel_energy))
    best = np.minimum.accumulate(np.concatenate([[np.inf], loss_pp[order]]))[:-1]
    return np.asarray(order[loss_pp[order] < best][::-1])
