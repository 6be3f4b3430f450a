"""What every search method must do, whatever it does."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.pareto import non_dominated
from dse.search import METHODS, History, make_search, run_search
from dse.space import SearchSpace
from dse.types import Floats, Population, Search
from tests.small import AdditiveLoss, guidance, toy

SPACES = [(1, 1, None), (1, 4, None), (3, 1, None), (2, 2, None), (2, 2, 1), (4, 4, None), (4, 4, 2), (5, 3, 9)]
SEEDED = sorted(set(METHODS) - {"exhaustive"})  # the enumeration has nothing to draw

pytestmark = pytest.mark.parametrize("method", sorted(METHODS))


def search_in(space: SearchSpace, method: str, *, population: int = 6, seed: int = 0) -> Search:
    return make_search(method, space, guidance(space), population=population, seed=seed)


def explore(
    method: str, dims: tuple[int, int, int | None], *, budget: int = 40, population: int = 6, seed: int = 0
) -> tuple[History, AdditiveLoss]:
    space, energy, loss = toy(*dims)
    return run_search(search_in(space, method, population=population, seed=seed), [energy, loss], budget), loss


def designs_of(space: SearchSpace) -> set[tuple[int, ...]]:
    every = product(range(len(space.multipliers)), repeat=len(space.layers))
    return {design for design in every if len(set(design)) <= space.tile_limit}


def assert_designs(population: Population, space: SearchSpace) -> None:
    assert population.dtype == np.int64 and population.ndim == 2 and population.shape[1] == len(space.layers)
    assert set(map(tuple, population.tolist())) <= designs_of(space)


@pytest.mark.parametrize("dims", SPACES)
def test_asks_for_designs_of_the_space(method: str, dims: tuple[int, int, int | None]) -> None:
    space, energy, loss = toy(*dims)
    search = search_in(space, method)
    assert isinstance(search, Search)
    for _ in range(6):
        asked = search.ask()
        assert_designs(asked, space)
        if len(asked) == 0:
            break
        search.tell(asked, np.stack([energy(asked), loss(asked)], axis=1))


@pytest.mark.parametrize("dims", SPACES)
@pytest.mark.parametrize("population", [2, 6])
def test_ends_and_charges_each_design_once(method: str, dims: tuple[int, int, int | None], population: int) -> None:
    budget = 30
    history, loss = explore(method, dims, budget=budget, population=population)
    space = toy(*dims)[0]
    found = list(map(tuple, history.population.tolist()))
    assert_designs(history.population, space)
    assert len(set(found)) == len(found) == len(history.objectives) <= budget
    assert loss.asked == found  # evaluated once each, in this order
    assert history.stopped in ("budget", "exhausted", "converged")
    assert (history.stopped == "budget") <= (len(found) == budget)
    assert len(found) >= min(budget, len(designs_of(space))) / 2
    expected = np.stack([toy(*dims)[1](history.population), toy(*dims)[2](history.population)], axis=1)
    assert np.array_equal(history.objectives, expected)


@pytest.mark.parametrize("budget", [1, 5, 6, 7])
def test_budget_is_kept_to_the_design(method: str, budget: int) -> None:
    history, loss = explore(method, (4, 4, None), budget=budget)
    assert len(loss.asked) == len(history.population) == budget and history.stopped == "budget"


def test_same_seed_same_history(method: str) -> None:
    found = set()
    for _ in range(5):
        np.random.random()  # noqa: NPY002 - the global generator must not matter
        history, _ = explore(method, (5, 6, 3), budget=60, seed=11)
        found.add((history.population.tobytes(), history.objectives.tobytes(), history.stopped))
    assert len(found) == 1


def test_another_seed_another_history(method: str) -> None:
    histories = {explore(method, (5, 6, 3), budget=60, seed=seed)[0].population.tobytes() for seed in range(4)}
    assert len(histories) == (4 if method in SEEDED else 1)


def test_global_generator_is_neither_used_nor_moved(method: str) -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    explore(method, (4, 4, 2))
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


class Constant:
    """An objective that tells nothing."""

    name, unit = "constant", "1"

    def __call__(self, population: Population) -> Floats:
        return np.full(len(population), 0.5)


@pytest.mark.parametrize("n_informative", [0, 1])
def test_equal_objectives_do_no_harm(method: str, n_informative: int) -> None:
    space, energy, _ = toy(4, 4)
    history = run_search(search_in(space, method), [energy, Constant()] if n_informative else [Constant()] * 2, 40)
    assert len(history.population) == 40 and history.objectives.shape == (40, 2)


class Recording:
    """Passes everything on and keeps what was told."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.asked: list[Population] = []
        self.told: list[tuple[Population, Floats]] = []

    def ask(self) -> Population:
        self.asked.append(self._search.ask())
        return self.asked[-1]

    def tell(self, population: Population, objectives: Floats) -> None:
        self.told.append((population, objectives))
        self._search.tell(population, objectives)


def test_is_told_what_it_asked_in_that_order(method: str) -> None:
    space, energy, loss = toy(4, 4)
    search = Recording(search_in(space, method))
    run_search(search, [energy, loss], 40)
    assert search.told
    for asked, (population, objectives) in zip(search.asked, search.told, strict=False):
        assert np.array_equal(asked, population)
        assert np.array_equal(objectives, np.stack([energy(asked), loss(asked)], axis=1))


def test_nothing_is_written_into_what_it_was_given(method: str) -> None:
    space, energy, loss = toy(4, 4, 2)
    given = guidance(space)
    before = given.seeds.copy(), given.cost.copy(), space.op_counts.copy(), space.rel_energy.copy()
    run_search(make_search(method, space, given, population=4, seed=0), [energy, loss], 30)
    for old, new in zip(before, (given.seeds, given.cost, space.op_counts, space.rel_energy), strict=True):
        assert np.array_equal(old, new)


def test_finds_the_true_front_of_a_toy_problem(method: str) -> None:
    space, energy, loss = toy(4, 4)
    every = np.array(sorted(designs_of(space)))
    values = np.stack([energy(every), loss(every)], axis=1)
    truth = set(map(tuple, values[non_dominated(values)]))
    budget = 200 if method in ("nsga2", "alwann") else 256  # of 256 designs: the others must see them all
    informed = replace(guidance(space), cost=loss.cost)
    history = run_search(make_search(method, space, informed, population=16, seed=0), [energy, loss], budget)
    found = set(map(tuple, history.objectives[non_dominated(history.objectives)]))
    assert len(truth) > 5 and found == truth


def test_unknown_method(method: str) -> None:
    space = toy(2, 2)[0]
    with pytest.raises(InputError, match=f"unknown method '{method}x'; did you mean '{method}'"):
        make_search(method + "x", space, guidance(space), population=2, seed=0)
