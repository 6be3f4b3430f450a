"""Adders, held against sums of integers."""

from __future__ import annotations

import numpy as np
import pytest

from dse.circuits import ONE
from dse.circuits.parts import add, lower_or_add, multiply, subtract
from tests.circuits.parts.words import table_of

X, W = np.arange(32)[:, None], np.arange(8)[None, :]


def test_addition() -> None:
    np.testing.assert_array_equal(table_of(lambda b, x, w: add(b, x, w), 5, 3), X + W)
    np.testing.assert_array_equal(table_of(lambda b, x, w: add(b, w, x, ONE), 5, 3), X + W + 1)


def test_subtraction() -> None:
    np.testing.assert_array_equal(table_of(lambda b, x, w: subtract(b, x, w), 5, 3), (X - W) % 32)


@pytest.mark.parametrize("lower", range(7))
def test_lower_part_or_adder(lower: int) -> None:
    expected = np.zeros((32, 8), dtype=np.int64)
    part = min(lower, 5)
    for x, w in np.ndindex(expected.shape):
        low = (x | w) % 2**part
        carried = part > 0 and x >> (part - 1) & w >> (part - 1) & 1
        expected[x, w] = ((x >> part) + (w >> part) + carried << part) + low
    np.testing.assert_array_equal(table_of(lambda b, x, w: lower_or_add(b, x, w, lower), 5, 3), expected)


def test_product() -> None:
    np.testing.assert_array_equal(table_of(multiply, 5, 3), X * W)
