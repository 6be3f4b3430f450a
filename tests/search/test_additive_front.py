"""The additive front against all designs of small spaces, and what it promises where it is not exact."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dse.pareto import non_dominated
from dse.search import additive_front
from dse.types import Floats, Population


def problem(seed: int, ties: bool) -> tuple[Floats, Floats, np.ndarray, int | None]:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 5), rng.integers(1, 6)
    energy, cost = (rng.integers(0, 5, shape).astype(float) if ties else rng.random(shape) for _ in range(2))
    allowed = rng.random(shape) < 0.7
    allowed[:, 0] = True
    return energy, cost, allowed, [None, 1, 2, 3][seed % 4]


def sums(energy: Floats, cost: Floats, designs: Population) -> Floats:
    layers = np.arange(len(energy))
    return np.stack([energy[layers, designs].sum(axis=1), cost[layers, designs].sum(axis=1)], axis=1)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(24))
def test_is_the_front_of_all_designs(seed: int, ties: bool) -> None:
    energy, cost, allowed, tiles = problem(seed, ties)
    rows = [np.flatnonzero(row) for row in allowed]
    every = np.array([d for d in product(*rows) if tiles is None or len(set(d)) <= tiles])
    values = sums(energy, cost, every)
    expected = values[non_dominated(values.round(9))]
    designs = additive_front(energy, cost, allowed, tiles=tiles)
    assert set(map(tuple, designs.tolist())) <= set(map(tuple, every.tolist()))
    found = sums(energy, cost, designs)
    assert found == pytest.approx(expected[np.argsort(-expected[:, 0])])


def large() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    energy = rng.integers(10**4, 10**6, 12)[:, None] * np.linspace(1, 0, 8)
    cost = np.sort(rng.random((12, 8)) ** 3, axis=1)
    cost[:, 0] = 0
    return energy, cost


def test_coarse_front_is_close_and_holds_the_supported_designs() -> None:
    energy, cost = large()
    fine, coarse = (sums(energy, cost, additive_front(energy, cost, resolution=r)) for r in (10**6, 50))
    assert len(coarse) < len(fine) / 4
    for price in np.geomspace(1e3, 1e9, 40):  # each layer by itself: the least sum of energy and priced cost
        least = (energy + price * cost).min(axis=1).sum()
        assert (coarse @ [1, price]).min() == pytest.approx(least, rel=1e-12)
    step = 12 * np.ptp(fine[:, 0]) / 50
    for spent, paid in coarse:
        assert paid <= fine[fine[:, 0] <= spent - step, 1].min(initial=np.inf)


def test_tile_limit_beyond_enumeration_is_kept_and_comes_close(monkeypatch: pytest.MonkeyPatch) -> None:
    energy, cost = large()
    exact = additive_front(energy, cost, tiles=3)
    monkeypatch.setattr("dse.search._additive_front._MOST_SETS", 0)
    found = additive_front(energy, cost, tiles=3)
    assert all(len(set(row)) <= 3 for row in found.tolist())
    a, b = sums(energy, cost, exact), sums(energy, cost, found)
    worse = [cost_b / max(a[a[:, 0] <= spent, 1].min(), 1e-3) for spent, cost_b in b]
    assert np.median(worse) < 1.1
