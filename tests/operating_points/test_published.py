"""The published choice: its steps, the traps of the published code, and the limit over all points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points._published import SCALES, published_points
from dse.search import Guidance
from dse.space import SearchSpace
from tests.small import guidance, space


def given(tolerance: np.ndarray) -> tuple[SearchSpace, Guidance]:
    made = space(*tolerance.shape)
    return made, replace(guidance(made), tolerance=tolerance)


def test_scales_are_those_of_the_scripts_and_tolerance_grows_with_them() -> None:
    assert SCALES == (0.3, 1.0, 2.0)
    made, told = given(np.array([[0, 0.25, 1.5]] * 3))  # borne from scale 0.25 and from scale 1.5
    points = published_points(made, told, instances=3, seed=0)
    assert points.tolist() == [[1, 1, 1], [1, 1, 1], [2, 2, 2]]
    assert np.all(np.diff(made.energy(points)) <= 0)  # what is spent, not what is saved


def test_what_exceeds_the_tolerance_by_less_than_e_is_not_borne() -> None:
    """Without the 1 in 1 + ln v, an error of twice the tolerance would be compressed to 0.69, and look borne."""
    made, told = given(np.array([[0, 0.5, 2.0], [0, 0.5, 2.0], [0, 0.5, 0.9]]))
    assert published_points(made, told, scales=[1.0], instances=2, seed=0).tolist() == [[1, 1, 2]]


def test_points_share_their_instances() -> None:
    rng = np.random.default_rng(0)
    made, told = given(np.column_stack([np.zeros(12), np.sort(rng.lognormal(0, 1, (12, 7)), axis=1)]))
    alone = [published_points(made, told, scales=[scale], instances=3, seed=0) for scale in SCALES]
    together = published_points(made, told, instances=3, seed=0)
    assert len(np.unique(together)) <= 3 < len(np.unique(alone)) and together.shape == (3, 12)
    assert np.array_equal(together, published_points(made, told, instances=3, seed=0))


def test_multipliers_that_nobody_bears_do_not_move_the_clusters() -> None:
    tolerance = np.array([[0, 0.2, 0.9], [0, 0.3, 0.8], [0, 0.9, 1.6], [0, 0.8, 1.7]])
    hopeless = np.array([[500.0], [1e6], [500.0], [1e6]])  # would pair the layers the other way round
    made, told = given(np.hstack([tolerance, hopeless]))
    assert published_points(made, told, scales=[1.0], instances=2, seed=0).tolist() == [[2, 2, 1, 1]]


def test_a_value_of_exactly_one_is_borne() -> None:
    made, told = given(np.array([[0, 0.1]] * 7))
    for scale in (0.1, 0.1 * (1 + 1e-15)):
        assert published_points(made, told, scales=[scale], instances=2, seed=0).tolist() == [[1] * 7]


def test_forbidden_multipliers_are_repaired_within_the_limit_of_all_points() -> None:
    made, told = given(np.array([[0, 0.25, 0.5, 0.9]] * 4))
    allowed = np.ones((4, 4), dtype=bool)
    allowed[1, 1:] = False  # this layer is exact at all points
    points = published_points(replace(made, allowed=allowed), told, instances=2, seed=0)
    assert (points[:, 1] == 0).all() and len(np.unique(points)) <= 2


@pytest.mark.parametrize("tolerance", [None, np.ones((2, 5))])
def test_needs_tolerances(tolerance: np.ndarray | None) -> None:
    made = space(3, 2)
    with pytest.raises(InputError, match=r"published points: expected errors relative to the tolerance \(3, 2\)"):
        published_points(made, replace(guidance(made), tolerance=tolerance), instances=2, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": []}, "scales: expected one or more finite numbers above 0"),
        ({"scales": [0.0, 1.0]}, "scales: expected"),
        ({"instances": 3}, "instances: expected at most 2, the circuits of the library, got 3"),
        ({"instances": 0}, "instances: expected at least 1"),
    ],
)
def test_mistakes(arguments: dict[str, object], message: str) -> None:
    made = space(3, 2)
    with pytest.raises(InputError, match=message):
        published_points(made, guidance(made), **{"instances": 2, "seed": 0, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_points_keep_to_the_bound_of_the_energy_with_the_circuits_they_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, told = given(np.column_stack([np.zeros(6), np.sort(rng.lognormal(0, 2, (6, 5)), axis=1)]))
    allowed = rng.random((6, 6)) < 0.7
    allowed[:, 0] = True
    made = replace(made, allowed=allowed)
    free = published_points(made, told, instances=3, seed=0)
    least = float(made.energy(replace(made, tiles=3).cheapest()[None])[0])
    for bound in (least, (least + made.energy(free).max()) / 2, made.energy(free).max()):
        bounded = replace(made, max_rel_energy=float(bound))
        points = published_points(bounded, told, instances=3, seed=0)
        assert bounded.permits(points).all() and len(np.unique(points)) <= 3
        fits = made.energy(free) <= bound
        assert np.array_equal(points[fits], free[fits]) or (made.energy(points) == least).all()
