"""What a layer's choice is built of, for those who build it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from dse.operands import OperandFormat
from dse.variants._choices import Choice
from dse.variants._layer_tables import LayerTables


def described(item: Choice, tables: LayerTables, operands: OperandFormat, *, layer: int, choice: int) -> dict[str, Any]:
    """Return circuit, wiring and stored weights of a choice in a layer, as plain values.

    Args:
        item: The choice.
        tables: What choices compute.
        operands: The layers' format.
        layer, choice: Positions in `tables`.

    Returns:
        `circuit`: its name; `first_operand`: `activation` or `weight`; `x_clip` and `w_clip`: shares of the ranges of
        activations and weights that their codes cover, per cent; `tuning`; `stored_weights`: the weight
        to store for each weight of the network that is not stored as it is, as values of the format, not codes, before what
        `w_clip` makes of them (`dse.multipliers.clipped`); and
        `table_sha256`: of the layer's products of all codes, `(256, 2^Bw)` int32, little endian, row by row.
    """
    made, codes = tables.table(layer, choice), tables.codes(layer, choice)
    products = operands.exact if made is None else made
    moved = [] if codes is None else np.flatnonzero(codes != np.arange(len(codes))).tolist()
    values = operands.w_values.tolist()
    return {
        "circuit": item.circuit,
        "first_operand": "weight" if item.swapped else "activation",
        "x_clip": item.x_clip,
        "w_clip": item.w_clip,
        "tuning": "none" if item.tuning is None else item.tuning,
        "stored_weights": {} if codes is None else {str(values[w]): values[codes[w]] for w in moved},
        "table_sha256": hashlib.sha256(np.ascontiguousarray(products).astype("<i4").tobytes()).hexdigest(),
    }
