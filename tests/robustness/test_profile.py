"""The cost of noise that a profile knows, or that follows from the balance of learned noise."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.robustness import RobustnessProfile, profile_table

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


def test_table_of_profiles() -> None:
    learned = RobustnessProfile(("a", "b"), np.array([0.5, 0.1]))
    known = RobustnessProfile.from_alpha(("a", "b"), np.ones(2))
    columns, rows = profile_table({"agn": learned, "fisher": known}, COUNTS)
    assert columns == ("layer", "op_count", "agn_sigma", "agn_alpha", "fisher_sigma", "fisher_alpha")
    assert rows[1] == ["b", 300, 0.1, pytest.approx(7.5), 0.1, 1.0]
    with pytest.raises(InputError, match="profiles of the same 3 layers"):
        profile_table({"agn": learned}, np.ones(3, dtype=np.int64))
    with pytest.raises(InputError, match="profiles of the same 2 layers, got"):
        profile_table({"agn": learned, "x": RobustnessProfile(("a", "c"), np.ones(2))}, COUNTS)
