"""The accuracy loss and its memory."""

from __future__ import annotations

import numpy as np
import pytest

from dse.objectives import AccuracyLoss
from dse.types import Floats, Objective, Population


def test_loss_in_points_with_a_memory() -> None:
    asked: list[list[tuple[int, ...]]] = []

    def accuracies(population: Population) -> Floats:
        assert population.dtype == np.int64
        asked.append([tuple(row) for row in population.tolist()])
        return 0.9 - 0.1 * population.sum(axis=1)

    loss = AccuracyLoss(accuracies, exact_accuracy=0.85)
    assert isinstance(loss, Objective) and (loss.name, loss.unit) == ("accuracy_loss_pp", "pp")
    population = np.array([[0, 1], [1, 0], [0, 1], [0, 0]])
    assert loss(population) == pytest.approx([5, 5, 5, -5])  # the last is better than the exact network
    assert asked == [[(0, 1), (1, 0), (0, 0)]]  # the new ones together, each once
    assert loss.accuracies(population[::-1]) == pytest.approx([0.9, 0.8, 0.8, 0.8])
    assert loss(np.asfortranarray(population)) == pytest.approx([5, 5, 5, -5]) and len(asked) == 1
    assert loss(np.array([[0, 1], [2, 2]])) == pytest.approx([5, 35]) and asked[1:] == [[(2, 2)]]
    assert loss(population[:0]).shape == (0,) and len(asked) == 2


def test_an_answer_for_every_design() -> None:
    with pytest.raises(ValueError):
        AccuracyLoss(lambda population: np.zeros(1), 0.9)(np.array([[0, 1], [1, 0]]))
