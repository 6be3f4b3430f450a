"""Prepared arithmetics: kept while they fit, never more than the limit, and designs grouped such that they fit."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor, nn

import dse.objectives._prepared as module
from dse.kernels import LutTable
from dse.nn.convert import approximable_layers
from dse.nn.layers import ApproxLayer
from dse.objectives._prepared import PreparedLayers
from dse.operands import operand_format
from dse.variants import LayerTables
from tests.small import library, network

LARGE = 2**30
SIZE = 1000  # bytes of an arithmetic with a table
TABLES = [None if m.is_exact else operand_format("sm8").table(m) for m in library()]


class Lazy(nn.Module):
    """Stands for an arithmetic that grows to its full size when it is used."""

    def __init__(self, layer: ApproxLayer, table: LutTable | None, *, stored: Tensor | None) -> None:
        super().__init__()
        self.nbytes = 1
        self.full = 1 if table is None else SIZE


class Made:
    """Three prepared layers, and how to use a design."""

    def __init__(self, limit: int) -> None:
        self.layers = list(approximable_layers(network()).values())
        self.prepared = PreparedLayers(self.layers, LayerTables.of(TABLES), limit)

    def use(self, *designs: list[int]) -> int:
        """Assign and use designs; return how many arithmetics are kept then."""
        for design in designs:
            self.prepared.assign(np.array(design))
            for layer in self.layers:
                layer.arithmetic.nbytes = layer.arithmetic.full  # type: ignore[assignment]
        return len(self.prepared)

    def groups(self, rows: list[list[int]]) -> list[int]:
        """Return the sizes of the groups, each used before the next is asked for."""
        lengths = []
        for group in self.prepared.groups(np.array(rows)):
            before = set()
            for _ in range(2):
                self.use(*rows[group])
                after = {id(layer.arithmetic) for layer in self.layers}
                assert not before or before == after
                before = after
            lengths.append(len(rows[group]))
        assert sum(lengths) == len(rows)
        return lengths


@pytest.fixture(autouse=True)
def lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IntegerArithmetic", Lazy)


def test_an_arithmetic_is_made_once_for_each_layer_and_choice() -> None:
    made = Made(LARGE)
    assert made.use([0, 1, 2]) == 3
    first = [layer.arithmetic for layer in made.layers]
    assert [made.use(design) for design in ([0, 2, 2], [1, 1, 2], [0, 1, 2])] == [4, 5, 5]
    assert all(layer.arithmetic is before for layer, before in zip(made.layers, first, strict=True))
    assert made.prepared.nbytes == 4 * SIZE + 1
    with pytest.raises(ValueError):
        made.use([0, 1])


def test_the_least_recently_used_goes_first() -> None:
    made = Made(7 * SIZE)
    made.use([1, 1, 1], [2, 2, 2], [1, 1, 1])
    first = [layer.arithmetic for layer in made.layers]
    made.use([3, 3, 3])  # too much, as is seen when the next design comes
    assert made.use([1, 1, 1]) == 7
    assert [layer.arithmetic for layer in made.layers] == first
    assert made.prepared.nbytes == 7 * SIZE


def test_one_design_stays_in_any_case() -> None:
    made = Made(0)
    assert [made.use(design) for design in ([1, 1, 1], [1, 2, 1], [1, 2, 1])] == [3, 3, 3]


def test_designs_are_grouped_such_that_they_fit() -> None:
    rows = [[1, 1, 1], [1, 1, 2], [1, 2, 1], [2, 2, 2], [2, 3, 3], [3, 3, 3]]
    assert Made(LARGE).groups(rows) == [1, 5]  # no size is known before the first design has been used
    made = Made(5 * SIZE)
    made.use([1, 1, 1], [1, 1, 1])
    assert made.groups(rows) == [3, 2, 1]
    made = Made(6 * SIZE)
    made.use([1, 1, 1], [1, 1, 1])
    assert made.groups(rows) == [4, 2]
    assert Made(0).groups(rows) == [1] * 6


def test_exact_layers_take_no_room() -> None:
    assert Made(0).groups([[0, 0, 0], [0, 0, 0]]) == [2]
    assert Made(LARGE).groups([[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 1]]) == [1, 1, 2]


def test_a_layer_of_unknown_size_is_judged_by_the_others() -> None:
    weights = [layer.weight.numel() for layer in Made(0).layers]  # 36, 108, 60
    rows = [[1, 0, 0], [1, 0, 1], [1, 1, 1]]
    made = Made(SIZE + SIZE * weights[2] // weights[0] + 1)
    made.use([1, 0, 0], [1, 0, 0])
    assert made.groups(rows) == [2, 1]
