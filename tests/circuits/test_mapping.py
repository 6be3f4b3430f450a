"""Cells compute what the gates did, adders and multiplexers are found, and no choice makes a circuit larger."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from dse.circuits import Builder, MappedCircuit, Netlist, load_cells, mapped, product_table, simplified
from dse.circuits._netlist import GATES
from tests.circuits.arrays import I, J, carry_save_array
from tests.circuits.test_evaluate import netlists, ripple_product

LOGIC = {
    "not": lambda a: (1 - a,),
    "and": lambda a, b: (a * b,),
    "or": lambda a, b: (max(a, b),),
    "xor": lambda a, b: ((a + b) % 2,),
    "nand": lambda a, b: (1 - a * b,),
    "nor": lambda a, b: (1 - max(a, b),),
    "xnor": lambda a, b: (1 - (a + b) % 2,),
    "half_adder": lambda a, b: ((a + b) % 2, (a + b) // 2),
    "full_adder": lambda a, b, c: ((a + b + c) % 2, (a + b + c) // 2),
    "mux": lambda select, low, high: (high if select else low,),
}


def cell_table(circuit: MappedCircuit) -> np.ndarray:
    """Walk through the cells for each pair of codes alone."""
    net = circuit.netlist
    table = np.zeros((1 << net.x_bits, 1 << net.w_bits), dtype=np.int64)
    for x, w in np.ndindex(table.shape):
        values = (
            {0: 0, 1: 1} | {s: x >> i & 1 for i, s in enumerate(net.x)} | {s: w >> i & 1 for i, s in enumerate(net.w)}
        )
        for cell in circuit.cells:
            results = LOGIC[cell.function](*(values[signal] for signal in cell.inputs))
            for signal, value in zip(cell.outputs, results, strict=True):
                assert signal not in values  # one driver each
                if signal is not None:
                    values[signal] = value
        table[x, w] = sum(values[signal] << bit for bit, signal in enumerate(net.outputs))
    top = 1 << (len(net.outputs) - 1)
    return np.where(table & top, table - 2 * top, table) if net.signed else table


def counted(netlist: Netlist) -> Counter[str]:
    return Counter(cell.function for cell in mapped(netlist).cells)


def area(functions: Counter[str]) -> float:
    return sum(load_cells().cells[function].area_um2 * count for function, count in functions.items())


@settings(deadline=None, max_examples=200)
@given(netlists())
def test_cells_compute_what_the_gates_did(netlist: Netlist) -> None:
    circuit = mapped(netlist)
    np.testing.assert_array_equal(cell_table(circuit), product_table(netlist))
    np.testing.assert_array_equal(product_table(circuit.netlist), product_table(netlist))
    gates = Counter(GATES[kind] for kind in simplified(netlist).kinds)
    assert area(counted(netlist)) <= area(gates) + 1e-9
    assert mapped(netlist).cells == circuit.cells


@pytest.mark.parametrize("signed", [False, True])
def test_larger_circuits_keep_their_tables(signed: bool) -> None:
    netlist = carry_save_array((I[:5, :5] >= 0) & (I + J >= 2)[:5, :5], signed=signed)
    np.testing.assert_array_equal(cell_table(mapped(netlist)), product_table(netlist))


def test_the_exact_array_becomes_that_of_the_published_netlist() -> None:
    # mul8u_1JFF: 64 AND2X1, 8 HAX1, 48 FAX1
    assert counted(carry_save_array(I >= 0)) == {"and": 64, "half_adder": 8, "full_adder": 48}
    assert counted(ripple_product(8, 8)) == {"and": 64, "half_adder": 8, "full_adder": 48}


def test_adders_are_found_whatever_joins_their_carries() -> None:
    for join in (Builder.or_, Builder.xor):
        b = Builder(2, 1)
        half, both = b.half_adder(b.x[0], b.x[1])
        total, passed = b.half_adder(b.w[0], half)
        carry = join(b, passed, both)
        assert counted(b.netlist([total, carry])) == {"full_adder": 1}
        assert counted(b.netlist([carry])) == {"full_adder": 1}
        assert counted(b.netlist([total])) == {"xor": 2}
        # An inner signal that is needed outside leaves two half adders.
        assert counted(b.netlist([total, carry, half])) == {"half_adder": 2, "or" if join is Builder.or_ else "xor": 1}
        assert counted(b.netlist([total, carry, both]))["full_adder"] == 0


def test_multiplexers_are_found() -> None:
    b = Builder(2, 1)
    assert counted(b.netlist([b.mux(b.w[0], b.x[0], b.x[1])])) == {"mux": 1}
    shared = b.and_(b.w[0], b.x[1])
    assert counted(b.netlist([b.mux(b.w[0], b.x[0], b.x[1]), shared]))["mux"] == 0
    cell = mapped(b.netlist([b.mux(b.w[0], b.x[0], b.x[1])])).cells[0]
    assert cell.inputs == (b.w[0], b.x[0], b.x[1])


def test_gates_take_the_polarity_of_the_smallest_cells() -> None:
    b = Builder(2, 2)
    two_ands = b.or_(b.and_(b.x[0], b.w[0]), b.and_(b.x[1], b.w[1]))
    assert counted(b.netlist([two_ands])) == {"nand": 3}
    assert counted(b.netlist([b.not_(two_ands)])) == {"nand": 2, "and": 1}
    assert counted(b.netlist([b.not_(b.and_(b.x[0], b.w[0]))])) == {"nand": 1}
    assert counted(b.netlist([b.not_(b.xor(b.x[0], b.w[0]))])) == {"xnor": 1}
    inverted = b.not_(b.and_(b.x[0], b.w[0]))
    # An AND that is used elsewhere too stays, its inverse is an inverter's.
    assert counted(b.netlist([inverted, b.and_(b.x[0], b.w[0])])) == {"and": 1, "not": 1}


def test_a_library_without_adders_takes_gates() -> None:
    library = load_cells()
    small = library.model_copy(update={"cells": {function: library.cells[function] for function in GATES}})
    netlist = ripple_product(3, 3)
    circuit = mapped(netlist, small)
    assert {cell.function for cell in circuit.cells} <= set(GATES)
    np.testing.assert_array_equal(cell_table(circuit), product_table(netlist))


def test_full_adders_take_the_latest_signal_on_their_last_input() -> None:
    for order in product(range(3), repeat=3):
        if len(set(order)) == 3:
            b = Builder(3, 1)
            late = b.xor(b.and_(b.x[2], b.w[0]), b.x[0])
            signals = (b.x[0], b.x[1], late)
            total, carry = b.full_adder(*(signals[place] for place in order))
            adder = next(cell for cell in mapped(b.netlist([total, carry])).cells if cell.function == "full_adder")
            assert adder.inputs[2] not in (*b.x, *b.w)
