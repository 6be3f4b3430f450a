"""Scoring on search and test images, and the figures of a comparison, on accuracies made up for the purpose."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dse.compare import Scored, Scorer, best_uniform, compare, hypervolumes
from dse.config import ReferenceConfig
from dse.objectives import AccuracyLoss, RelativeEnergy
from dse.search import History
from dse.types import Floats, Population
from tests.small import space

SPACE = space(2, 3)  # op counts 10, 20; energies 1, 0.55, 0.1


class Accuracy:
    """Falls with every step to a cheaper multiplier, faster on the test images; counts the designs it is asked for."""

    def __init__(self, step: float) -> None:
        self._step = step
        self.designs = 0

    def __call__(self, population: Population) -> Floats:
        self.designs += len(population)
        return 0.9 - self._step * population.sum(axis=1)


def scorer() -> tuple[Scorer, Accuracy, Accuracy]:
    search, test = Accuracy(0.01), Accuracy(0.02)
    return Scorer(RelativeEnergy(SPACE), AccuracyLoss(search, 0.9), AccuracyLoss(test, 0.91)), search, test


def history(designs: list[list[int]], objectives: list[list[float]]) -> History:
    return History(np.array(designs, dtype=np.int64), np.array(objectives), "budget")


def test_score() -> None:
    score, search, test = scorer()
    population = np.array([[0, 0], [1, 2], [0, 0]])
    found = score.score(population)
    assert found.population.tolist() == population.tolist() and found.evaluation.tolist() == [0, 0, 0]
    assert found.rel_energy == pytest.approx([1, (5.5 + 2) / 30, 1])
    assert found.search_accuracy == pytest.approx([0.9, 0.87, 0.9])
    assert found.search_loss_pp == pytest.approx([0, 3, 0])
    assert found.accuracy == pytest.approx([0.9, 0.84, 0.9])
    assert found.accuracy_loss_pp == pytest.approx([1, 7, 1])  # against the exact network on the same images
    assert found.objectives(test=True) == pytest.approx(np.array([[1, 1], [0.25, 7], [1, 1]]))
    assert found.objectives(test=False) == pytest.approx(np.array([[1, 0], [0.25, 3], [1, 0]]))
    assert (search.designs, test.designs) == (2, 2)


def test_front_is_chosen_on_the_search_images_from_dear_to_cheap() -> None:
    score, search, _ = scorer()
    run = history([[2, 2], [0, 1], [0, 0], [1, 0]], [[0.1, 4], [0.7, 1], [1, 0], [0.85, 1]])
    front = score.front(run)
    assert front.population.tolist() == [[0, 0], [0, 1], [2, 2]]  # (1, 0) is dominated
    assert front.evaluation.tolist() == [3, 2, 1]
    assert front.rel_energy == pytest.approx([1, 0.7, 0.1])
    assert search.designs == 3


def test_front_of_a_method_that_found_nothing() -> None:
    front = scorer()[0].front(History(np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2)), "exhausted"))
    assert front.population.shape == (0, 2) and front.objectives(test=True).shape == (0, 2)
    assert hypervolumes({"a": front}, np.array([1.0, 10.0]), test=True) == {"a": 0}


def scored(energy: list[float], search_loss: list[float]) -> Scored:
    n, zeros = len(energy), np.zeros(len(energy))
    loss = np.array(search_loss, dtype=float)
    designs = np.repeat(np.arange(n)[:, None], 2, axis=1)
    return Scored(designs, np.zeros(n, dtype=np.int64), np.array(energy), zeros, loss, zeros, loss[::-1])


@pytest.mark.parametrize(
    ("energy", "loss", "best"),
    [
        ([1.0, 0.6, 0.3], [0, 1.0, 1.01], 1),  # a loss of just 1 point is allowed
        ([1.0, 0.6, 0.3], [0, 2, 0.5], 2),
        ([1.0, 0.3, 0.3], [0, 0.2, -0.1], 1),  # the first of equals
        ([1.0, 0.6], [1.1, 3], None),
    ],
)
def test_best_uniform(energy: list[float], loss: list[float], best: int | None) -> None:
    assert best_uniform(scored(energy, loss)) == best


def test_compare() -> None:
    score, _, _ = scorer()
    run = history([[0, 0], [1, 1], [2, 2]], [[1, 0], [0.55, 2], [0.1, 4]])
    fronts = {"a": score.front(run)}
    uniform = score.score(SPACE.uniform())
    found = compare(SPACE, {"a": run}, fronts, uniform, ReferenceConfig(rel_energy=1, accuracy_loss_pp=5))
    assert found["hypervolume"] == {"a": pytest.approx(0.45 * 3 + 0.45 * 1)}
    assert found["hypervolume_test"] == {"a": pytest.approx(0.45 * 0)}  # losses 1, 5 and 9 there
    assert found["reference_point"] == {"rel_energy": 1, "accuracy_loss_pp": 5}
    assert found["evaluations"] == {"a": 3} and found["stopped"] == {"a": "budget"}
    assert found["library_floor"] == pytest.approx(0.1)
    assert found["best_uniform"] == pytest.approx(
        {"multiplier": "m0", "rel_energy": 1, "search_accuracy": 0.9, "accuracy": 0.9, "accuracy_loss_pp": 1}
    )
    json.dumps(found, allow_nan=False)
    hopeless = scored([1.0, 0.6, 0.3], [2, 3, 4])
    assert compare(SPACE, {}, {}, hopeless, ReferenceConfig())["best_uniform"] is None
