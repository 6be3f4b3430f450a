"""Operands clipped at a part of their range, held against a quantiser in plain Python."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, builtin, clipped
from tests.small import library


def spread(value: int, clip: int, low: int, high: int) -> int:
    """Return the code nearest to a value that stands for a part of the range."""
    return min(max(floor(Fraction(100 * value, clip) + Fraction(1, 2)), low), high)


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
            assert made.table[x, w] == floor(Fraction(product * x_clip * w_clip, 10_000) + Fraction(1, 2))
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
    [(0, 75, "x_clip: expected 1 to 100 %, got 0"), (50, 101, "w_clip: expected 1 to 100 %, got 101")],
)
def test_shares_out_of_bounds(x_clip: int, w_clip: int, message: str) -> None:
    with pytest.raises(InputError, match=f"multiplier 'noisy': {message}"):
        clipped(library()["noisy"], x_clip, w_clip)
