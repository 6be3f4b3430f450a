"""The search space: uniform designs, and the repair of designs that use too many multipliers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from tests.small import space


def test_uniform_designs() -> None:
    designs = space(3, 2).uniform()
    assert designs.dtype == np.int64 and designs.tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("layers", "multipliers", "tiles", "limit"),
    [(3, 5, None, 3), (5, 3, None, 3), (3, 5, 2, 2), (3, 5, 9, 3), (5, 3, 9, 3), (4, 4, 1, 1)],
)
def test_tile_limit(layers: int, multipliers: int, tiles: int | None, limit: int) -> None:
    assert space(layers, multipliers, tiles).tile_limit == limit


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, None])
def test_repair_keeps_the_limit_and_adds_no_multiplier(tiles: int | None) -> None:
    made = replace(space(6, 5, tiles), rel_energy=np.array([1.0, 0.3, 0.7, 0.3, 0.1]))
    designs = np.random.default_rng(0).integers(0, 5, (200, 6))
    before = designs.copy()
    repaired = made.repair(designs)
    assert np.array_equal(designs, before)
    assert repaired.dtype == np.int64 and repaired.shape == designs.shape
    for old, new in zip(designs, repaired, strict=True):
        assert len(set(new)) <= made.tile_limit and set(new) <= set(old)
        if len(set(old)) <= made.tile_limit:
            assert np.array_equal(old, new)
    assert np.array_equal(made.repair(repaired), repaired)


@pytest.mark.parametrize(
    ("design", "repaired"),
    [
        # tile limit 2, op counts 10, 20, 30, 40, energies 1.0, 0.7, 0.4, 0.1
        ([1, 0, 2, 2], [0, 0, 2, 2]),  # 1 serves the least: to the next stronger, 0
        ([0, 1, 2, 2], [1, 1, 2, 2]),  # nothing is stronger than 0: to the next cheaper
        ([2, 1, 3, 0], [0, 0, 3, 0]),  # 2 goes to 1, which is then the smallest and goes to 0
        ([3, 3, 1, 0], [3, 3, 0, 0]),  # 3 and 1 serve 30 each: the first of them in the library, 1, goes to 0
    ],
)
def test_repair_by_hand(design: list[int], repaired: list[int]) -> None:
    assert space(4, 4, tiles=2).repair(np.array([design])).tolist() == [repaired]


def test_repair_of_no_designs() -> None:
    assert space(3, 4, 1).repair(np.zeros((0, 3), dtype=np.int64)).shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ()}, "at least one layer"),
        ({"multipliers": ()}, "at least one layer and one multiplier"),
        ({"tiles": 0}, "space.tiles: expected at least 1, got 0"),
    ],
)
def test_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(space(2, 2), **change)
