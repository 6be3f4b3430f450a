"""Relative energy by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.objectives import RelativeEnergy
from dse.types import Objective
from tests.small import space


@pytest.mark.parametrize(
    ("fixed", "design", "energy"),
    [
        # op counts 10, 20, 30; energies 1, 0.55, 0.1
        (0, [0, 0, 0], 1),
        (0, [2, 2, 2], 0.1),
        (0, [1, 0, 2], (10 * 0.55 + 20 + 30 * 0.1) / 60),
        (40, [0, 0, 0], 1),
        (40, [2, 2, 2], (60 * 0.1 + 40) / 100),
        (40, [1, 0, 2], (10 * 0.55 + 20 + 30 * 0.1 + 40) / 100),
    ],
)
def test_by_hand(fixed: int, design: list[int], energy: float) -> None:
    score = RelativeEnergy(replace(space(3, 3), fixed_op_count=fixed))
    assert score(np.array([design])) == pytest.approx([energy])


def test_is_an_objective_whose_scores_do_not_depend_on_the_batch() -> None:
    made = space(20, 7)
    score = RelativeEnergy(made)
    assert isinstance(score, Objective) and (score.name, score.unit) == ("rel_energy", "1")
    designs = np.random.default_rng(0).integers(0, 7, (50, 20))
    together = score(designs)
    assert together.shape == (50,) and together.dtype == np.float64
    assert together.tolist() == [float(score(row[None])[0]) for row in designs]
    assert score(designs[:0]).shape == (0,)
