"""Fronts within sets of circuits, against all designs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from dse.operating_points._subsets import SetFronts, every_set, neighbours
from dse.pareto import non_dominated
from tests.operating_points.spaces import additive, every_design, library_space


def values(made, guidance, designs):  # type: ignore[no-untyped-def]
    return {tuple(row) for row in np.column_stack([made.energy(designs), additive(guidance)(designs)]).round(9)}


@pytest.mark.parametrize("chosen", [(0, 3), (1, 2, 4), (2,)])
def test_the_front_within_a_set_is_that_of_all_its_designs(chosen: tuple[int, ...]) -> None:
    made, guidance = library_space()
    designs = every_design(made)
    designs = designs[np.isin(designs, chosen).all(axis=1)]
    objectives = np.column_stack([made.energy(designs), additive(guidance)(designs)])
    assert values(made, guidance, SetFronts(made, guidance)(chosen)) == values(
        made, guidance, designs[non_dominated(objectives)]
    )


def test_a_set_that_a_layer_may_not_have_has_no_design() -> None:
    made, guidance = library_space(layers=2, multipliers=3)
    allowed = np.ones((2, 3), dtype=bool)
    allowed[0, 1:] = False
    assert SetFronts(replace(made, allowed=allowed), guidance)((1, 2)).shape == (0, 2)


def test_neighbours_add_and_then_exchange() -> None:
    assert list(neighbours((2,), 4, 2)) == [(0, 2), (1, 2), (2, 3)]
    assert set(neighbours((0, 2), 4, 2)) == {(1, 2), (2, 3), (0, 1), (0, 3)}
    assert every_set(5, 2) == list(combinations(range(5), 2)) and every_set(50, 4) is None
