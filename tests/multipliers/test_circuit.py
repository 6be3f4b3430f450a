"""Multipliers from netlists, evolved ones, and the Verilog that keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.circuits import Figures, figures, from_verilog, product_table
from dse.circuits.families import column_truncated, exact
from dse.exceptions import InputError
from dse.multipliers import Multiplier, evolved, evolved_source, from_netlist, generate, import_library, load_library


def test_a_netlist_is_a_multiplier() -> None:
    netlist = column_truncated(3, bits=5, signed=True)
    m = from_netlist(netlist, name="t", origin="mine")
    assert np.array_equal(m.table, product_table(netlist)) and m.netlist is netlist
    assert (m.x_bits, m.w_bits, m.x_signed, m.w_signed) == (5, 5, True, True)
    assert Figures(m.power_mw or 0, m.area_um2 or 0, m.delay_ns or 0) == figures(netlist)
    assert m.origin == "mine; power, area and delay estimated from its gates"


def test_power_is_that_of_the_stated_operands() -> None:
    weights = np.eye(16)[3]  # always 3: nothing switches but the activation
    netlist = exact(4)
    quiet = from_netlist(netlist, name="q", w_probabilities=weights)
    assert quiet.power_mw == figures(netlist, w_probabilities=weights).power_mw < figures(netlist).power_mw


def test_known_figures_are_kept() -> None:
    m = from_netlist(exact(4), name="k", known=Figures(1.0, 2.0, 3.0), origin="synthesis")
    assert (m.power_mw, m.area_um2, m.delay_ns, m.origin) == (1.0, 2.0, 3.0, "synthesis")


def start() -> Multiplier:
    return from_netlist(exact(4, structure="dadda"), name="dadda4u")


def test_evolved_from_a_multiplier() -> None:
    m = evolved(start(), name="e4", max_error=3.0, candidates=4000, seed=0)
    assert 0 < m.errors.mae <= 3 and (m.power_mw or 0) < (start().power_mw or 0)
    assert m.origin.startswith("evolved from dadda4u: mean error <= 3, 4000 candidates, seed 0")
    assert m.netlist is not None and np.array_equal(m.table, product_table(m.netlist))


def test_evolved_from_an_approximate_one_keeps_to_the_exact_product() -> None:
    first = from_netlist(column_truncated(3, bits=4), name="t")
    m = evolved(first, name="e", max_error=first.errors.mae, candidates=1000, seed=0)
    assert m.errors.mae <= first.errors.mae
    with pytest.raises(InputError, match="own error is above max_error"):
        evolved(first, name="e", max_error=first.errors.mae / 2, candidates=10, seed=0)


def test_evolving_needs_gates() -> None:
    with pytest.raises(InputError, match="multiplier 'm': its gates are not known"):
        evolved(Multiplier("m", start().table, x_bits=4, w_bits=4), name="e", max_error=1, candidates=1, seed=0)
    with pytest.raises(InputError, match="did you mean 'dadda8u'"):
        evolved("dada8u", name="e", max_error=1, candidates=1, seed=0)


def test_an_evolved_circuit_survives_its_file(tmp_path: Path) -> None:
    m = evolved(start(), name="e4u", max_error=2.0, candidates=1500, seed=1)
    text = evolved_source(m, "the command")
    assert text.startswith("// the command\n")
    assert np.array_equal(product_table(from_verilog(text)), m.table)
    (tmp_path / "e4u.v").write_text(text)
    (tmp_path / "dadda4u.v").write_text(evolved_source(start(), "none"))
    report = import_library([tmp_path], tmp_path / "lib.npz")
    again = load_library(tmp_path / "lib.npz")
    assert [again[0].name, again[1].name] == ["dadda4u", "e4u"] and report.ranked is None
    assert again["e4u"].power_mw == pytest.approx(m.power_mw, rel=1e-5)
    assert again["e4u"].netlist is not None and np.array_equal(product_table(again["e4u"].netlist), m.table)


def test_evolved_circuits_of_the_package_gain() -> None:
    """At equal or smaller mean error some need less power than every member of a family."""
    from dse.catalogue_page import gains, known_catalogue

    found = [ratio for signed in (False, True) for *_, ratio in gains(known_catalogue(), signed)]
    assert found and min(found) < 0.9
    assert generate("evolved80u").errors.mae <= 80
