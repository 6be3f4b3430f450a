"""Traces keep to their ranges and to their seeds."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points._traces import BudgetTrace, battery, daily, steps


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("make", [steps, daily])
@pytest.mark.parametrize("requests", [1, 2, 500])
def test_budgets_stay_in_their_range_and_follow_the_seed(make: object, requests: int) -> None:
    assert callable(make)
    made = make(requests, kind="energy", low=0.1, high=0.4, rng=rng())
    assert made.amounts.shape == (requests,) and made.kind == "energy"
    assert (made.amounts >= 0.1).all() and (made.amounts <= 0.4).all()
    again = make(requests, kind="energy", low=0.1, high=0.4, rng=rng())
    other = make(requests, kind="energy", low=0.1, high=0.4, rng=rng(1))
    assert np.array_equal(made.amounts, again.amounts)
    assert requests < 500 or not np.array_equal(made.amounts, other.amounts)


def test_steps_have_so_many_levels() -> None:
    made = steps(300, kind="loss", low=0, high=2, levels=5, rng=rng())
    assert len(np.unique(made.amounts)) == 5 and np.count_nonzero(np.diff(made.amounts)) == 4


def test_a_day_is_darkest_at_its_ends() -> None:
    made = daily(1000, kind="energy", low=0, high=1, days=2, rng=rng()).amounts
    days = made.reshape(2, 1000 // 2)
    for day in days:
        assert day[:50].mean() < 0.2 and day[225:275].mean() > 0.8 and day[-50:].mean() < 0.2


def test_others_take_a_quarter_of_the_battery_in_bursts() -> None:
    made = battery(1000, capacity=0.3, rng=rng())
    assert made.capacity == 300 and made.amounts.sum() == pytest.approx(75) and (made.amounts == 0).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(steps, 0, kind="energy", low=0, high=1, rng=rng()), "at least 1 and at most 1000000, got 0"),
        (partial(steps, 5, kind="energy", low=2, high=1, rng=rng()), "low <= high <= 1e.06 with high above 0, got 2 and 1"),
        (partial(daily, 5, kind="energy", low=-1, high=1, rng=rng()), "0 <= low"),
        (partial(daily, 5, kind="energy", low=0, high=float("inf"), rng=rng()), "0 <= low"),
        (partial(daily, 5, kind="energy", low=0, high=1, days=0, rng=rng()), "expected days above 0"),
        (partial(daily, 5, kind="energy", low=1e308, high=1.7e308, rng=rng()), "high <= 1e.06"),
        (partial(steps, 5, kind="energy", low=0, high=float("nan"), rng=rng()), "0 <= low"),
        (partial(steps, 10**14, kind="energy", low=0, high=1, rng=rng()), "at most 1000000, got 10000"),
        (partial(steps, 5, kind="energy", low=0, high=1, levels=0, rng=rng()), "levels: expected at least 1, got 0"),
        (partial(battery, 5, capacity=0, rng=rng()), "capacity: expected a number above 0 and at most 1e.06, got 0"),
        (partial(battery, 5, capacity=float("nan"), rng=rng()), "capacity: expected a number .* got nan"),
        (partial(battery, 10**14, capacity=1, rng=rng()), "at most 1000000, got 10000"),
        (
            partial(steps, 5, kind="power", low=0, high=1, rng=rng()),
            "expected a budget of energy, loss, battery, got 'power'",
        ),
        (partial(BudgetTrace, "mine", "energy", np.array([])), "at least one request"),
        (partial(BudgetTrace, "mine", "energy", np.array([np.nan])), "finite amounts"),
        (partial(BudgetTrace, "mine", "energy", ["much"]), "amounts that are numbers, got list"),
        (partial(BudgetTrace, "mine", "battery", np.array([1.0])), "finite capacity above 0 of a battery"),
        (partial(BudgetTrace, "mine", "loss", np.array([1.0]), 3.0), "of a battery and of nothing else"),
    ],
)
def test_mistakes(make: partial[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
