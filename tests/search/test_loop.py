"""The loop: when it stops, what it charges, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import run_search
from dse.search._loop import _PATIENCE
from dse.types import Objectives, Population
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


def test_progress_after_every_new_design() -> None:
    told: list[tuple[int, int, list[list[float]]]] = []
    search = Scripted([[0, 1], [0, 1], [1, 0]], NONE)
    run_search(search, [AdditiveLoss(LOSS)], 5, progress=lambda d, t, o: told.append((d, t, o.tolist())))
    assert told == [(1, 5, [[10]]), (2, 5, [[10], [1]])]


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
