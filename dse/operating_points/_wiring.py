"""What a choice is in hardware: a circuit's own table, and the code that its memory holds for each weight code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dse.multipliers import spread_codes, tune_weights
from dse.operands import OperandFormat
from dse.types import Table
from dse.variants import Choice, StoredCodes


@dataclass(frozen=True, eq=False)
class Wiring:
    """A choice, as `table[:, stored[w]]` for a weight of code w.

    A tuned weight may be none of the format's: in sign and magnitude a weight other than 0 may be best with the circuit's
    operand 0, or in `s8` with one above 128. The words of such weights get columns behind those of the weight codes.
    """

    table: Table  # (256, S) int32, S = 2^Bw and the number of words
    stored: StoredCodes | None = None  # (2^Bw,) int16, the column for each weight code, in all layers; None: its own
    words: NDArray[np.int16] | None = None  # (S - 2^Bw, 2): the sign of the weight, and what the circuit multiplies by
    clips: tuple[int, int] = (100, 100)  # shares of the ranges of activations and weights, per cent

    @classmethod
    def of(cls, table: Table, choice: Choice | None, operands: OperandFormat) -> Self:
        """Return the wiring of what a network multiplies with.

        Args:
            table: Products of every activation code and weight code `(256, 2^Bw)`.
            choice: What it is said to be. It is told apart from its circuit where its weights were tuned once for all layers
                and the circuit with them tuned computes the table; elsewhere the table is taken for the circuit's.
            operands: The layers' format.
        """
        if choice is None:
            return cls(table)
        circuit = choice.untuned
        if circuit is None or np.array_equal(own := operands.table(circuit), table):
            return cls(table, clips=(choice.x_clip, choice.w_clip))  # clipped ones are never tuned once for all layers
        codes = tune_weights(circuit.table, circuit.exact)
        if not np.array_equal(operands.table(replace(circuit, table=circuit.table[:, codes])), table):
            return cls(table)
        columns, words = list(own.T), []
        known = {column.tobytes(): code for code, column in reversed(list(enumerate(columns)))}
        for value, column in zip(operands.w_values.tolist(), table.T, strict=True):
            if known.setdefault(column.tobytes(), len(columns)) == len(columns):
                columns.append(column)
                words.append((np.sign(value), codes[abs(value)]))
        same = (own == table).all(axis=0)
        stored = [w if same[w] else known[column.tobytes()] for w, column in enumerate(table.T)]
        beyond = np.array(words, dtype=np.int16) if words else None
        return cls(np.stack(columns, axis=1), np.array(stored, dtype=np.int16), beyond)

    def stored_in(self, codes: StoredCodes | None) -> StoredCodes | None:
        """Return the column for each weight code in a layer that stores `codes` for them (None: themselves)."""
        if codes is None or self.stored is None:
            return self.stored if codes is None else codes
        return self.stored[codes]

    def held_in(self, codes: StoredCodes | None, operands: OperandFormat) -> StoredCodes | None:
        """Return what memory holds for each weight code: what the circuit multiplies by, with clipped weights spread."""
        stored, clip = self.stored_in(codes), self.clips[1]
        if clip == 100:
            return stored
        spread = spread_codes(operands.w_values, clip).astype(np.int16)
        return spread if stored is None else spread[stored]
