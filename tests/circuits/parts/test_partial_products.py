"""Partial products add up to what is kept of the product, with modified Baugh-Wooley signs."""

from __future__ import annotations

import numpy as np
import pytest

from dse.circuits import Builder, product_table
from dse.circuits.parts import add_columns, dadda_tree, partial_products


@pytest.mark.parametrize(("x_bits", "w_bits"), [(2, 2), (3, 5), (5, 3)])
def test_operands_of_different_widths(x_bits: int, w_bits: int) -> None:
    builder = Builder(x_bits, w_bits, signed=True)
    columns = partial_products(builder, builder.x, builder.w, signed=True).columns()
    table = product_table(builder.netlist(add_columns(builder, dadda_tree(builder, columns))))
    x, w = (np.arange(1 << bits) for bits in (x_bits, w_bits))
    x, w = np.where(x >> (x_bits - 1), x - (1 << x_bits), x), np.where(w >> (w_bits - 1), w - (1 << w_bits), w)
    np.testing.assert_array_equal(table, np.multiply.outer(x, w))


def test_the_constant_of_a_whole_array() -> None:
    builder = Builder(8, 8, signed=True)
    products = partial_products(builder, builder.x, builder.w, signed=True)
    assert products.constant == 2**8 + 2**15  # the two ones of the textbook's modified Baugh-Wooley array
    assert [len(column) for column in products.columns()] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 6, 5, 4, 3, 2, 1, 1]


def test_what_is_dropped_takes_its_share_of_the_constant_along() -> None:
    builder = Builder(3, 3, signed=True)
    products = partial_products(builder, builder.x, builder.w, signed=True, kept=lambda i, j: i + j > 2)
    assert products.constant == -(2**3 + 2**3) % 2**6
    assert [sorted(row) for row in products.rows] == [[], [3], [3, 4]]
