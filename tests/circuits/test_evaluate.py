"""Bit-parallel evaluation and building, held against one operand pair at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.circuits import GATES, Builder, Netlist, product_table, signal_blocks, simplified
from dse.exceptions import InputError

BOOLEAN = {
    "not": lambda a, b: not a,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
    "nand": lambda a, b: not (a and b),
    "nor": lambda a, b: not (a or b),
    "xnor": lambda a, b: a == b,
}


def naive_table(netlist: Netlist) -> np.ndarray:
    """Walk through the gates for each pair of codes alone."""
    table = np.zeros((1 << netlist.x_bits, 1 << netlist.w_bits), dtype=np.int64)
    for x, w in np.ndindex(table.shape):
        values = [False, True, *(bool(x >> i & 1) for i in range(netlist.x_bits))]
        values += [bool(w >> i & 1) for i in range(netlist.w_bits)]
        for kind, (a, b) in zip(netlist.kinds, netlist.inputs, strict=True):
            values.append(BOOLEAN[GATES[kind]](values[a], values[b]))
        product = sum(values[signal] << weight for weight, signal in enumerate(netlist.outputs))
        top = 1 << (len(netlist.outputs) - 1)
        table[x, w] = product - 2 * top if netlist.signed and product & top else product
    return table


@st.composite
def netlists(draw: st.DrawFn) -> Netlist:
    x_bits, w_bits = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    first, count = 2 + x_bits + w_bits, draw(st.integers(0, 20))
    kinds = draw(st.lists(st.integers(0, len(GATES) - 1), min_size=count, max_size=count))
    inputs = [[draw(st.integers(0, first + gate - 1)) for _ in range(2)] for gate in range(count)]
    outputs = draw(st.lists(st.integers(0, first + count - 1), min_size=1, max_size=9))
    return Netlist(
        x_bits,
        w_bits,
        draw(st.booleans()),
        np.array(kinds, dtype=np.uint8),
        np.array(inputs, dtype=np.int32).reshape(-1, 2),
        tuple(outputs),
    )


@settings(deadline=None, max_examples=150)
@given(netlists())
def test_tables_and_simplification_agree_with_one_pair_at_a_time(netlist: Netlist) -> None:
    expected = naive_table(netlist)
    np.testing.assert_array_equal(product_table(netlist), expected)
    small = simplified(netlist)
    np.testing.assert_array_equal(product_table(small), expected)
    assert len(small) <= len(netlist)
    assert product_table(small).dtype == np.int32


def ripple_product(bits: int, w_bits: int) -> Netlist:
    """Build the unsigned array row by row."""
    builder = Builder(bits, w_bits)
    total = [builder.and_(x, builder.w[0]) for x in builder.x] + [0] * w_bits
    for row, w in enumerate(builder.w[1:], start=1):
        carry = 0
        for i, x in enumerate(builder.x):
            total[row + i], carry = builder.full_adder(total[row + i], builder.and_(x, w), carry)
        total[row + bits] = carry
    return builder.netlist(total)


@pytest.mark.parametrize(("x_bits", "w_bits"), [(2, 2), (3, 5), (8, 8), (10, 9)])
def test_an_array_of_adders_multiplies(x_bits: int, w_bits: int) -> None:
    expected = np.multiply.outer(np.arange(1 << x_bits), np.arange(1 << w_bits))
    np.testing.assert_array_equal(product_table(ripple_product(x_bits, w_bits)), expected)


def test_blocks_share_all_pairs_evenly() -> None:
    netlist = ripple_product(10, 8)
    ones = sum(np.bitwise_count(values).sum(1).astype(int) for values in signal_blocks(netlist))
    assert ones[1] == 2**18  # the constant
    assert (ones[2 : netlist.first_gate] == 2**17).all()


def test_building_folds_what_is_known() -> None:
    b = Builder(2, 2)
    x, w = b.x[0], b.w[0]
    assert b.and_(x, 0) == 0 and b.and_(1, x) == x and b.and_(x, x) == x
    assert b.or_(x, 1) == 1 and b.or_(0, x) == x and b.or_(x, x) == x
    assert b.xor(x, 0) == x and b.xor(1, x) == b.not_(x) and b.xor(x, x) == 0
    assert b.not_(b.not_(x)) == x and b.not_(0) == 1
    assert b.and_(x, b.not_(x)) == 0 and b.or_(b.not_(x), x) == 1 and b.xnor(x, b.not_(x)) == 0
    assert b.nand(x, 0) == 1 and b.nor(x, 0) == b.not_(x) and b.nand(x, x) == b.not_(x)
    assert b.and_(x, w) == b.and_(w, x)
    assert b.mux(1, x, w) == w and b.mux(0, x, w) == x
    assert b.full_adder(x, 0, 0) == (x, 0)


def test_gates_that_no_output_needs_are_left_out() -> None:
    b = Builder(2, 2)
    kept = b.and_(b.x[0], b.w[0])
    b.xor(b.x[1], b.w[1])
    assert len(b.netlist([kept])) == 1
    assert len(b.netlist([b.x[0], 1])) == 0


def one_gate(**changes: object) -> Netlist:
    parts: dict[str, object] = {"kinds": [1], "inputs": [[2, 4]], "outputs": (6,)} | changes
    return Netlist(2, 2, False, np.array(parts["kinds"]), np.array(parts["inputs"]), parts["outputs"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kinds": [7]}, "kinds must be below 7"),
        ({"inputs": [[2, 6]]}, "gate 0 takes signals"),
        ({"inputs": [[-1, 2]]}, "gate 0 takes signals"),
        ({"inputs": [[2, 3, 4]]}, "expected kinds"),
        ({"outputs": ()}, "expected 1 to 31 outputs"),
        ({"outputs": (7,)}, "expected 1 to 31 outputs"),
    ],
)
def test_netlists_that_are_none_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        one_gate(**changes)


def test_widths_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="w_bits must be from 1 to 12"):
        Netlist(2, 13, False, np.zeros(0, np.uint8), np.zeros((0, 2), np.int32), (0,))
