"""Our choice and the published one, against every set of circuits and every assignment."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points import _published_choice
from dse.operating_points._choice import _SetSearch, choose_points
from dse.operating_points._choice_ledger import Ledger
from dse.operating_points._choice_pick import Goal
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._published_choice import _Multiples, choose_published
from dse.operating_points._subsets import SetFronts
from dse.search import Guidance
from dse.space import SearchSpace
from dse.types import Floats, Population
from tests.operating_points.spaces import additive, evaluated, every_choice, library_space

MIXED = partial(choose_published, mixed=True)
BUDGETS: list[dict[str, Any]] = [{}, {"loss_budgets_pp": (0.5, 2.0)}, {"energy_budgets": (0.6, 0.35)}]


def best(made: SearchSpace, goal: Goal, loss: Any) -> tuple[float, ...]:
    """Return how good the best of all pairs of points within all sets of circuits are."""
    choices = every_choice(made, goal.request.instances)
    return min(goal.pick(made.energy(designs), loss(designs))[0] for designs in choices)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budgets", BUDGETS)
def test_where_the_proxy_is_the_loss_the_best_points_are_found(seed: int, budgets: dict[str, Any]) -> None:
    made, guidance = library_space(seed=seed)
    loss, request = additive(guidance), PointsRequest(instances=2, points=2, evaluations=60, **budgets)
    goal = Goal(request, (1.0, guidance.max_loss))
    found = choose_points(made, guidance, request, evaluated(loss))
    quality, _ = goal.pick(found.rel_energy, found.loss_pp)
    assert quality == pytest.approx(best(made, goal, loss))
    assert len(found.simulated.population) <= 60 and len(found.circuits) <= 2
    assert np.array_equal(found.loss_pp, loss(found.assignments))
    assert np.array_equal(found.rel_energy, made.energy(found.assignments))


@pytest.mark.parametrize("budgets", BUDGETS)
def test_where_the_proxy_is_wrong_simulation_corrects_it(budgets: dict[str, Any]) -> None:
    """Of 145 designs within some pair of circuits 80 are simulated, and the best is found or nearly."""
    gaps = []
    for seed in range(5):
        made, guidance = library_space(seed=seed)
        loss, request = additive(guidance, seed), PointsRequest(instances=2, points=2, evaluations=80, **budgets)
        goal = Goal(request, (1.0, guidance.max_loss))
        found = choose_points(made, guidance, request, evaluated(loss))
        quality, _ = goal.pick(found.rel_energy, found.loss_pp)
        gaps.append(abs(quality[0] - best(made, goal, loss)[0]) + abs(quality[-1] - best(made, goal, loss)[-1]))
    assert np.median(gaps) < 1e-9 and max(gaps) < 0.2


@pytest.mark.parametrize("choose", [choose_points, choose_published, MIXED])
@pytest.mark.parametrize("budgets", BUDGETS)
def test_points_hold_to_what_was_asked(choose: Any, budgets: dict[str, Any]) -> None:
    made, guidance = library_space(layers=6, multipliers=12, seed=1)
    asked: list[bytes] = []

    def evaluate(population: Population) -> Floats:
        asked.extend(row.tobytes() for row in population)
        return additive(guidance, 3)(population)

    request = PointsRequest(instances=3, points=2, evaluations=40, **budgets)
    found = choose(made, guidance, request, evaluated(evaluate))
    assert len(np.unique(found.assignments)) <= 3 and found.assignments.shape == (2, 6)
    assert np.diff(found.rel_energy) <= 0 and np.diff(found.loss_pp) >= 0
    assert len(asked) == len(set(asked)) <= 40
    assert all(row.tobytes() in asked for row in found.assignments)
    for kept, limits in ((found.loss_pp, "loss_budgets_pp"), (found.rel_energy, "energy_budgets")):
        assert limits not in budgets or (kept <= np.array(budgets[limits])).all()
    again = choose(made, guidance, request, evaluated(additive(guidance, 3)))
    assert np.array_equal(again.assignments, found.assignments)


@pytest.mark.parametrize("seed", range(2))
def test_ours_beats_the_published_one_at_equal_cost(seed: int) -> None:
    made, guidance = library_space(layers=8, multipliers=15, seed=seed)
    loss, request = additive(guidance, seed), PointsRequest(instances=3, points=3, evaluations=40)
    methods = (choose_points, MIXED, choose_published)
    ours, mixed, published = (choose(made, guidance, request, evaluated(loss)) for choose in methods)
    assert ours.hypervolume > mixed.hypervolume >= published.hypervolume


@pytest.mark.parametrize(("layers", "multipliers", "instances", "seed"), [(6, 14, 3, 2), (5, 12, 4, 1), (5, 12, 4, 3)])
def test_circuits_are_exchanged_until_no_set_is_better(layers: int, multipliers: int, instances: int, seed: int) -> None:
    """Of 364 and 495 sets of circuits neither the published one nor those of the opening are the best."""
    made, guidance = library_space(layers=layers, multipliers=multipliers, seed=seed)
    loss, request = additive(guidance), PointsRequest(instances=instances, points=2, evaluations=70)
    goal, fronts = Goal(request, (1.0, guidance.max_loss)), SetFronts(made, guidance)
    found = choose_points(made, guidance, request, evaluated(loss))
    sets = [fronts(chosen) for chosen in combinations(range(multipliers), instances)]
    least = min(goal.pick(made.energy(designs), loss(designs))[0] for designs in sets)
    assert goal.pick(found.rel_energy, found.loss_pp)[0] == pytest.approx(least)


def test_what_has_been_simulated_is_not_predicted() -> None:
    made, guidance = library_space(layers=6, multipliers=12, seed=1)
    request = PointsRequest(instances=3, points=2, evaluations=60)
    ledger = Ledger(made, evaluated(additive(guidance, 3)), request.evaluations)
    ledger(np.random.default_rng(0).choice([0, 5, 9], (30, 6)))
    search = _SetSearch(made, guidance, Goal(request, (1.0, guidance.max_loss)), ledger, np.zeros((2, 6), dtype=np.int64))
    new = search.propose()
    simulated = ledger.simulated
    assert np.array_equal(search._losses(simulated.population), simulated.expected_pp)
    assert not np.allclose(search._model.predict(simulated.population)[:, 0], simulated.expected_pp)
    assert np.array_equal(search._losses(new), search._model.predict(new)[:, 0])


@pytest.mark.parametrize("seed", range(2))
def test_the_published_scales_move_on_from_the_best_multiple(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, guidance = library_space(layers=8, multipliers=15, seed=seed)
    loss, request = evaluated(additive(guidance, seed)), PointsRequest(instances=4, points=3, evaluations=60)
    moved = choose_published(made, guidance, request, loss)
    monkeypatch.setattr(_published_choice, "_STEP", 0.0)
    stayed = choose_published(made, guidance, request, loss)
    assert moved.hypervolume > stayed.hypervolume
    assert len(stayed.simulated.population) < 30 < 55 < len(moved.simulated.population) <= 60


def test_scales_wait_that_give_the_exact_network_or_lose_too_much() -> None:
    tolerance = np.geomspace(0.01, 100, 40)[None] * np.ones((2, 1))
    guidance = Guidance(np.zeros((1, 2), dtype=np.int64), np.zeros((2, 40)), 10.0, tolerance)
    multiples = _Multiples(guidance, PointsRequest(points=3, evaluations=120))
    met: list[float] = []
    while (scales := multiples.ask()) is not None:
        assert scales / scales[1] == pytest.approx([0.3, 1, 2])
        met.append(scales[1])
        exact, useless = scales[1] < 0.1, scales[1] > 10
        multiples.tell(np.full((3, 2), 0 if exact else 1), np.full(3, 50.0 if useless else 1.0))
    inside = [0.1 <= value <= 10 for value in met]
    assert len(met) == 21 and met[0] == 1.0
    last = max(i for i, useful in enumerate(inside) if useful)
    assert sum(inside) >= 9 and last - sum(inside) < 8  # few others come before the last useful one



@pytest.mark.parametrize("choose", [choose_points, choose_published, MIXED])
@pytest.mark.parametrize("budgets", [{}, {"loss_budgets_pp": (3.0, 6.0)}, {"energy_budgets": (0.9, 0.35)}])
@pytest.mark.parametrize("seed", range(3))
def test_the_bound_of_the_energy_holds_for_every_design(choose: Any, budgets: dict[str, Any], seed: int) -> None:
    made, guidance = library_space(seed=seed)
    made = replace(made, max_rel_energy=0.5)
    asked: list[Population] = []

    def evaluate(population: Population) -> Floats:
        asked.append(population)
        return additive(guidance)(population)

    found = choose(made, guidance, PointsRequest(instances=2, points=2, evaluations=60, **budgets), evaluated(evaluate))
    assert made.energy(np.vstack(asked)).max() <= 0.5 and found.rel_energy.max() <= 0.5
    assert len(found.circuits) <= 2


@pytest.mark.parametrize("choose", [choose_points, choose_published])
def test_a_bound_of_the_energy_that_leaves_no_design_is_named(choose: Any) -> None:
    made, guidance = library_space()
    allowed = np.ones((4, 5), dtype=bool)
    allowed[0, 2:], allowed[1, 1] = False, False  # the cheapest two circuits, and the cheapest of layer 0, differ
    made = replace(made, allowed=allowed)
    least = replace(made, tiles=1).cheapest()
    made = replace(made, max_rel_energy=float(made.energy(least[None])[0]) - 0.01)
    request = PointsRequest(instances=1, points=2, evaluations=10)
    with pytest.raises(InputError, match="space.max_rel_energy: expected at least 1, the energy of the cheapest design"):
        choose(made, guidance, request, evaluated(additive(guidance)))


def test_variants_share_a_circuit_and_forbidden_ones_are_kept_out() -> None:
    made, guidance = library_space(layers=4, multipliers=5)
    allowed = np.ones((4, 5), dtype=bool)
    allowed[0, 3:] = False
    energy = np.array([1.0, 0.5, 0.5, 0.2, 0.2])
    made = replace(made, rel_energy=energy, circuits=np.array([0, 1, 1, 2, 2]), allowed=allowed)
    for choose in (choose_points, choose_published):
        found = choose(made, guidance, PointsRequest(instances=2, points=2, evaluations=50), evaluated(additive(guidance)))
        assert len(found.circuits) <= 2 and (found.assignments[:, 0] < 3).all()
        for designs in (found.assignments, found.simulated.population):  # each circuit in the layer's best variant
            for layer, m in enumerate(designs.T):
                other = np.array([0, 2, 1, 4, 3])[m]
                cost = np.where(made.choices, guidance.cost, np.inf)[layer]
                assert (cost[m] <= cost[other]).all()


def test_failed_designs_are_never_points() -> None:
    made, guidance = library_space()

    def evaluate(population: Population) -> Floats:
        return np.where((population == 4).any(axis=1), np.nan, additive(guidance)(population))

    found = choose_points(made, guidance, PointsRequest(instances=2, points=2, evaluations=60), evaluated(evaluate))
    assert not (found.assignments == 4).any() and np.isfinite(found.loss_pp).all()


@pytest.mark.parametrize("choose", [choose_points, choose_published])
def test_nothing_to_choose_from_is_said(choose: Any) -> None:
    made, guidance = library_space()
    request = PointsRequest(instances=2, points=2, evaluations=10)
    with pytest.raises(InputError, match="no operating points: none of [0-9]+ designs could be evaluated"):
        choose(made, guidance, request, lambda population: np.full((len(population), 2), np.nan))
    with pytest.raises(InputError, match="instances: expected at most 5"):
        choose(made, guidance, PointsRequest(instances=6, points=2), evaluated(additive(guidance)))


def test_a_budget_that_cannot_be_met_is_named() -> None:
    made, guidance = library_space()
    request = PointsRequest(instances=2, points=2, evaluations=30, loss_budgets_pp=(0.1, 1.0))
    with pytest.raises(InputError, match="loss budgets: point 0 has 0.1, the least found is 5; raise it, or evaluations"):
        choose_points(made, guidance, request, evaluated(lambda population: 5.0 + population.sum(axis=1)))
