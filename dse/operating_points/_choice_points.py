"""Operating points that have been chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.operating_points._choice_ledger import Ledger
from dse.operating_points._choice_measured import Simulated
from dse.operating_points._choice_pick import Goal
from dse.pareto import hypervolume
from dse.space import SearchSpace
from dse.types import Floats, Population


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """O assignments of at most n circuits, from the most accurate and dearest to the cheapest.

    No point spends more than another one and loses more; points may be equal where nothing between them was found.
    """

    circuits: NDArray[np.int64]  # (at most n,) that the points hold, numbered as in `SearchSpace.circuit_of`
    assignments: Population  # (O, L)
    rel_energy: Floats  # (O,) falling
    loss_pp: Floats  # (O,) on the search images, rising
    hypervolume: float  # of the points, up to relative energy 1 and the largest loss of interest; pp
    simulated: Simulated  # everything that the choice has seen


def chosen_points(space: SearchSpace, ledger: Ledger, goal: Goal, designs: Population | None) -> OperatingPoints:
    """Return designs `(O, L)`, all of them simulated, as operating points.

    Raises:
        InputError: There are none, or one misses its budget.
    """
    if designs is None:
        raise InputError(f"no operating points: none of {ledger.evaluations - ledger.left} designs could be evaluated")
    energy, loss = space.energy(designs), ledger.known(designs)
    for budgets, found, what, cure in (
        (goal.request.loss_budgets_pp, loss, "loss_budgets_pp", "raise it, or evaluations"),
        (goal.request.energy_budgets, energy, "energy_budgets", "raise it, or evaluations"),
    ):
        for point, budget in enumerate(budgets or ()):
            if found[point] > budget + 1e-9:
                raise InputError(f"{what}: point {point} has {budget:g}, the least found is {found[point]:.4g}; {cure}")
    used = np.unique(space.circuit_of[designs])
    objectives = np.column_stack([energy, loss])
    return OperatingPoints(
        circuits=used,
        assignments=designs,
        rel_energy=energy,
        loss_pp=loss,
        hypervolume=hypervolume(objectives, np.array(goal.reference)),
        simulated=ledger.simulated,
    )
