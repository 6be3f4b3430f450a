"""What may be asked of operating points."""

from __future__ import annotations

from typing import Any

import pytest

from dse.exceptions import InputError
from dse.operating_points._choice_request import PointsRequest
from tests.small import space


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"instances": 0}, "instances: expected at least 1, got 0"),
        ({"points": 0}, "points: expected at least 1, got 0"),
        ({"points": 5, "evaluations": 4}, "evaluations: expected at least 5, got 4"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"seed": 2**32}, "seed: expected at most 4294967295, got 4294967296"),
        ({"instances": "2"}, "instances: expected a whole number, got '2'"),
        ({"points": 2.5}, "points: expected a whole number, got 2.5"),
        ({"evaluations": True}, "evaluations: expected a whole number, got True"),
        ({"loss_budgets_pp": ["a", 1, 2]}, "loss budgets: expected numbers, got "),
        ({"energy_budgets": 0.5}, "energy budgets: expected numbers, got '0.5'"),
        ({"loss_budgets_pp": [1, 2, 3], "energy_budgets": [0.5, 0.4, 0.3]}, "got both; leave one of them out"),
        ({"loss_budgets_pp": [1, 2]}, "loss budgets: expected 3 numbers, one for each point, got 2"),
        ({"loss_budgets_pp": [2, 1, 3]}, "loss budgets: expected rising numbers, .* got 2, 1, 3"),
        ({"loss_budgets_pp": [1, 1, 3]}, "expected rising numbers"),
        ({"loss_budgets_pp": [-1, 1, 3]}, "none below 0, got -1, 1, 3"),
        ({"loss_budgets_pp": []}, "expected 3 numbers, one for each point, got 0"),
        ({"energy_budgets": [0.2, 0.3, 0.4]}, "energy budgets: expected falling numbers"),
        ({"energy_budgets": [float("nan"), 0.3, 0.2]}, "expected finite numbers"),
    ],
)
def test_contradictions_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PointsRequest(**wrong)


def test_the_library_must_hold_what_is_asked_for() -> None:
    made = space(3, 4)  # energies 1, 0.7, 0.4, 0.1
    with pytest.raises(InputError, match="instances: expected at most 4, the circuits of the library, got 5"):
        PointsRequest(instances=5).space(made)
    with pytest.raises(InputError, match="energy budgets: point 1 has 0.09, expected at least 0.1"):
        PointsRequest(points=2, energy_budgets=[0.5, 0.09]).space(made)
    assert PointsRequest(instances=2).space(made).tile_limit == 2
    assert PointsRequest(instances=3).space(space(3, 4, tiles=1)).tile_limit == 3  # in place of the run's limit


def test_budgets_of_either_kind() -> None:
    assert PointsRequest().budgets is None
    assert PointsRequest(points=2, loss_budgets_pp=[0, 1]).budgets == (0.0, 1.0)
    assert PointsRequest(points=1, energy_budgets=[0.5]).budgets == (0.5,)
