"""Adders, held against sums of integers."""

from __future__ import annotations

import numpy as np

from dse.circuits import ONE
from dse.circuits.parts import add, multiply, subtract
from tests.circuits.parts.words import table_of

X, W = np.arange(32)[:, None], np.arange(8)[None, :]


def test_addition() -> None:
    np.testing.assert_array_equal(table_of(lambda b, x, w: add(b, x, w), 5, 3), X + W)
    np.testing.assert_array_equal(table_of(lambda b, x, w: add(b, w, x, ONE), 5, 3), X + W + 1)


def test_subtraction() -> None:
    np.testing.assert_array_equal(table_of(lambda b, x, w: subtract(b, x, w), 5, 3), (X - W) % 32)


def test_product() -> None:
    np.testing.assert_array_equal(table_of(multiply, 5, 3), X * W)
