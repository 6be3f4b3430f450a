"""Paired differences, against the formula in plain Python, and answers written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dse.paired import gains, packed, paired_difference, unpacked


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


def test_a_loss_is_what_the_exact_network_has_more() -> None:
    right = {"exact": [1, 1, 1, 1], "before": [1, 0, 0, 0], "after": [1, 1, 1, 0]}
    found = gains({kind: np.array(answers, dtype=bool) for kind, answers in right.items()})
    assert {kind: difference.pp for kind, difference in found.items()} == {"gain": 50, "loss_before": 75, "loss_after": 25}


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000])
def test_answers_come_back_from_their_digits(count: int) -> None:
    right = np.random.default_rng(count).random(count) < 0.7
    text = packed(right)
    assert (unpacked(text, count) == right).all() and unpacked(text, count).dtype == bool
    for other in (text[:-2], text + "00", "x" * len(text)):
        with pytest.raises(ValueError):
            unpacked(other, count)


def test_digits_by_hand() -> None:
    assert packed(np.array([True, False, True, True, False, False, False, False, True])) == "b080"
