"""The best O of some designs, against all ways to pick them."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from dse.operating_points._choice_pick import Goal
from dse.operating_points._choice_request import PointsRequest
from dse.pareto import hypervolume

REFERENCE = (1.0, 10.0)


def cloud(seed: int, count: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Return designs on a grid, so that some are equal in energy or loss, and some beyond the reference."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 12, count) / 10, rng.integers(-1, 13, count).astype(float)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_largest_hypervolume(seed: int, points: int) -> None:
    energy, loss = cloud(seed)
    (found,), chosen = Goal(PointsRequest(points=points), REFERENCE).pick(energy, loss)
    objectives, reference = np.column_stack([energy, loss]), np.array(REFERENCE)
    every = combinations_with_replacement(range(len(energy)), points)
    assert -found == pytest.approx(max(hypervolume(objectives[list(some)], reference) for some in every))
    assert -found == pytest.approx(hypervolume(objectives[chosen], reference)) and len(chosen) == points


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["loss_budgets_pp", "energy_budgets"])
def test_each_budget_is_kept_as_well_as_can_be(seed: int, kind: str) -> None:
    energy, loss = cloud(seed)
    losses = kind == "loss_budgets_pp"
    budgets = (1.0, 3.0, 6.0) if losses else (0.7, 0.5, 0.2)
    request = PointsRequest(points=3, loss_budgets_pp=budgets) if losses else PointsRequest(points=3, energy_budgets=budgets)
    quality, chosen = Goal(request, REFERENCE).pick(energy, loss)
    bounded, least = (loss, energy) if losses else (energy, loss)
    missed = 0.0
    for budget, place in zip(budgets, chosen, strict=True):
        within = bounded <= budget
        assert (least[place] == least[within].min()) if within.any() else (bounded[place] == bounded.min())
        missed += max(0.0, bounded[place] - budget)
    assert quality[0] == pytest.approx(missed)
    assert quality[1] == pytest.approx(energy[chosen].mean() if losses else loss[chosen].max())


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("budgets", [{}, {"loss_budgets_pp": (1, 3, 6)}, {"energy_budgets": (0.7, 0.5, 0.2)}])
def test_no_point_spends_more_and_loses_more(seed: int, budgets: dict[str, tuple[float, ...]]) -> None:
    energy, loss = cloud(seed)
    _, chosen = Goal(PointsRequest(**budgets), REFERENCE).pick(energy, loss)  # type: ignore[arg-type]
    assert (np.diff(energy[chosen]) <= 0).all() and (np.diff(loss[chosen]) >= 0).all()


def test_where_all_lose_too_much_the_least_harmful_stays() -> None:
    (found,), chosen = Goal(PointsRequest(points=2), REFERENCE).pick(np.array([0.5, 0.4]), np.array([20.0, 30.0]))
    assert found == 0 and chosen.tolist() == [0, 0]
