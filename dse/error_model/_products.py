"""Sums of products as each multiplier computes them in each layer, and as they should be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.exceptions import InputError
from dse.kernels import LutProduct, LutTable
from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import LayerTrace, Trace
from dse.types import Table
from dse.variants import LayerTables, plain_tables


class Products:
    """What choices compute, and what they should: tables are shared by all layers, errors made one at a time."""

    def __init__(self, tables: LayerTables, exact: Table, layer: int = 0) -> None:
        self._tables = tables
        self._exact = exact
        self._layer = layer
        self._luts: dict[int, LutTable] = {}  # by place in the tables; -1: exact products

    def of(self, layer: int) -> Products:
        """Return the same for a layer by position."""
        one = Products(self._tables, self._exact, layer)
        one._luts = self._luts
        return one

    @property
    def w_values(self) -> NDArray[np.int64]:
        """The value of every weight code `(2^Bw,)`: its product with 1."""
        return self._exact[1].astype(np.int64)

    def errors(self) -> Iterator[Table]:
        """Yield the error table `(256, 2^Bw)` of each choice."""
        for m in range(len(self._tables)):
            table = self._tables.table(self._layer, m)
            yield np.zeros_like(self._exact) if table is None else table - self._exact

    def exact_sums(self, layer: LayerTrace, patches: Tensor) -> Tensor:
        """Return the sums of exact products: patches `(R, G, K)` -> `(R, G, N)` int64."""
        return self._sums(-1, self._exact, layer.w_codes, patches)

    def drifts(self, layer: LayerTrace, patches: Tensor, exact: Tensor) -> Iterator[Tensor | None]:
        """Yield the error of all outputs in real units, `(R, G, N)` float64, for each choice; None: no error at all."""
        scale = torch.from_numpy(layer.scale)
        for m in range(len(self._tables)):
            place = int(self._tables.circuit[m])
            table, codes = self._tables.tables[place], self._tables.codes(self._layer, m)
            if table is None:
                yield None
                continue
            sums = self._sums(place, table, layer.w_codes if codes is None else codes[layer.w_codes], patches)
            yield sums.sub_(exact) * scale

    def _sums(self, place: int, table: Table, w_codes: NDArray[np.int16], patches: Tensor) -> Tensor:
        if place not in self._luts:
            self._luts[place] = LutTable(torch.from_numpy(table.copy()))
        return LutProduct(torch.from_numpy(w_codes), self._luts[place])(patches).long()


def open_products(trace: Trace, library: MultiplierLibrary, tables: LayerTables | None) -> Products:
    tables = plain_tables(library, trace.operands) if tables is None else tables
    if len(tables) != len(library):
        raise InputError(f"tables: expected those of {len(library)} multipliers, got {len(tables)}")
    return Products(tables, trace.operands.exact)
