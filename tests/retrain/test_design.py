"""Paired differences, against the formula in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dse.retrain import paired_difference


@pytest.mark.parametrize("seed", range(5))
def test_the_standard_error_is_that_of_the_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.random(50) < 0.8, rng.random(50) < 0.6
    differences = [int(a) - int(b) for a, b in zip(first, second, strict=True)]
    mean = sum(differences) / 50
    variance = sum((d - mean) ** 2 for d in differences) / 50
    found = paired_difference(first, second)
    assert found.pp == pytest.approx(100 * mean)
    assert found.se_pp == pytest.approx(100 * math.sqrt(variance / 50))


def test_equal_answers_differ_by_nothing_and_unequal_ones_count_both_ways() -> None:
    right = np.array([True, False, True, True])
    assert paired_difference(right, right).pp == paired_difference(right, right).se_pp == 0
    found = paired_difference(right, right[::-1])
    assert found.pp == 0 and found.se_pp == pytest.approx(100 * math.sqrt(2 / 4 / 4))
