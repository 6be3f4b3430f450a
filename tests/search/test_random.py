"""Random designs: how they are spread."""

from __future__ import annotations

import numpy as np
import pytest

from dse.search import RandomSearch
from tests.small import space


@pytest.mark.parametrize("tiles", [None, 1, 2])
def test_every_multiplier_is_as_likely_in_every_layer(tiles: int | None) -> None:
    designs = RandomSearch(space(4, 5, tiles), population=20_000, seed=0).ask()
    for layer in designs.T:
        assert np.bincount(layer, minlength=5) / len(designs) == pytest.approx([0.2] * 5, abs=0.02)
    assert {len(set(row)) for row in designs.tolist()} == set(range(1, (tiles or 4) + 1))


def test_batches_differ() -> None:
    search = RandomSearch(space(6, 9), population=5, seed=0)
    assert not np.array_equal(search.ask(), search.ask())
