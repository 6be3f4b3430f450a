"""The model of each grade, over all layers and multipliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Literal

import numpy as np

from dse.error_model._cell import Cell
from dse.error_model._direct import direct
from dse.error_model._error_table import ChannelErrors, ErrorTable
from dse.error_model._histograms import global_model, multi_distribution
from dse.error_model._products import Products, open_products
from dse.exceptions import unknown_name
from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import LayerTrace, Trace
from dse.variants import LayerTables

Grade = Literal["global", "multi-distribution", "direct"]

_MODELS: dict[str, Callable[[LayerTrace, Products], list[Cell]]] = {
    "global": global_model,
    "multi-distribution": multi_distribution,
    "direct": direct,
}


def predict_errors(
    trace: Trace, library: MultiplierLibrary, *, grade: Grade = "direct", tables: LayerTables | None = None
) -> ErrorTable:
    """Predict every multiplier's error in every layer.

    Args:
        trace: The layers as seen on calibration images.
        library: The multipliers; each must serve the trace's operand format.
        grade: Which model.
        tables: What each multiplier computes in each layer, where that is more than its table (`dse.variants`).

    Raises:
        InputError: If the grade is unknown, a multiplier does not fit the format, or the tables belong to other multipliers.
    """
    if grade not in _MODELS:
        raise unknown_name("error model", grade, _MODELS)
    products = open_products(trace, library, tables)
    cells = [_MODELS[grade](layer, products.of(l)) for l, layer in enumerate(trace.layers)]
    output_std = np.array([[layer.output_std] for layer in trace.layers])
    return ErrorTable(
        layers=trace.names,
        multipliers=library.names,
        mean=np.array([[cell.mean for cell in row] for row in cells]) / output_std,
        std=np.array([[cell.std for cell in row] for row in cells]) / output_std,
        grade=grade,
        channels=tuple(_channels(row) for row in cells) if grade == "direct" else (),
    )


def _channels(row: Sequence[Cell]) -> ChannelErrors:
    found = [cell.channels for cell in row if cell.channels is not None]
    return ChannelErrors(*(np.array([getattr(c, f.name) for c in found]) for f in fields(ChannelErrors)))
