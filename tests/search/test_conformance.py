"""What every search method must do, whatever it does."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.objectives import RelativeEnergy
from dse.pareto import non_dominated, reportable
from dse.search import METHODS, Guidance, History, make_search, run_search
from dse.space import SearchSpace
from dse.types import FAILED, Floats, Objectives, Population, Search
from tests.small import AdditiveLoss, guidance, toy

SPACES = [(1, 1, None), (1, 4, None), (3, 1, None), (2, 2, None), (2, 2, 1), (4, 4, None), (4, 4, 2), (5, 3, 9)]
NAMES = sorted(METHODS)
DRAWING = {"nsga2", "nsga2-unseeded", "nsga3", "u-nsga3", "alwann", "alwann-bounded", "random"}  # qos-nets hardly ever
LISTS = {"matching", "qos-nets", "greedy", "additive"}  # what they propose ends when their idea does

pytestmark = pytest.mark.parametrize("method", NAMES)


def search_in(space: SearchSpace, method: str, *, population: int = 6, seed: int = 0) -> Search:
    return make_search(method, space, guidance(space), population=population, seed=seed)


def explore(
    method: str, dims: tuple[int, int, int | None], *, budget: int = 40, population: int = 6, seed: int = 0
) -> tuple[History, AdditiveLoss]:
    space, energy, loss = toy(*dims)
    return run_search(search_in(space, method, population=population, seed=seed), [energy, loss], budget), loss


def constrained(space: SearchSpace) -> SearchSpace:
    """Return the space with the first layer exact, a third of the cells forbidden, and bounds that bite."""
    allowed = np.random.default_rng(1).random((len(space.layers), len(space.multipliers))) < 2 / 3
    allowed[0] = False
    allowed[:, 0] = True
    made = replace(space, allowed=allowed)
    bound = float(0.3 * made.energy(made.uniform()[:1])[0] + 0.7 * made.energy(made.cheapest()[None])[0])
    return replace(made, max_rel_energy=bound, max_loss_pp=2.0)


def permitted(design: tuple[int, ...], space: SearchSpace) -> bool:
    """Return whether a design keeps to all that is known without simulation, written out."""
    fits = space.allowed is None or all(space.allowed[layer, m] for layer, m in enumerate(design))
    spent = sum(float(c) * float(space.rel_energy[m]) for c, m in zip(space.op_counts, design, strict=True))
    spent /= float(space.op_counts.sum())
    cheap = space.max_rel_energy is None or spent <= space.max_rel_energy + 1e-12
    inside = all(0 <= m < len(space.multipliers) for m in design)
    return inside and fits and cheap and len(set(design)) <= space.tile_limit


def designs_of(space: SearchSpace) -> set[tuple[int, ...]]:
    every = product(range(len(space.multipliers)), repeat=len(space.layers))
    return {design for design in every if permitted(design, space)}


def assert_designs(population: Population, space: SearchSpace) -> None:
    assert population.dtype == np.int64 and population.ndim == 2 and population.shape[1] == len(space.layers)
    assert all(permitted(design, space) for design in map(tuple, population.tolist()))


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


@pytest.mark.parametrize("forbid", [False, True])
@pytest.mark.parametrize("tiles", [None, 1, 2])
def test_variants_of_a_circuit_share_its_tile(method: str, tiles: int | None, forbid: bool) -> None:
    circuits = np.array([0, 1, 1, 2, 2, 2])
    space, _, loss = toy(4, 6, tiles)
    allowed = np.random.default_rng(2).random((4, 6)) < 2 / 3
    allowed[:, 0] = True
    space = replace(
        space,
        rel_energy=np.array([1.0, 0.6, 0.2])[circuits],
        circuits=circuits,
        allowed=allowed if forbid else None,
    )
    # the last variant of each circuit loses least: no layer that allows it gets another one
    loss.cost = np.tile([0.0, 0.2, 0.1, 0.9, 0.6, 0.3], (4, 1))
    cost = Guidance(np.array([[0] * 4, [2] * 4, [5] * 4]), loss.cost, max_loss=10.0, tolerance=loss.cost)
    search = make_search(method, space, cost, population=6, seed=0)
    history = run_search(search, [RelativeEnergy(space), loss], 60)
    for design in history.population.tolist():
        assert len({int(circuits[m]) for m in design}) <= space.tile_limit
        for layer, m in enumerate(design):
            assert m == max(n for n in range(6) if circuits[n] == circuits[m] and space.choices[layer, n])
    assert {2, 5} & set(history.population.ravel().tolist())


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
    assert len(found) >= (1 if method in LISTS else min(budget, len(designs_of(space))) / 2)
    expected = np.stack([toy(*dims)[1](history.population), toy(*dims)[2](history.population)], axis=1)
    assert np.array_equal(history.objectives, expected)


@pytest.mark.parametrize("budget", [1, 5, 6, 7])
def test_budget_is_kept_to_the_design(method: str, budget: int) -> None:
    history, loss = explore(method, (4, 4, None), budget=budget)
    assert len(loss.asked) == len(history.population) <= budget
    assert history.stopped == "budget" or (method in LISTS and history.stopped == "exhausted")


class MostlyWorking:
    """The objectives of a toy space, of which some designs fail, and in three dimensions the most approximate multiplier."""

    def __init__(self, space: SearchSpace, n_objectives: int) -> None:
        cost = np.sort(np.random.default_rng(5).random((len(space.layers), len(space.multipliers))), axis=1)
        cost[:, 0] = 0
        self._parts = [RelativeEnergy(space), AdditiveLoss(cost)]
        self._k = n_objectives

    def __call__(self, population: Population) -> Objectives:
        columns = [part(population) for part in self._parts]
        if self._k == 3:
            columns.append(population.max(axis=1).astype(np.float64))
        objectives = np.stack(columns, axis=1)
        objectives[population.sum(axis=1) % 7 == 3] = FAILED
        return objectives


def drive(search: Search, score: MostlyWorking, budget: int) -> list[bytes]:
    """Return what a search asks for, batch by batch."""
    asked: list[bytes] = []
    told = 0
    while told < budget and len(asked) < 8:
        population = search.ask()
        asked.append(population.tobytes())
        if len(population) == 0:
            break
        told += len(population)
        search.tell(population, score(population))
    return asked


HOLDS = [(1, 3, None), (3, 1, None), (2, 2, None), (5, 6, 3), (20, 36, None), (20, 36, 4)]


@pytest.mark.parametrize("dims", HOLDS)
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("n_objectives", [2, 3])
def test_five_runs_of_one_seed_are_one(
    method: str, dims: tuple[int, int, int | None], bounded: bool, n_objectives: int
) -> None:
    if method == "exhaustive" and dims[0] == 20:
        pytest.skip("too large to enumerate")
    space = constrained(toy(*dims)[0]) if bounded else toy(*dims)[0]
    runs = set()
    for repeat in range(5):
        np.random.random()  # noqa: NPY002 - the global generator must not matter
        search = search_in(space, method, population=8, seed=11)
        asked = drive(search, MostlyWorking(space, n_objectives), 32)
        runs.add(tuple(asked))
        if repeat == 0:
            flat = np.frombuffer(b"".join(asked), dtype=np.int64)
            assert_designs(flat.reshape(-1, len(space.layers)), space)
            assert len(flat) or not designs_of(space)
    assert len(runs) == 1


BLIND = {"random", "exhaustive"}  # learn nothing, so that a bound on the loss does not steer them


def test_a_bound_on_the_loss_steers_and_no_front_holds_what_exceeds_it(method: str) -> None:
    space, energy, loss = toy(6, 8)
    matched = np.array([(loss.cost <= scale).sum(axis=1) - 1 for scale in np.unique(loss.cost)])  # costs are sorted
    informed = Guidance(seeds=matched, cost=loss.cost, max_loss=10.0, tolerance=loss.cost)
    within = []
    for made in (space, replace(space, max_loss_pp=1.0)):
        search = make_search(method, made, informed, population=4, seed=0)
        history = run_search(search, [energy, loss], 24 if method in LISTS else 64)
        kept = history.objectives[reportable(history.objectives, made.max_loss_pp)]
        assert len(kept) == sum(made.max_loss_pp is None or lost <= 1.0 for _, lost in history.objectives.tolist())
        within.append(int((history.objectives[:, 1] <= 1.0).sum()))
    assert within[1] == within[0] if method in BLIND else within[1] > within[0]


def test_another_seed_another_history(method: str) -> None:
    histories = {explore(method, (5, 6, 3), budget=60, seed=seed)[0].population.tobytes() for seed in range(4)}
    assert len(histories) == 4 if method in DRAWING else method == "qos-nets" or len(histories) == 1


def test_all_failing_ends(method: str) -> None:
    space, energy, _ = toy(4, 4)

    class Failing(AdditiveLoss):
        def __call__(self, population: Population) -> Floats:
            return np.full(len(population), np.nan)

    history = run_search(search_in(space, method), [energy, Failing(np.zeros((4, 4)))], 30)
    assert not history.scored.any() and 1 <= len(history.population) <= 30


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
    assert len(history.population) == 40 or (method in LISTS and len(history.population) > 2)
    assert history.objectives.shape == (len(history.population), 2)


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
    arrays = (given.seeds, given.cost, given.tolerance, space.op_counts, space.rel_energy)
    before = [np.copy(array) for array in arrays]
    run_search(make_search(method, space, given, population=4, seed=0), [energy, loss], 30)
    for old, new in zip(before, arrays, strict=True):
        assert np.array_equal(old, new)


def test_finds_the_true_front_of_a_toy_problem(method: str) -> None:
    if method in LISTS - {"additive"}:
        pytest.skip("proposes what its idea proposes")
    space, energy, loss = toy(4, 4)
    every = np.array(sorted(designs_of(space)))
    values = np.stack([energy(every), loss(every)], axis=1)
    truth = set(map(tuple, values[non_dominated(values)]))
    budget = {"nsga2": 200, "nsga3": 200, "u-nsga3": 200, "alwann": 200, "additive": len(truth)}.get(method, 256)
    informed = replace(guidance(space), cost=loss.cost)
    history = run_search(make_search(method, space, informed, population=16, seed=0), [energy, loss], budget)
    found = set(map(tuple, history.objectives[non_dominated(history.objectives)]))
    assert len(truth) > 5 and found == truth


def test_unknown_method(method: str) -> None:
    space = toy(2, 2)[0]
    with pytest.raises(InputError, match=f"unknown method '{method}x'; did you mean '{method}'"):
        make_search(method + "x", space, guidance(space), population=2, seed=0)
