"""The engine: feasibility first, and the objectives counted when they are told."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dse.search._genetic import Genetic
from dse.search._nsga3 import nsga3
from dse.types import FAILED


def told_once(objectives: np.ndarray, max_loss: float | None) -> set[int]:
    """Return which of the chromosomes 0..P-1 survive one generation, half of them."""
    count = len(objectives)
    genetic = Genetic(np.arange(count)[:, None], np.array([count]), count // 2, 0, max_loss=max_loss)
    genetic.tell(objectives[genetic.ask()[:, 0]])
    algorithm = genetic._algorithm
    assert algorithm is not None
    kept = algorithm.survival.do(algorithm.problem, algorithm.pop, n_survive=count // 2, random_state=algorithm.random_state)
    return set(kept.get("X")[:, 0].astype(int).tolist())


def test_what_fails_or_loses_too_much_loses_to_all_else() -> None:
    objectives = np.array([[0.1, 9.0], [0.9, 1.0], [0.95, 2.0], [FAILED, FAILED], [0.05, 20.0], [0.2, 8.5]])
    assert told_once(objectives, 8.0) == {1, 2, 5}  # 5 exceeds least
    assert told_once(objectives, None) == {0, 1, 4} or 3 not in told_once(objectives, None)


@pytest.mark.parametrize("n_objectives", [1, 2, 5])
def test_any_number_of_objectives(n_objectives: int) -> None:
    genetic = Genetic(np.random.default_rng(0).integers(0, 4, (9, 6)), np.full(6, 4), 6, 0)
    for _ in range(3):
        genes = genetic.ask()
        genetic.tell(np.stack([np.roll(genes, k, axis=1) @ np.arange(6.0) for k in range(n_objectives)], axis=1))
    assert genetic._algorithm is not None and genetic._algorithm.pop.get("F").shape == (6, n_objectives)


def test_equal_chromosomes_are_asked_once() -> None:
    genetic = Genetic(np.array([[1, 2], [0, 1], [1, 2]]), np.array([3, 3]), 3, 0)
    asked = [genetic.ask()]
    assert asked[0].tolist() == [[1, 2], [0, 1]]
    genetic.tell(np.array([[1.0, 2.0], [2.0, 1.0]]))
    offspring = genetic.ask().tolist()
    assert len(set(map(tuple, offspring))) == len(offspring) and not {(1, 2), (0, 1)} & set(map(tuple, offspring))


def test_filters_of_warnings_stay_as_they_were() -> None:
    before = list(warnings.filters)
    genetic = Genetic(np.random.default_rng(0).integers(0, 4, (9, 6)), np.full(6, 4), 9, 0, algorithm=nsga3)
    for _ in range(3):
        genes = genetic.ask()
        genetic.tell(np.stack([genes[:, k : k + 2].sum(axis=1) for k in range(3)], axis=1).astype(float))
    assert list(warnings.filters) == before
