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

    No point spends more than another one and is expected to lose more; points may be equal where nothing between them was
    found.
    """

    circuits: NDArray[np.int64]  # (at most n,) that the points hold, numbered as in `SearchSpace.circuit_of`
    assignments: Population  # (O, L)
    rel_energy: Floats  # (O,) falling
    loss_pp: Floats  # (O,) on the search images
    expected_pp: Floats  # (O,) as `Simulated` has it, rising: what the points were chosen by
    hypervolume: float  # of energy and `loss_pp`, up to relative energy 1 and the largest loss of interest; pp
    simulated: Simulated  # everything that the choice has seen


def chosen_points(space: SearchSpace, ledger: Ledger, goal: Goal, designs: Population | None) -> OperatingPoints:
    """Return designs `(O, L)`, all of them simulated, as operating points.

    Raises:
        InputError: There are none, or one misses its budget.
    """
    if designs is None:
        raise InputError(f"no operating points: none of {ledger.evaluations - ledger.left} designs could be evaluated")
    simulated = ledger.simulated
    place = {row.tobytes(): i for i, row in enumerate(simulated.population)}
    at = np.array([place[row.tobytes()] for row in designs])
    energy, loss, expected = simulated.rel_energy[at], simulated.loss_pp[at], simulated.expected_pp[at]
    request = goal.request
    for said, budgets, found in (
        ("loss budgets", request.loss_budgets_pp, expected),
        ("energy budgets", request.energy_budgets, energy),
    ):
        for point, budget in enumerate(budgets or ()):
            if found[point] > budget + 1e-9:
                least = f"the least found is {found[point]:.4g}"
                raise InputError(f"{said}: point {point} has {budget:g}, {least}; raise it, or evaluations")
    return OperatingPoints(
        circuits=np.unique(space.circuit_of[designs]),
        assignments=designs,
        rel_energy=energy,
        loss_pp=loss,
        expected_pp=expected,
        hypervolume=hypervolume(np.column_stack([energy, loss]), np.array(goal.reference)),
        simulated=simulated,
    )
