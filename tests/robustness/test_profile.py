"""The cost of noise that a profile knows, or that follows from the balance of learned noise."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.robustness import RobustnessProfile

COUNTS = np.array([100, 300])


def test_cost_of_learned_noise_by_hand() -> None:
    cost = RobustnessProfile(("a", "b"), np.array([0.5, 0.1])).noise_cost(COUNTS)
    assert cost == pytest.approx([0.25 / 0.5, 0.75 / 0.1])


def test_a_known_cost_is_taken() -> None:
    profile = RobustnessProfile.from_alpha(("a", "b"), np.array([4.0, 0.01]))
    assert profile.noise_cost(COUNTS).tolist() == [4.0, 0.01]
    assert profile.sigma == pytest.approx([0.05, 1.0])


def test_costs_of_zero_give_a_finite_sigma() -> None:
    assert np.isfinite(RobustnessProfile.from_alpha(("a", "b"), np.zeros(2)).sigma).all()


@pytest.mark.parametrize("alpha", [[1.0, float("nan")], [1.0, float("inf")], [1.0, -1e-9]])
def test_costs_that_are_none(alpha: list[float]) -> None:
    with pytest.raises(InputError, match="expected finite costs of noise >= 0"):
        RobustnessProfile.from_alpha(("a", "b"), np.array(alpha))
