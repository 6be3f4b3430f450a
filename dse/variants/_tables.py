"""Choices and what the layers' activations look like -> what each choice computes in each layer."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.multipliers import fit_weights, tune_weights
from dse.operands import OperandFormat
from dse.types import Floats, Table
from dse.variants._choices import Choice, Choices
from dse.variants._layer_tables import LayerTables


def choice_tables(choices: Choices, operands: OperandFormat, histograms: Floats) -> tuple[Choices, LayerTables]:
    """Tune the weights of every layer and drop the choices that compute what an earlier one of the circuit computes.

    `uniform` is ALWANN's tuning (ICCAD 2019), the least summed absolute error over all activations of the format, and the
    same in all layers; `histogram` is the least mean squared error under the layer's activations. Both run over the weights
    of the format: in `sm8` a stored weight has a sign, and 0 is gated and stays 0. Zero-point corrections keep the weight
    that is meant, since they are formed outside the table.

    Args:
        choices: The choices, M of them.
        operands: The layers' format.
        histograms: Share of each activation code in each layer `(L, 256)`.

    Returns:
        The choices that are left, which know what became of the others, and their tables.

    Raises:
        InputError: A multiplier does not serve the format, or a histogram is not one.
    """
    if histograms.ndim != 2 or histograms.shape[1] != len(operands.x_values):
        raise InputError(f"histograms: expected (L, {len(operands.x_values)}), got {histograms.shape}")
    kept: list[Choice] = []
    twins = list(choices.twins)
    tables: list[Table | None] = []
    circuit: list[int] = []
    stored: list[NDArray[np.int16] | None] = []
    known: dict[tuple[str, bytes], int] = {}  # circuit and what a choice of it computes -> index of the choice
    places: dict[tuple[str, str], int] = {}  # circuit and hash of a multiplier's table -> where the layers' table is
    for choice in choices:
        multiplier, table = choice.multiplier, operands.table(choice.multiplier)
        codes = _stored(table, choice, operands, histograms)
        first = known.setdefault((choice.circuit, _computed(table, codes, len(histograms))), len(kept))
        if first < len(kept):
            twins.append((multiplier.name, first))
            continue
        place = places.setdefault((choice.circuit, multiplier.table_hash), len(tables))
        if place == len(tables):
            tables.append(None if multiplier.is_exact else table)
        kept.append(choice)
        circuit.append(place)
        stored.append(codes)
    made = LayerTables(tuple(tables), np.array(circuit, dtype=np.int64), tuple(stored))
    return Choices(tuple(kept), tuple(twins)), made


def _computed(table: Table, codes: NDArray[np.int16] | None, layers: int) -> bytes:
    """Return what tells the tables of all layers from others: the hashes of their columns."""
    columns = np.array([blake2b(column.tobytes(), digest_size=16).digest() for column in table.T], dtype="V16")
    return np.tile(columns, layers).tobytes() if codes is None else columns[codes].tobytes()


def _stored(table: Table, choice: Choice, operands: OperandFormat, histograms: Floats) -> NDArray[np.int16] | None:
    """Return the codes that each layer stores `(L, 2^Bw)`, None where the choice is not tuned for the layer."""
    if choice.tuning is None:
        return None
    # a sign applied outside to products that are >= 0: only magnitudes are tuned, which no other sign could better
    outside = operands.x_low >= 0 > operands.w_low
    w_codes = _by_magnitude(operands.w_values, 0 if outside else operands.w_low, operands.w_high)
    x_codes = _by_magnitude(operands.x_values, operands.x_low, operands.x_high)
    x, w = operands.x_values[x_codes], operands.w_values[w_codes]
    part = np.ascontiguousarray(table[np.ix_(x_codes, w_codes)])
    if choice.tuning == "uniform":
        columns = tune_weights(part, np.multiply.outer(x, w))[None].repeat(len(histograms), axis=0)
    else:
        columns = np.array([fit_weights(part, x, w, histogram[x_codes]) for histogram in histograms])
    stored = np.tile(np.arange(len(operands.w_values)), (len(histograms), 1))
    stored[:, w_codes] = w_codes[columns]
    if outside:  # the code of -w is that of w, negated
        levels = len(operands.w_values)
        stored[:, -w_codes % levels] = -w_codes[columns] % levels
    return stored.astype(np.int16)


def _by_magnitude(values: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """Return the codes that quantisation produces, small magnitudes first: where several are as good, one of these wins."""
    codes = np.flatnonzero((low <= values) & (values <= high))
    return codes[np.argsort(np.abs(values[codes]), kind="stable")]
