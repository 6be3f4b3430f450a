"""The loop: when it stops, what it charges, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import run_search
from dse.search._loop import _PATIENCE
from dse.types import FAILED, Floats, Objectives, Population
from tests.small import AdditiveLoss


class Scripted:
    """Asks batch after batch of a list, the last one for ever."""

    def __init__(self, *batches: Any, dtype: Any = np.int64) -> None:
        self._batches = [np.array(batch, dtype=dtype) for batch in batches]
        self.asks = 0
        self.told: list[tuple[Population, Objectives]] = []

    def ask(self) -> Population:
        self.asks += 1
        return self._batches[min(self.asks, len(self._batches)) - 1]

    def tell(self, population: Population, objectives: Objectives) -> None:
        self.told.append((population, objectives))


NONE = np.zeros((0, 2))
LOSS = np.array([[0.0, 1.0, 2.0], [0.0, 10.0, 20.0]])


def test_repeats_cost_nothing_and_are_told_all_the_same() -> None:
    search = Scripted([[0, 1], [0, 1], [1, 0]], [[1, 0], [2, 2]], NONE)
    loss = AdditiveLoss(LOSS)
    history = run_search(search, [loss], 10)
    assert loss.asked == [(0, 1), (1, 0), (2, 2)] and history.stopped == "exhausted"
    assert history.population.tolist() == [[0, 1], [1, 0], [2, 2]] and history.objectives.tolist() == [[10], [1], [22]]
    assert [objectives.tolist() for _, objectives in search.told] == [[[10], [10], [1]], [[1], [22]]]


def test_budget_ends_within_a_batch_which_is_not_told() -> None:
    search = Scripted([[0, 0], [0, 1]], [[0, 1], [1, 1], [2, 2], [2, 1]])
    history = run_search(search, [AdditiveLoss(LOSS)], 3)
    assert history.stopped == "budget" and history.population.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert len(search.told) == 1


def test_nothing_asked_at_all() -> None:
    history = run_search(Scripted(NONE), [AdditiveLoss(LOSS)] * 2, 3)
    assert history.stopped == "exhausted"
    assert history.population.shape == (0, 2) and history.population.dtype == np.int64
    assert history.objectives.shape == (0, 2)


def test_converged_when_only_known_designs_are_asked() -> None:
    search = Scripted([[0, 0]])
    history = run_search(search, [AdditiveLoss(LOSS)], 3)
    assert history.stopped == "converged" and len(history.population) == 1
    assert search.asks == _PATIENCE + 1


def test_patience_counts_asks_in_a_row() -> None:
    repeats = [[[0, 0]]] * (_PATIENCE - 1)
    search = Scripted([[0, 0]], *repeats, [[0, 1]], *repeats, [[1, 1]])
    assert len(run_search(search, [AdditiveLoss(LOSS)], 9).population) == 3


def test_progress_after_every_group_of_new_designs() -> None:
    told: list[tuple[int, int, list[list[float]]]] = []
    search = Scripted([[0, 1], [0, 1], [1, 0]], NONE)
    run_search(search, [AdditiveLoss(LOSS)], 5, together=1, progress=lambda d, t, o: told.append((d, t, o.tolist())))
    assert told == [(1, 5, [[10]]), (2, 5, [[1]])]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_failed_design_costs_and_is_told_as_failed(bad: float) -> None:
    class Broken(AdditiveLoss):
        def __call__(self, population: Population) -> Floats:
            return np.where(population[:, 0] == 1, bad, super().__call__(population))

    search = Scripted([[0, 1], [1, 1], [0, 2]], NONE)
    history = run_search(search, [AdditiveLoss(LOSS), Broken(LOSS)], 9)
    assert history.scored.tolist() == [True, False, True] and len(history.population) == 3
    assert np.isnan(history.objectives[1]).all()
    assert search.told[0][1].tolist() == [[10, 10], [FAILED, FAILED], [20, 20]]


class Counting:
    """Scores a design by its sum and remembers how many it was asked for at a time."""

    name = "sum"
    unit = "1"

    def __init__(self) -> None:
        self.calls: list[list[list[int]]] = []

    def __call__(self, population: Population) -> Floats:
        assert population.dtype == np.int64 and population.ndim == 2
        self.calls.append(population.tolist())
        return population.sum(axis=1).astype(np.float64)


def test_new_designs_of_a_batch_are_evaluated_together() -> None:
    first, second = Counting(), Counting()
    search = Scripted([[0, 1], [0, 1], [1, 0]], [[1, 0], [2, 2], [0, 0], [3, 3]], NONE)
    run_search(search, [first, second], 4)
    assert first.calls == second.calls == [[[0, 1], [1, 0]], [[2, 2], [0, 0]]]  # without what the budget does not pay


def test_large_batches_are_evaluated_in_parts_that_progress_can_follow() -> None:
    told: list[int] = []
    objective = Counting()
    batch = [[i, i] for i in range(70)]

    def progress(done: int, total: int, objectives: Objectives) -> None:
        assert total == 99 and objectives.tolist() == [[2.0 * i] for i in range(sum(told), done)]
        told.append(len(objectives))

    history = run_search(Scripted(batch, NONE), [objective], 99, progress=progress)
    assert [len(call) for call in objective.calls] == [32, 32, 6]
    assert told == [32, 32, 6] and history.population.tolist() == batch


def test_one_call_with_many_designs_is_many_calls_with_one() -> None:
    """Against the loop as it reads: each new design is charged and scored by itself."""
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 3, (rng.integers(1, 50), 4)) for _ in range(12)]
    for budget in (1, 7, 32, 33, 60, 81, 200):
        known: dict[tuple[int, ...], list[float]] = {}
        told = 0
        for batch in batches:
            for row in batch:
                if tuple(row.tolist()) not in known and len(known) < budget:
                    known[tuple(row.tolist())] = [float(row.sum())]
            if not all(tuple(row.tolist()) in known for row in batch):
                break
            told += 1
        search = Scripted(*batches, np.zeros((0, 4)))
        history = run_search(search, [Counting()], budget)
        assert history.population.tolist() == [list(row) for row in known]
        assert history.objectives.tolist() == list(known.values())
        assert len(search.told) == told


def test_an_objective_scores_every_design() -> None:
    class Short(Counting):
        def __call__(self, population: Population) -> Floats:
            return np.zeros(1)

    with pytest.raises(InputError, match=r"objective 'sum': expected \(2,\), got \(1,\)"):
        run_search(Scripted([[0, 1], [1, 0]], NONE), [Short()], 5)


@pytest.mark.parametrize("budget", [0, -3])
def test_budget_below_one(budget: int) -> None:
    with pytest.raises(InputError, match=f"search.evaluations: expected at least 1, got {budget}"):
        run_search(Scripted(NONE), [AdditiveLoss(LOSS)], budget)


@pytest.mark.parametrize(
    ("batch", "dtype", "shape"),
    [
        ([0, 1], np.int64, r"\(2,\) int64"),
        ([[[0, 1]]], np.int64, r"\(1, 1, 2\)"),
        ([[0, 1]], float, r"\(1, 2\) float64"),
    ],
)
def test_what_is_no_population(batch: Any, dtype: Any, shape: str) -> None:
    with pytest.raises(InputError, match=rf"expected a population \(P, L\) int64, got {shape}"):
        run_search(Scripted(batch, dtype=dtype), [AdditiveLoss(LOSS)], 5)
