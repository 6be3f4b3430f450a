"""Operands clipped at a part of their range, held against a quantiser in plain Python."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, builtin, clipped
from tests.small import library


def spread(value: int, clip: int, low: int, high: int) -> int:
    """Return the code nearest to a value that stands for a part of the range; none is below -high."""
    return value if clip == 100 else min(max(nearest(Fraction(100 * value, clip)), max(low, -high)), high)


def nearest(value: Fraction) -> int:
    """Round to the nearest integer, halves away from 0."""
    return floor(value + Fraction(1, 2)) if value >= 0 else -nearest(-value)


@pytest.mark.parametrize(("x_clip", "w_clip"), [(50, 100), (100, 75), (35, 80), (1, 99)])
@pytest.mark.parametrize("signed", [False, True])
def test_every_product_is_that_of_spread_codes(signed: bool, x_clip: int, w_clip: int) -> None:
    low, high = (-8, 7) if signed else (0, 15)
    table = np.random.default_rng(0).integers(4 * low, 4 * high, (16, 16))
    odd = Multiplier("odd", table, x_bits=4, w_bits=4, x_signed=signed, w_signed=signed, power_mw=0.1, origin="drawn")
    made = clipped(odd, x_clip, w_clip)
    for x in range(low, high + 1):
        for w in range(low, high + 1):
            product = int(table[spread(x, x_clip, low, high), spread(w, w_clip, low, high)])  # a negative index is its code
            assert made.table[x, w] == nearest(Fraction(product * x_clip * w_clip, 10_000))
    assert made.power_mw == 0.1
    assert made.origin == f"drawn; activations over {x_clip} %, weights over {w_clip} % of their range"


def test_names_say_what_is_clipped() -> None:
    circuit = builtin()[1]
    assert circuit.netlist is not None
    names = [clipped(circuit, *clip).name for clip in ((50, 100), (100, 75), (50, 75))]
    assert names == [f"{circuit.name}.{shares}" for shares in ("x50", "w75", "x50w75")]
    assert clipped(circuit, 100, 100) is circuit and clipped(circuit, 50).netlist is None


def test_small_codes_err_less_where_errors_are_of_one_size() -> None:
    """A circuit that misses up to 255 of each product misses half as much where codes are twice as large."""
    exact = library()[0]
    coarse = Multiplier("coarse", exact.table // 256 * 256, power_mw=0.1)
    errors = [np.abs(m.error[:128]).mean() for m in (coarse, clipped(coarse, 50))]
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.05)
    assert (clipped(exact, 50).error[:128] == 0).all() and (clipped(exact, 50).error[129:, 1:] < 0).all()


@pytest.mark.parametrize(
    ("x_clip", "w_clip", "message"),
    [(0, 75, "x_clip"), (50, 101, "w_clip"), (True, 50, "x_clip"), (50.0, 50, "x_clip"), (50, "50", "w_clip")],
)
def test_shares_that_are_none(x_clip: Any, w_clip: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"multiplier 'noisy': {message} must be an integer from 1 to 100, got"):
        clipped(library()["noisy"], x_clip, w_clip)


def test_numpy_integers_are_shares() -> None:
    noisy = library()["noisy"]
    assert np.array_equal(clipped(noisy, np.int8(50), np.uint8(99)).table, clipped(noisy, 50, 99).table)


def test_signed_codes_are_clipped_alike_on_both_sides() -> None:
    """The value -128, which no quantisation produces, is no better answer to a clipped one than 127 is on the other side."""
    exact = library(signed=True)[0]
    table = exact.table.copy()
    table[128] = 0  # a circuit that fails there
    made = clipped(Multiplier("odd", table, x_signed=True, w_signed=True, power_mw=0.1), 50, 100)
    assert np.array_equal(made.table[-100], clipped(exact, 50, 100).table[-100])
    assert (made.table[-100, 4], made.table[100, 4]) == (-254, 254)
