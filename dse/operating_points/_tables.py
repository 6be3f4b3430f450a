"""What the layers of a network multiply with at its operating points."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.kernels import LutTable
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.layers import ApproxLayer
from dse.nn.lut_gradient import Gradient, TrainableArithmetic
from dse.operands import OperandFormat
from dse.operating_points._point import OperatingPoint, designs_of
from dse.operating_points._wiring import Wiring
from dse.types import Population, Table
from dse.variants import Choice, LayerTables

# layer, table (None: exact products), codes stored for each weight code (None: themselves)
Make = Callable[[ApproxLayer, LutTable | None, Tensor | None], nn.Module]


@dataclass(frozen=True, eq=False)
class PointTables:
    """The choices that the points use, of all that there are, and what each computes in each layer."""

    layers: tuple[str, ...]  # (L,) approximable layers
    choices: tuple[str, ...]  # (C,)
    designs: Population  # (O, L), indices into `choices`
    tables: LayerTables  # of these choices
    exact: Table  # products of the operand format

    @classmethod
    def of(
        cls,
        points: Sequence[OperatingPoint],
        layers: Sequence[str],
        names: Sequence[str],
        tables: LayerTables,
        exact: Table,
    ) -> Self:
        """Return what points use of `names` and `tables` `(M,)`.

        Raises:
            InputError: They do not fit together.
        """
        if len(names) != len(tables):
            raise InputError(f"operating points: expected a name for each of {len(tables)} choices, got {len(names)}")
        used, designs = np.unique(designs_of(points, layers, names), return_inverse=True)
        circuits, circuit = np.unique(tables.circuit[used], return_inverse=True)
        chosen = LayerTables(
            tuple(tables.tables[c] for c in circuits), circuit.astype(np.int64), tuple(tables.stored[c] for c in used)
        )
        names = tuple(names[choice] for choice in used)
        return cls(tuple(layers), names, designs.reshape(len(points), len(layers)), chosen, exact)

    def column(self, layer: str) -> list[int]:
        """Return the choice of each point in a layer `(O,)`."""
        column: list[int] = self.designs[:, self.layers.index(layer)].tolist()
        return column

    def stored(self, layer: str, choice: int) -> NDArray[np.int16] | None:
        """Return the code that a layer stores for each weight code `(2^Bw,)`; None: itself."""
        return self.tables.codes(self.layers.index(layer), choice)

    def looked_up(self, choice: int) -> Table:
        """Return the products of a choice for activation codes and stored codes `(256, 2^Bw)`."""
        table = self.tables.tables[self.tables.circuit[choice]]
        return self.exact if table is None else table

    def wirings(self, choices: Iterable[Choice], operands: OperandFormat) -> list[Wiring]:
        """Return what each choice is in hardware `(C,)`, as far as `choices` know."""
        known = {choice.multiplier.name: choice for choice in choices}
        return [Wiring.of(self.looked_up(c), known.get(name), operands) for c, name in enumerate(self.choices)]

    def hashes(self) -> dict[str, dict[str, str]]:
        """Return layer -> choice -> SHA-256 (hex) of what it computes there for the codes of the network's weights."""
        return {
            layer: {self.choices[choice]: self._hash(layer, choice) for choice in dict.fromkeys(self.column(layer))}
            for layer in self.layers
        }

    def arithmetics(self, layers: dict[str, ApproxLayer], make: Make) -> list[list[nn.Module]]:
        """Return an arithmetic for each of `layers` and point `(L', O)`, one for each pair of layer and choice.

        Layers that are not approximable multiply exactly.
        """
        (device,) = {layer.weight.device for layer in layers.values()}
        tables = [None if t is None else LutTable(torch.from_numpy(t.copy()).to(device)) for t in self.tables.tables]

        def made(name: str, choice: int) -> nn.Module:
            codes = self.stored(name, choice)
            stored = None if codes is None else torch.from_numpy(codes.copy()).to(device)
            return make(layers[name], tables[self.tables.circuit[choice]], stored)

        found = []
        for name, layer in layers.items():
            column = self.column(name) if name in self.layers else []
            by_choice = {choice: made(name, choice) for choice in dict.fromkeys(column)}
            found.append([by_choice[c] for c in column] or [make(layer, None, None)] * len(self.designs))
        return found

    def _hash(self, layer: str, choice: int) -> str:
        table, codes = self.looked_up(choice), self.stored(layer, choice)
        return table_hash(table if codes is None else table[:, codes])


def table_hash(table: Table) -> str:
    """Return the SHA-256 (hex) of a table's entries, row by row, as int32, little endian (`dse.variants.described`)."""
    return hashlib.sha256(np.ascontiguousarray(table).astype("<i4").tobytes()).hexdigest()


def integer(layer: ApproxLayer, table: LutTable | None, stored: Tensor | None) -> IntegerArithmetic:
    """Make the arithmetic that simulates a layer."""
    return IntegerArithmetic(layer, table, stored=stored)


def trainable(gradient: Gradient, window: int) -> Make:
    """Return what makes the arithmetics of a training; tuned weights get a table of their own."""

    def make(layer: ApproxLayer, table: LutTable | None, stored: Tensor | None) -> nn.Module:
        if table is not None and stored is not None:
            table = LutTable(table.lut[:, stored.long()])
        return TrainableArithmetic(layer, table, gradient=gradient, window=window)

    return make
