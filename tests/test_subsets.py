"""The best set of columns, against all of them; beyond what can be enumerated, against what it exchanges."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from dse import subsets
from dse.subsets import best_subset, count_vectors


def total(price: np.ndarray, chosen: np.ndarray) -> float:
    return float(price[:, chosen].min(axis=1).sum())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("seed", range(3))
def test_exact_where_sets_are_few(count: int, seed: int) -> None:
    price = np.random.default_rng(seed).random((6, 7))
    best = min(total(price, np.array(c)) for c in combinations(range(7), min(count, 7)))
    assert total(price, best_subset(price, count)) == pytest.approx(best) and len(best_subset(price, count)) <= count


@pytest.mark.parametrize("seed", range(6))
def test_exchange_comes_close_and_avoids_what_is_impossible(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    price = np.random.default_rng(seed).random((8, 9))
    price[np.random.default_rng(seed + 50).random(price.shape) < 0.4] = np.inf
    price[:, 0] = 1.5
    exact = total(price, best_subset(price, 3))
    monkeypatch.setattr(subsets, "_MOST_SETS", 0)
    found = best_subset(price, 3)
    assert len(found) == 3 and exact <= total(price, found) <= 1.05 * exact
    for out, into in product(range(3), range(9)):
        assert total(price, np.append(np.delete(found, out), into)) >= total(price, found) - 1e-12


def test_vectors_by_enumeration() -> None:
    expected = [v for v in product(range(3), range(2), range(5)) if sum(v) <= 4]
    assert sorted(count_vectors([2, 1, 4], 4)) == sorted(expected)
