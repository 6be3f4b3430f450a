"""The best points among simulated designs, against all sets of circuits."""

from __future__ import annotations

import numpy as np
import pytest

from dse.operating_points._choice_measured import Simulated, best_simulated
from dse.operating_points._choice_pick import Goal
from dse.operating_points._choice_request import PointsRequest
from tests.operating_points.spaces import additive, evaluated, every_choice, every_design, library_space


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("budgets", [{}, {"loss_budgets_pp": (0.5, 2.0)}, {"energy_budgets": (0.6, 0.4)}])
def test_no_set_of_circuits_has_better_points(seed: int, budgets: dict[str, tuple[float, ...]]) -> None:
    made, guidance = library_space(seed=seed)
    designs = every_design(made)
    some = designs[np.random.default_rng(seed).choice(len(designs), 60, replace=False)]
    some = np.vstack([np.zeros_like(some[:1]), some])  # the exact design, so that each set of circuits with it has one
    loss = additive(guidance, seed)
    goal = Goal(PointsRequest(instances=2, points=2, **budgets), (1.0, guidance.max_loss))  # type: ignore[arg-type]
    quality, places, circuits = best_simulated(Simulated.of(made, some, evaluated(loss)(some)), goal)
    known = {row.tobytes() for row in some}
    within = [np.array([row for row in choice if row.tobytes() in known]) for choice in every_choice(made, 2)]
    best = min(goal.pick(made.energy(rows), loss(rows))[0] for rows in within if len(rows))
    assert quality == pytest.approx(best)
    assert len(circuits) <= 2 and set(some[places].ravel()) == set(circuits.tolist())
    assert goal.pick(made.energy(some[places]), loss(some[places]))[0] == pytest.approx(quality)


def test_failed_designs_are_left_out() -> None:
    made, _ = library_space()
    designs = every_design(made)[:3]
    found = Simulated.of(made, designs, np.array([[0.0, 1.0], [np.nan, 3.0], [2.0, 2.0]]))
    assert found.population.tolist() == designs[[0, 2]].tolist() and found.loss_pp.tolist() == [0, 2]
    assert found.circuits.sum(axis=1).tolist() == [1, 2]
    assert found.within(np.array([0, 2])).tolist() == [0, 1] and found.within(np.array([0])).tolist() == [0]


def test_the_loss_that_a_divergence_lets_expect() -> None:
    """A lucky design, of less loss than those of smaller divergence, is expected to lose what its neighbours do."""
    made, _ = library_space()
    figures = np.column_stack([[0.0, 1.0, 0.0, 3.0], [0.0, 0.1, 0.2, 0.3]])
    found = Simulated.of(made, every_design(made)[:4], figures)
    assert found.expected_pp.tolist() == pytest.approx([0, 1 / 3, 4 / 3, 3])  # between 0.5 at 0.15, and the ends
    assert found.loss_pp.tolist() == [0, 1, 0, 3]
