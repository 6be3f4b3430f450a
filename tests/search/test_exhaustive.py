"""The enumeration: every design once, in order."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import Exhaustive
from tests.small import space


@pytest.mark.parametrize("tiles", [None, 1, 2])
@pytest.mark.parametrize("population", [1, 7, 1000])
def test_every_design_in_order(tiles: int | None, population: int) -> None:
    search = Exhaustive(space(3, 4, tiles), population=population)
    batches = []
    while len(batch := search.ask()):
        assert len(batch) <= population
        batches.append(batch)
    expected = [d for d in product(range(4), repeat=3) if len(set(d)) <= (tiles or 3)]
    assert list(map(tuple, np.vstack(batches).tolist())) == expected
    assert search.ask().shape == (0, 3)


def test_a_space_too_large() -> None:
    Exhaustive(space(6, 10), population=4)
    with pytest.raises(InputError, match="at most 1000000 designs, got 1771561; choose another method"):
        Exhaustive(space(6, 11), population=4)


def test_only_what_the_space_permits() -> None:
    allowed = np.array([[1, 0, 0, 0], [1, 1, 0, 1], [1, 1, 1, 1]], dtype=bool)
    made = replace(space(3, 4, 2), allowed=allowed, max_rel_energy=0.6)
    every = np.array(list(product([0], [0, 1, 3], range(4))))
    expected = every[made.permits(every)]
    assert 0 < len(expected) < len(every)
    assert Exhaustive(made, population=50).ask().tolist() == expected.tolist()
