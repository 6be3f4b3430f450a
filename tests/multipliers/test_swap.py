"""Operands that change places."""

from __future__ import annotations

import numpy as np
import pytest

from dse.circuits.families import drum
from dse.exceptions import InputError
from dse.multipliers import Multiplier, builtin, from_netlist, generate, is_symmetric, swapped
from tests.small import library


def test_every_product_is_that_of_exchanged_operands() -> None:
    circuit = from_netlist(drum(3, bits=4), name="drum")
    table = np.random.default_rng(0).integers(0, 200, (16, 16))
    odd = Multiplier("odd", table, x_bits=4, w_bits=4, power_mw=0.1, area_um2=2.0, delay_ns=3.0, origin="drawn")
    made = swapped(odd)
    for x in range(16):
        for w in range(16):
            assert made.table[x, w] == table[w, x]
    assert (made.name, made.power_mw, made.area_um2, made.delay_ns) == ("odd.swap", 0.1, 2.0, 3.0)
    assert made.origin == "drawn; operands swapped" and swapped(circuit).netlist is None
    assert np.array_equal(swapped(made).table, table)


def test_signed_codes_change_places_too() -> None:
    noisy = library(signed=True)["noisy"]
    made = swapped(noisy)
    assert made.x_signed and made.w_signed
    assert made.table[3, 250] == noisy.table[250, 3]


def test_symmetric() -> None:
    assert is_symmetric(builtin()[0]) and is_symmetric(generate("exact8s"))
    assert not is_symmetric(library()["noisy"])
    mixed = Multiplier("mixed", np.zeros((4, 4), int), x_bits=2, w_bits=2, w_signed=True)
    assert not is_symmetric(mixed)


@pytest.mark.parametrize(
    "other", [{"x_bits": 3, "table": np.zeros((8, 4), int)}, {"w_signed": True, "table": np.zeros((4, 4), int)}]
)
def test_operands_of_two_kinds_stay(other: dict) -> None:
    given = {"x_bits": 2, "w_bits": 2, **other}
    with pytest.raises(InputError, match="multiplier 'm': its operands differ in width or sign"):
        swapped(Multiplier("m", **given))
