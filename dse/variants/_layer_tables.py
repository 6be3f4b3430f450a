"""What every choice computes in every layer, without a table for each of these pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary
from dse.operands import OperandFormat
from dse.types import Table

StoredCodes = NDArray[np.int16]  # (2^Bw,) the code stored for every weight code


@dataclass(frozen=True, eq=False)
class LayerTables:
    """What each of M choices computes in each of L layers.

    A circuit has one table for each operand order and clipping. Tuned weights are other codes looked up in it, as in
    hardware: what a pair of layer and choice adds is `2^Bw` codes, and no table of a pair is kept.

    Args:
        tables: Circuits in the layers' operand format, `B` of `(256, 2^Bw)` int32; None: exact products.
        circuit: Which of them each choice goes through, `(M,)` int64.
        stored: Of each choice, the codes stored for every weight code in each layer, `(L, 2^Bw)` int16; None: themselves.

    Raises:
        InputError: These do not fit together, or codes are tuned for exact products.
    """

    tables: tuple[Table | None, ...]
    circuit: NDArray[np.int64]
    stored: tuple[NDArray[np.int16] | None, ...]

    def __post_init__(self) -> None:
        if len(self.circuit) != len(self.stored) or not set(self.circuit.tolist()) <= set(range(len(self.tables))):
            raise InputError(
                f"layer tables: expected a table of 0..{len(self.tables) - 1} and codes or None for each choice, got "
                f"{self.circuit.tolist()} and {len(self.stored)}"
            )
        for choice, codes in enumerate(self.stored):
            if codes is not None:
                self._check(choice, codes)

    @classmethod
    def of(cls, tables: LayerTables | Sequence[Table | None]) -> LayerTables:
        """Return the tables of choices that compute the same in all layers, one for each; layer tables as they are."""
        if isinstance(tables, LayerTables):
            return tables
        return cls(tuple(tables), np.arange(len(tables), dtype=np.int64), (None,) * len(tables))

    def __len__(self) -> int:
        """Return the number of choices, M."""
        return len(self.stored)

    def is_exact(self, choice: int) -> bool:
        """Return whether a choice forms exact products."""
        return self.tables[self.circuit[choice]] is None

    def codes(self, layer: int, choice: int) -> StoredCodes | None:
        """Return the code that a layer stores for every weight code `(2^Bw,)` int16; None: itself."""
        stored = self.stored[choice]
        return None if stored is None else stored[layer]

    def table(self, layer: int, choice: int) -> Table | None:
        """Return the table of a layer `(256, 2^Bw)` int32, made anew where weights are tuned; None: exact products."""
        table, codes = self.tables[self.circuit[choice]], self.codes(layer, choice)
        return table if table is None or codes is None else np.ascontiguousarray(table[:, codes])

    def content(self) -> Iterator[bytes]:
        """Yield all that decides what choices compute, for a hash; without variants the tables in order and nothing else."""
        for table in self.tables:
            yield b"exact" if table is None else np.ascontiguousarray(table).tobytes()
        if any(codes is not None for codes in self.stored) or len(self.tables) != len(self):
            yield self.circuit.tobytes()
            for codes in self.stored:
                yield b"themselves" if codes is None else codes.tobytes()

    def _check(self, choice: int, codes: NDArray[np.int16]) -> None:
        table = self.tables[self.circuit[choice]]
        if table is None:
            raise InputError(f"layer tables: choice {choice} forms exact products, which no tuning improves")
        levels = table.shape[1]
        if codes.ndim != 2 or codes.shape[1] != levels or codes.dtype != np.int16:
            raise InputError(
                f"layer tables: expected codes (L, {levels}) int16 of choice {choice}, got {codes.shape} {codes.dtype}"
            )
        if codes.size and not 0 <= codes.min() <= codes.max() < levels:
            got = f"{codes.min()}..{codes.max()}"
            raise InputError(f"layer tables: expected codes in 0..{levels - 1} of choice {choice}, got {got}")


def plain_tables(library: MultiplierLibrary, operands: OperandFormat) -> LayerTables:
    """Return what the multipliers of a library compute in any layer.

    Raises:
        InputError: A multiplier does not serve the operand format.
    """
    made = [(m.is_exact, operands.table(m)) for m in library]
    return LayerTables.of([None if exact else table for exact, table in made])
