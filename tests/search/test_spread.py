"""The order that covers a chain: every point once, and the first ones evenly."""

from __future__ import annotations

import numpy as np
import pytest

from dse.search._spread import spread_order


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 100])
def test_every_point_once(count: int) -> None:
    positions = np.sort(np.random.default_rng(0).random(count).round(1))
    for line in (positions, positions[::-1]):
        assert sorted(spread_order(line).tolist()) == list(range(count))


def test_by_hand() -> None:
    assert spread_order(np.arange(9.0)).tolist() == [0, 8, 4, 2, 6, 1, 3, 5, 7]
    assert spread_order(np.array([9.0, 8, 7, 1, 0])).tolist() == [0, 4, 2, 3, 1]  # 7 is nearest to 4.5, 1 to 3.5
    assert spread_order(np.zeros(5)).tolist()[:3] == [0, 4, 2]


@pytest.mark.parametrize("budget", [3, 5, 10, 33, 64])
def test_gaps_of_any_budget_are_at_most_twice_the_even_ones(budget: int) -> None:
    found = np.sort(spread_order(np.arange(257.0))[:budget])
    assert np.diff(found).max() <= 2 * 256 / (budget - 1)
