"""Fronts and hypervolumes against brute force and areas worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.pareto import cheapest_within, hypervolume, hypervolume_curve, non_dominated, reportable
from dse.types import Objectives

UNIT = np.array([1.0, 1.0])


def points(count: int, k: int = 2, seed: int = 0) -> Objectives:
    """Return points on a coarse grid: many are equal, or equal in one objective."""
    return np.random.default_rng(seed).integers(0, 6, (count, k)) / 5


def brute_force_front(objectives: Objectives) -> list[bool]:
    def dominated(p: int) -> bool:
        others = (q for q in range(len(objectives)) if q != p)
        return any(
            (objectives[q] <= objectives[p]).all() and ((objectives[q] < objectives[p]).any() or q < p) for q in others
        )

    return [not dominated(p) for p in range(len(objectives))]


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_non_dominated_is_brute_force(k: int, seed: int) -> None:
    objectives = points(40, k, seed)
    marked = non_dominated(objectives)
    assert marked.dtype == bool and marked.tolist() == brute_force_front(objectives)


@pytest.mark.parametrize("seed", range(10))
def test_the_cheapest_within_a_loss_is_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    energy, loss = rng.integers(1, 5, 9) / 4, rng.integers(-1, 5, 9) / 4  # many are equal
    for limit in (-1.0, -0.25, 0.0, 0.5, 9.0):
        allowed = [i for i in range(9) if loss[i] <= limit]
        expected = min(allowed, key=lambda i: (energy[i], loss[i], i)) if allowed else None
        assert cheapest_within(energy, loss, limit) == expected
    assert cheapest_within(energy[:0], loss[:0], 1.0) is None


def test_a_loss_of_just_the_limit_is_within_it_whatever_its_last_digit() -> None:
    loss = np.array([100 * (0.9 - 0.897)])
    assert loss[0] > 0.3 and cheapest_within(np.ones(1), loss, 0.3) == 0
    assert cheapest_within(np.ones(1), np.array([0.301]), 0.3) is None


def test_first_of_equal_rows() -> None:
    assert non_dominated(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.6]])).tolist() == [True, False, False]


@pytest.mark.parametrize(("bound", "kept"), [(None, [0, 1, 2, 4]), (2.0, [0, 1, 4]), (1.9, [0, 4]), (0.0, [0, 4])])
def test_reportable_is_scored_and_within_the_bound(bound: float | None, kept: list[int]) -> None:
    thrice = np.full((5, 1), 7.0)  # a third objective has no bound
    losses = np.array([[1, 0], [0.5, 2.0000000000000004], [0.4, 2.1], [np.nan, np.nan], [0.9, -0.5]])
    for objectives in (losses, np.hstack([losses, thrice])):
        assert np.flatnonzero(reportable(objectives, bound)).tolist() == kept


def test_no_rows() -> None:
    none = np.zeros((0, 2))
    assert non_dominated(none).shape == (0,) and non_dominated(none).dtype == bool
    assert hypervolume(none, UNIT) == 0
    assert hypervolume_curve(none, UNIT).shape == (0,)


@pytest.mark.parametrize(
    ("front", "volume"),
    [
        ([[0, 0]], 1),
        ([[0.5, 0.5]], 0.25),
        ([[0.2, 0.8], [0.8, 0.2]], 0.16 + 0.16 - 0.04),
        ([[0.2, 0.8], [0.8, 0.2], [0.9, 0.9]], 0.28),  # a dominated point adds nothing
        ([[0.2, -1.0]], 1.6),  # better than the exact network
        ([[1, 0]], 0),  # on the reference
        ([[0.5, 1.5], [0.5, 0.5]], 0.25),  # beyond it
        ([[2, 2]], 0),
    ],
)
def test_hypervolume_by_hand(front: list[list[float]], volume: float) -> None:
    assert hypervolume(np.array(front, dtype=float), UNIT) == pytest.approx(volume)


def test_hypervolume_of_a_staircase() -> None:
    x = np.sort(np.random.default_rng(1).random(10))
    y = np.sort(np.random.default_rng(2).random(10))[::-1]
    steps = np.diff(np.append(x, 1)) @ (1 - y)
    assert hypervolume(np.stack([x, y], axis=1), UNIT) == pytest.approx(steps)


def test_curve_never_falls_and_equals_each_prefix() -> None:
    objectives = points(60) * 1.3  # some beyond the reference
    curve = hypervolume_curve(objectives, UNIT)
    assert (np.diff(curve) >= 0).all()
    assert curve == pytest.approx([hypervolume(objectives[: p + 1], UNIT) for p in range(60)], abs=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    objectives = np.array([[0.1, 0.2], [0.3, bad]])
    for call in (non_dominated, lambda o: hypervolume(o, UNIT), lambda o: hypervolume_curve(o, UNIT)):
        with pytest.raises(InputError, match="NaN or infinity in row"):
            call(objectives)
