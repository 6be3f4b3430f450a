"""Which designs are retrained, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from dse.retrain import designs_within, knee


@pytest.mark.parametrize("seed", range(20))
def test_the_cheapest_within_each_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    energy, loss = rng.random(9), rng.normal(1, 1, 9)
    for limit in (-5.0, 0.0, 0.5, 1.0, 9.0):
        allowed = [i for i in range(9) if loss[i] <= limit]
        expected = [min(allowed, key=lambda i: energy[i])] if allowed else []
        assert designs_within(energy, loss, [limit]) == expected


def test_a_design_is_taken_once_and_limits_may_come_in_any_order() -> None:
    energy, loss = np.array([0.2, 0.4, 1.0]), np.array([3.0, 0.4, 0.0])
    assert designs_within(energy, loss, [1.0, 0.5, 0.0, 4.0]) == [1, 2, 0]
    assert designs_within(energy, loss, []) == []


def test_the_knee_is_farthest_from_the_line_between_the_ends() -> None:
    energy, loss = np.array([0.1, 0.2, 0.5, 0.6, 1.0]), np.array([8.0, 2.0, 1.0, 0.9, 0.0])
    ends = np.array([[0.1, 8.0], [1.0, 0.0]])
    scale = np.abs(ends[1] - ends[0])
    (ax, ay), (bx, by) = ends / scale
    points = np.column_stack([energy, loss]) / scale
    distance = [abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) for x, y in points]
    assert knee(energy, loss, 10.0) == [int(np.argmax(distance))] == [1]


def test_designs_beyond_the_largest_loss_are_no_end() -> None:
    energy, loss = np.array([0.01, 0.3, 0.4, 1.0]), np.array([80.0, 9.0, 1.0, 0.0])
    assert knee(energy, loss, 10.0) == [2]
    assert knee(energy, loss, 0.0) == [3] and knee(energy, loss, -1.0) == []
