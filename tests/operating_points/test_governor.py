"""The governor, on traces short enough to serve by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points._governor import Designs, Policy, best_static, request_images, serve, serve_static
from dse.operating_points._traces import BudgetTrace, battery

IMAGES = np.array([0, 1, 2, 3, 0, 1])


def designs() -> Designs:
    """Return three points of 4, 3 and 1 right answers to 4 images."""
    right = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 1, 0]], dtype=bool)
    return Designs(("fine", "middle", "cheap"), np.array([0.8, 0.5, 0.2]), np.array([0.0, 1.0, 3.0]), right)


def trace(amounts: list[float], kind: str = "energy", capacity: float = np.inf) -> BudgetTrace:
    return BudgetTrace("mine", kind, np.array(amounts), capacity)  # type: ignore[arg-type]


def test_the_most_accurate_point_within_the_power_budget() -> None:
    served = serve(designs(), trace([0.9, 0.8, 0.6, 0.3, 0.1, 1.0]), IMAGES)
    assert served.point.tolist() == [0, 0, 1, 2, 2, 0]
    assert served.violated.tolist() == [False] * 4 + [True, False]
    assert served.right.tolist() == [True, True, True, False, False, True]
    assert served.rel_energy == pytest.approx((0.8 * 3 + 0.5 + 0.2 * 2) / 6)
    assert served.expected_accuracy(0.9) == pytest.approx(0.9 - (0 + 0 + 1 + 3 + 3 + 0) / 600)
    assert (served.switches, served.violations, served.accuracy) == (3, 1, pytest.approx(4 / 6))


def test_the_cheapest_point_within_the_loss_budget() -> None:
    served = serve(designs(), trace([0.5, 1, 5, 0.0, 2, 3], "loss"), IMAGES)
    assert served.point.tolist() == [0, 1, 2, 0, 1, 2] and served.violations == 0


def test_a_better_point_waits_but_the_budget_does_not() -> None:
    amounts = [0.9, 0.3, 0.9, 0.9, 0.9, 0.9]
    assert serve(designs(), trace(amounts), IMAGES, Policy(dwell=3)).point.tolist() == [0, 2, 2, 2, 0, 0]
    assert serve(designs(), trace(amounts), IMAGES, Policy(dwell=99)).point.tolist() == [0, 2, 2, 2, 2, 2]


def test_hysteresis_keeps_a_budget_that_hovers_from_switching() -> None:
    hovering = [0.79, 0.81, 0.79, 0.81, 0.79, 1.0]
    assert serve(designs(), trace(hovering), IMAGES).switches == 5
    served = serve(designs(), trace(hovering), IMAGES, Policy(margin=0.1))
    assert served.point.tolist() == [1, 1, 1, 1, 1, 0] and served.violations == 0


def test_a_battery_is_spread_over_what_is_still_to_come() -> None:
    served = serve(designs(), trace([0] * 6, "battery", 3.0), IMAGES)  # half per request
    assert served.point.tolist() == [1] * 6 and served.spent.sum() == pytest.approx(3.0) and served.violations == 0
    served = serve(designs(), trace([0, 0, 0, 1.0, 0, 0], "battery", 4.0), IMAGES)  # 0.67, then 0.5 is left for all
    assert served.budget.tolist() == pytest.approx([4 / 6, 3.5 / 5, 3 / 4, 1.5 / 3, 1 / 2, 0.5])
    assert served.point.tolist() == [1] * 6 and served.violations == 0


def test_an_empty_battery_answers_nothing() -> None:
    served = serve_static(designs(), 0, trace([0] * 6, "battery", 2.5), IMAGES, name="fine")
    assert served.spent.tolist() == pytest.approx([0.8, 0.8, 0.8, 0, 0, 0])
    assert served.right.tolist() == [True] * 3 + [False] * 3 and served.violations == 3
    assert served.rel_energy == pytest.approx(0.4) and served.switches == 0
    assert served.answered.tolist() == [True] * 3 + [False] * 3 and served.expected_accuracy(0.9) == pytest.approx(0.45)


def test_a_design_that_spends_nothing_answers_from_an_empty_battery() -> None:
    free = Designs(("free",), np.array([0.0]), np.array([3.0]), np.ones((1, 4), dtype=bool))
    served = serve_static(free, 0, trace([1.0] * 6, "battery", 2.0), IMAGES, name="free")
    assert served.right.all() and served.answered.all() and served.violations == 0


def test_the_best_single_design_known_beforehand() -> None:
    moving = trace([0.9, 0.3, 0.6, 0.9, 0.9, 0.9])
    assert best_static(designs(), moving, on_average=False) == 2
    assert best_static(designs(), moving, on_average=True) == 1
    assert best_static(designs(), trace([0.9, 0.1]), on_average=False) is None
    assert best_static(designs(), trace([2.0, 4.0], "loss"), on_average=False) == 1
    assert best_static(designs(), trace([2.0, 4.0], "loss"), on_average=True) == 2
    for on_average in (True, False):
        assert best_static(designs(), trace([0.5, 0.5], "battery", 2.0), on_average=on_average) == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_battery_that_can_last_does_last(seed: int) -> None:
    made = battery(400, capacity=0.6, rng=np.random.default_rng(seed))
    served = serve(designs(), made, request_images(400, 4, np.random.default_rng(seed)))
    assert served.violations == 0 and served.spent.sum() + made.amounts.sum() <= made.capacity + 1e-6


def test_images_come_in_random_order_and_each_once_before_any_again() -> None:
    found = request_images(10, 4, np.random.default_rng(0))
    assert sorted(found[:4]) == sorted(found[4:8]) == [0, 1, 2, 3] and len(found) == 10
    assert found.tolist() == request_images(10, 4, np.random.default_rng(0)).tolist()


def test_mistakes() -> None:
    with pytest.raises(InputError, match="dwell: expected at least 1 request, got 0"):
        Policy(dwell=0)
    with pytest.raises(InputError, match="margin: expected a share from 0 to below 1, got 1"):
        Policy(margin=1.0)
    with pytest.raises(InputError, match=r"images: expected \(2,\) integers, one for each request, got \(6,\)"):
        serve(designs(), trace([1, 1]), IMAGES)
    with pytest.raises(InputError, match="images: expected numbers from 0 to 3, got 0 to 7"):
        serve(designs(), trace([1, 1]), np.array([0, 7]))
    with pytest.raises(InputError, match=r"images: expected \(2,\) integers, .* got \(2,\) float64"):
        serve(designs(), trace([1, 1]), np.array([0.0, 1.0]))
    with pytest.raises(InputError, match=r"designs: expected \(1,\), \(1,\) and \(1, images\)"):
        Designs(("a",), np.array([1.0, 2.0]), np.array([1.0]), np.ones((1, 3), dtype=bool))
    with pytest.raises(InputError, match="expected at least 1 request and 1 image, got 5 and 0"):
        request_images(5, 0, np.random.default_rng(0))
    with pytest.raises(InputError, match="at least one design and one test image"):
        Designs(("a",), np.array([1.0]), np.array([1.0]), np.ones((1, 0), dtype=bool))
