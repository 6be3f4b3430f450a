"""Quantised weights and tables of layers, prepared once for each multiplier and kept between designs."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import torch

from dse.kernels import LutTable
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.layers import ApproxLayer
from dse.types import Assignment, Population
from dse.variants import LayerTables

_Key = tuple[int, int]  # position of the layer, choice


class PreparedLayers:
    """Gives layers the arithmetics of a design, from a cache of bounded size.

    Args:
        layers: The approximable layers `(L,)`.
        tables: What each choice computes in each of the layers.
        limit: Bytes kept, the least recently used go first; the last design is kept in any case.
    """

    def __init__(self, layers: Sequence[ApproxLayer], tables: LayerTables, limit: int) -> None:
        device = layers[0].weight.device
        self._layers = layers
        self._tables = tables
        self._luts = [None if t is None else LutTable(torch.from_numpy(t.copy()).to(device)) for t in tables.tables]
        self._limit = limit
        self._kept: OrderedDict[_Key, IntegerArithmetic] = OrderedDict()
        self._sizes: dict[_Key, int] = {}  # of what is kept, when it was last looked at
        self._largest: dict[int, int] = {}  # size of what has been used with a table, by position

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes kept beside the tables."""
        return sum(arithmetic.nbytes for arithmetic in self._kept.values())

    def assign(self, assignment: Assignment) -> None:
        """Give every layer the arithmetic that `assignment` (L,) chooses."""
        self._measure()
        for layer, key in zip(self._layers, enumerate(assignment.tolist()), strict=True):
            if key not in self._kept:
                self._kept[key] = self._made(layer, key)
            self._kept.move_to_end(key)
            self._sizes[key] = self._kept[key].nbytes
            layer.arithmetic = self._kept[key]
        self._shrink()

    def groups(self, rows: Population) -> Iterator[slice]:
        """Cut designs `(P, L)` into runs that fit, so that going through a run many times prepares nothing twice.

        The first design is a run of its own while no size is known. Use each run before asking for the next.
        """
        start, sizes = 0, self._expected(rows[:1])
        for end in range(1, len(rows)):
            both = sizes | self._expected(rows[end : end + 1])
            if sum(both.values()) > self._limit:
                yield slice(start, end)
                self._measure()
                start, both = end, self._expected(rows[end : end + 1])
            sizes = both
        yield slice(start, len(rows))

    def _made(self, layer: ApproxLayer, key: _Key) -> IntegerArithmetic:
        codes = self._tables.codes(*key)
        table = self._luts[self._tables.circuit[key[1]]]
        return IntegerArithmetic(layer, table, stored=None if codes is None else torch.from_numpy(codes.copy()))

    def _expected(self, designs: Population) -> dict[_Key, float]:
        """Return the size of each arithmetic that designs use, as far as it can be told before they are used."""
        keys = {key for row in designs.tolist() for key in enumerate(row)}
        return {key: 0 if self._tables.is_exact(key[1]) else self._size_at(key[0]) for key in keys}

    def _size_at(self, position: int) -> float:
        """Return the size known for a position, or what other layers suggest; infinity when none has been used."""
        if position in self._largest:
            return self._largest[position]
        per_weight = [size / self._layers[other].weight.numel() for other, size in self._largest.items()]
        return max(per_weight, default=math.inf) * self._layers[position].weight.numel()

    def _measure(self) -> None:
        """Look at the last design again: engines prepare some of what they need when they are first used."""
        for key in list(self._kept)[-len(self._layers) :]:
            self._sizes[key] = self._kept[key].nbytes
            if not self._tables.is_exact(key[1]):
                self._largest[key[0]] = max(self._largest.get(key[0], 0), self._sizes[key])
        self._shrink()

    def _shrink(self) -> None:
        while sum(self._sizes.values()) > self._limit and len(self._kept) > len(self._layers):
            key, _ = self._kept.popitem(last=False)
            del self._sizes[key]
