"""Python functions as multipliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import from_callable
from tests.multipliers.files import CRUDE, SIGNED


def test_functions_of_arrays_are_called_once() -> None:
    calls = []

    def crude(x: Any, w: Any) -> Any:
        calls.append(np.shape(x))
        return x * (w & ~3)

    m = from_callable(crude, name="mine", x_bits=4, w_bits=4, power_mw=0.3)
    assert np.array_equal(m.table, CRUDE) and m.power_mw == 0.3 and calls == [(16, 16)]
    assert "crude" in m.origin


def test_functions_of_numbers_get_every_pair() -> None:
    def crude(x: int, w: int) -> int:
        return x * (w - w % 4) if w > 3 else 0

    assert np.array_equal(from_callable(crude, name="mine", x_bits=4, w_bits=4).table, CRUDE)


def test_signed_operands_come_as_values() -> None:
    m = from_callable(lambda x, w: x * w, name="s", x_bits=4, w_bits=4, x_signed=True, w_signed=True)
    assert np.array_equal(m.table, SIGNED)
    mixed = from_callable(lambda x, w: x * w, name="m", x_bits=4, w_bits=3, w_signed=True)
    assert mixed.is_exact and mixed.table.min() == -60


def test_a_constant() -> None:
    assert not from_callable(lambda x, w: 0, name="zero", x_bits=2, w_bits=2).table.any()


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda x, w: int(x) // int(w), {}, r"function\(0, 0\) raised ZeroDivisionError"),
        (lambda x, w: x / 2, {}, "must hold integers, got float64"),
        (lambda x, w: [x] * (w + 1), {}, "one integer per pair"),
        (lambda x, w: None, {}, "must hold integers, got object"),
        (lambda x, w: x * w * 100, {}, r"outside 0\.\.15"),
        (lambda x, w: x, {"x_bits": 40}, "x_bits must be an integer from 2 to 12"),
        (lambda x, w: x, {"w_bits": 2.0}, "w_bits must be an integer"),
        (lambda x, w: x, {"name": "a,b"}, "without comma"),
    ],
)
def test_refusals(function: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_callable(function, **({"name": "mine", "x_bits": 2, "w_bits": 2} | options))
