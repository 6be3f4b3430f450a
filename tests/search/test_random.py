"""Random designs: how they are spread."""

from __future__ import annotations

from dataclasses import replace

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


def test_every_allowed_multiplier_is_as_likely_where_nothing_is_repaired() -> None:
    allowed = np.ones((4, 5), dtype=bool)
    allowed[1, 1:] = [True, False, True, False]
    allowed[0, 1:] = False
    designs = RandomSearch(replace(space(4, 5), allowed=allowed), population=20_000, seed=0).ask()
    assert not designs[:, 0].any()
    shares = [np.bincount(layer, minlength=5) / len(designs) for layer in designs.T]
    assert (shares[1][[2, 4]] == 0).all() and shares[2] == pytest.approx([0.2] * 5, abs=0.02)
    assert shares[1][1] == pytest.approx(shares[1][3], abs=0.03)
