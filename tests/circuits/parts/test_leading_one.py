"""Leading ones, segments and shifts, held against arithmetic on integers."""

from __future__ import annotations

import numpy as np
import pytest

from dse.circuits.parts import any_of, encode, leading_one, leading_segment, shift_left
from tests.circuits.parts.words import table_of

X = range(128)


def test_any() -> None:
    got = table_of(lambda b, x, w: [any_of(b, x), any_of(b, x[:3]), any_of(b, [])], 7, 1)[:, 0]
    assert got.tolist() == [int(x > 0) + 2 * int(x % 8 > 0) for x in X]


def test_leading_one() -> None:
    got = table_of(lambda b, x, w: leading_one(b, x), 7, 1)[:, 0]
    assert got.tolist() == [1 << x.bit_length() >> 1 for x in X]


def test_encoding() -> None:
    values = (9, 3, 0, 12, 5, 1, 6)
    got = table_of(lambda b, x, w: encode(b, x, values), 7, 1)[:, 0]
    assert [got[1 << place] for place in range(7)] == list(values) and got[0] == 0


@pytest.mark.parametrize("size", [1, 3, 6, 7, 9])
def test_segments(size: int) -> None:
    for part in range(3):
        got = table_of(lambda b, x, w: [*leading_segment(b, x, size)[part], w[0]], 7, 1)[:, 0]  # noqa: B023
        for x in X:
            amount = max(x.bit_length() - size, 0)
            assert got[x] == (x >> amount, amount, x % (1 << amount))[part]


@pytest.mark.parametrize("width", [4, 5, 12, 14])
def test_shifts(width: int) -> None:
    got = table_of(lambda b, x, w: shift_left(b, x, w, width), 5, 3)
    expected = np.left_shift.outer(np.arange(32), np.arange(8)) % (1 << width)
    np.testing.assert_array_equal(got, expected)
