"""Medians, their intervals, and counts that are only known to exceed a budget."""

from __future__ import annotations

import numpy as np
import pytest

from dse.comparison._estimates import median_interval, median_time


def test_median_and_interval() -> None:
    values = np.random.default_rng(0).normal(5, 1, 40)
    found = median_interval(values)
    assert found.median == np.median(values) and found.n == 40 and found.method == "BCa"
    assert found.low is not None and found.high is not None and found.low < found.median < found.high
    assert found == median_interval(values)


def test_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [median_interval(rng.normal(0, 1, 15)) for _ in range(100)]
    covered = sum(f.low <= 0 <= f.high for f in found if f.low is not None and f.high is not None)
    assert 85 <= covered <= 100


def test_one_value_has_no_interval() -> None:
    found = median_interval([3.0])
    assert (found.median, found.low, found.high, found.method) == (3.0, None, None, "single value")


def test_equal_values() -> None:
    found = median_interval([2.0, 2.0, 2.0])
    assert (found.low, found.median, found.high, found.method) == (2.0, 2.0, 2.0, "all equal")


def test_percentiles_where_bca_is_undefined() -> None:
    found = median_interval([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 9.0])  # leaving one out never moves the median
    assert found.method == "percentile" and found.low is not None and found.high is not None


@pytest.mark.parametrize(
    ("times", "median", "censored", "reached"),
    [
        ([10, 20, 30], 20, False, 3),
        ([10, 20, None], 20, False, 2),
        ([10, None, None], 100, True, 1),
        ([None, None], 100, True, 0),
        ([10, 20, None, None], 60, True, 2),  # between 20 and more than 100: more than 60
        ([10, 20, 30, None], 25, False, 3),
    ],
)
def test_censored_median(times: list[int | None], median: float, censored: bool, reached: int) -> None:
    found = median_time([(time, 100) for time in times])
    assert (found.median, found.median_censored, found.reached) == (median, censored, reached)
    assert found.low is not None and found.high is not None and found.low <= found.median <= found.high


def test_censored_ends_of_the_interval() -> None:
    found = median_time([(t, 100) for t in (10, 11, 12, 13, None, None, 14)])
    assert not found.median_censored and not found.low_censored
    assert found.high_censored and found.high == 100
    single = median_time([(None, 100)])
    assert single.median_censored and single.low is None and single.high is None
