"""Figures worked out by hand, sums over all transitions, and what EvoApproxLib publishes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.circuits import Builder, Netlist, figures, load_cells, mapped, product_table, rank_correlation
from dse.exceptions import InputError
from tests.circuits.arrays import I, J, carry_save_array
from tests.circuits.published import EXACT, SIGNED, relative
from tests.circuits.test_evaluate import netlists
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox

KEEP_2 = np.ones((2, 2), dtype=bool)


def test_two_bits_by_hand() -> None:
    # Four AND2X1 (2.3465 um2) and two HAX1 (4.693 um2). Slowest: an AND driving pin A of the first half adder (4.27 fF),
    # that one's carry driving pin B of the second (3.6 fF), and the second's sum, which drives nothing.
    library = load_cells()
    got = figures(carry_save_array(KEEP_2))
    assert got.area_um2 == pytest.approx(library.area_factor * (4 * 2.3465 + 2 * 4.693))
    path = 0.0339 + 2.583 * 0.00427 + 0.0463 + 2.558 * 0.0036 + 0.0535
    assert got.delay_ns == pytest.approx(library.delay_factor * path)


def settled_power(netlist: Netlist, x: np.ndarray, w: np.ndarray) -> float:
    """Add up the energy of all pairs of operand pairs, one after the other, without glitches."""
    library, circuit = load_cells(), mapped(netlist)
    net = circuit.netlist
    tables = {}
    for signal in range(net.first_gate + len(net)):
        alone = Netlist(net.x_bits, net.w_bits, False, net.kinds, net.inputs, (signal,))
        tables[signal] = product_table(alone).ravel()
    chance = np.multiply.outer(x / x.sum(), w / w.sum()).ravel()
    load = dict.fromkeys(tables, 0.0)
    for cell in circuit.cells:
        for signal, capacitance in zip(cell.inputs, library.cells[cell.function].input_ff, strict=True):
            load[signal] += capacitance
    energy = {signal: load[signal] * library.voltage_v**2 / 2 for signal in tables}  # fF V^2 = fJ
    for cell in circuit.cells:
        for signal, output in zip(cell.outputs, library.cells[cell.function].outputs, strict=True):
            if signal is not None:
                energy[signal] += output.energy_fj
    total = 0.0
    for before, p in enumerate(chance):
        for signal, values in tables.items():
            total += p * (chance * (values != values[before])).sum() * energy[signal]
    leakage = sum(library.cells[cell.function].leakage_nw for cell in circuit.cells)
    return total * 1e-15 * library.clock_mhz * 1e6 * 1e3 + leakage * 1e-6  # mW


@settings(deadline=None, max_examples=30)
@given(netlists(), st.integers(0, 2**32 - 1))
def test_settled_power_agrees_with_a_sum_over_all_transitions(netlist: Netlist, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = rng.random(1 << netlist.x_bits), rng.random(1 << netlist.w_bits)
    got = figures(netlist, x_probabilities=x, w_probabilities=w, transitions=0).power_mw
    assert got == pytest.approx(settled_power(netlist, x, w))
    assert figures(netlist, x_probabilities=x, w_probabilities=w, transitions=64).power_mw >= got


def test_power_follows_the_operands() -> None:
    netlist = carry_save_array(I >= 0)
    still, small = np.zeros(256), np.zeros(256)
    still[7], small[:4] = 1, 1
    uniform = figures(netlist)
    assert figures(netlist, w_probabilities=still).power_mw < uniform.power_mw
    assert figures(netlist, x_probabilities=small, w_probabilities=small).power_mw < 0.1 * uniform.power_mw
    quiet = figures(netlist, x_probabilities=still, w_probabilities=still)
    leakage = sum(load_cells().cells[cell.function].leakage_nw for cell in mapped(netlist).cells)
    assert quiet.power_mw == pytest.approx(leakage * 1e-6)
    assert (quiet.area_um2, quiet.delay_ns) == (uniform.area_um2, uniform.delay_ns)


def test_figures_repeat_and_the_sample_of_transitions_matters_little() -> None:
    netlist = carry_save_array(I >= 0)
    assert figures(netlist) == figures(netlist)
    powers = [figures(netlist, seed=seed).power_mw for seed in range(4)]
    assert 1 < max(powers) / min(powers) < 1.01
    assert 1.7 < powers[0] / figures(netlist, transitions=0).power_mw < 2.3


def test_wires_and_constants_cost_nothing() -> None:
    b = Builder(3, 3)
    empty = figures(b.netlist([0, *b.x, 1]))
    assert (empty.power_mw, empty.area_um2, empty.delay_ns) == (0, 0, 0)


def test_what_no_output_needs_costs_nothing() -> None:
    netlist = carry_save_array(KEEP_2)
    gates = len(netlist)
    idle = Netlist(
        2,
        2,
        False,
        np.append(netlist.kinds, 3),
        np.append(netlist.inputs, [[2, 4]], axis=0),
        netlist.outputs,
    )
    assert len(idle) == gates + 1 and figures(idle) == figures(netlist)


def test_the_scales_carry_the_exact_array_to_its_published_figures() -> None:
    own = figures(carry_save_array(I >= 0))
    np.testing.assert_allclose(relative(own, EXACT[False][1]), 1, atol=0.005)
    signed = figures(carry_save_array(I >= 0, signed=True))
    np.testing.assert_allclose(relative(signed, EXACT[True][1]), 1, atol=0.18)  # of the unsigned one's scales
    np.testing.assert_allclose(relative(signed, EXACT[True][1])[1:], 1, atol=0.02)


@pytest.mark.parametrize("name", SIGNED)
def test_relative_figures_are_within_15_percent_of_the_published_ones(name: str) -> None:
    known, kept = SIGNED[name]
    theirs = relative(known, EXACT[True][1])
    ours = relative(figures(carry_save_array(kept, signed=True)), figures(carry_save_array(I >= 0, signed=True)))
    np.testing.assert_allclose(ours / theirs, 1, atol=0.15)


@needs_evoapprox
@pytest.mark.parametrize("name", ["mul8u_1JFF", "mul8s_1KV6", *SIGNED])
def test_the_arrays_are_the_published_circuits(name: str) -> None:
    signed = "mul8s" in name
    kept = SIGNED[name][1] if name in SIGNED else I >= 0
    own = product_table(carry_save_array(kept, signed=signed))
    with np.load(FOLDER / f"{name[:5]}.npz") as tables:
        assert np.array_equal(own, tables[name]) or np.array_equal(own.T, tables[name])


def test_rank_correlation_orders_circuits() -> None:
    circuits = [carry_save_array((I >= k) & (J >= k)) for k in range(5)]
    assert rank_correlation(zip(circuits, [5, 4, 3, 2, 1], strict=True)) == pytest.approx(1)
    assert rank_correlation(zip(circuits, [1, 2, 3, 4, 5], strict=True)) == pytest.approx(-1)


@pytest.mark.parametrize("powers", [[], [1.0], [2.0, 2.0]])
def test_rank_correlation_needs_two_powers(powers: list[float]) -> None:
    with pytest.raises(InputError, match="at least two different powers"):
        rank_correlation([(carry_save_array(KEEP_2), power) for power in powers])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: figures(n, transitions=-1), "transitions must be >= 0"),
        (lambda n: figures(n, x_probabilities=np.ones(3)), "x_probabilities"),
        (lambda n: figures(n, w_probabilities=np.zeros(4)), "w_probabilities"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[Netlist], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(carry_save_array(KEEP_2))
