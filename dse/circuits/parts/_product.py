"""The sum of partial products by the structures of exact multipliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dse.circuits._builder import Builder
from dse.circuits._netlist import Signal
from dse.circuits.parts._adders import add_columns, add_rows
from dse.circuits.parts._partial_products import PartialProducts, partial_products
from dse.circuits.parts._trees import dadda_tree, wallace_tree

STRUCTURES: dict[str, Callable[[Builder, PartialProducts], list[Signal]]] = {
    "array": add_rows,
    "wallace": lambda builder, products: add_columns(builder, wallace_tree(builder, products.columns())),
    "dadda": lambda builder, products: add_columns(builder, dadda_tree(builder, products.columns())),
}


def multiply(builder: Builder, x: Sequence[Signal], w: Sequence[Signal]) -> list[Signal]:
    """Return the exact product of two unsigned words by a Dadda tree, as long as both together."""
    return STRUCTURES["dadda"](builder, partial_products(builder, x, w))
