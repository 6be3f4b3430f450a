"""Mitchell's logarithm, held against fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest

from dse.circuits import Builder, Signal
from dse.circuits.parts import logarithm
from tests.circuits.parts.words import table_of


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8, 12])
def test_logarithm(bits: int) -> None:
    for fraction_bits in {1, bits // 2, bits - 1}:

        def part(b: Builder, x: list[Signal], w: list[Signal], size: int = fraction_bits) -> list[Signal]:
            fraction, position = logarithm(b, x, size)
            return [*fraction, *position, w[0]]

        got = table_of(part, bits, 1)[:, 0]
        assert got[0] == 0
        for x in range(1, 1 << bits):
            power = x.bit_length() - 1
            assert got[x] == floor((power + Fraction(x, 1 << power) - 1) * (1 << fraction_bits))
