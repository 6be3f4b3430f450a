"""Errors of whole layer outputs: the truth that predictions are held against."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dse.error_model._error_table import ErrorTable
from dse.error_model._products import open_products
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary
from dse.nn.convert import approximable_layers
from dse.nn.tracing import Trace, layer_inputs
from dse.variants import LayerTables


def measure_errors(
    model: nn.Module, images: Tensor, trace: Trace, library: MultiplierLibrary, *, tables: LayerTables | None = None
) -> ErrorTable:
    """Measure the same errors on all outputs of `images` `(N, ...)`, each layer fed with the exact network's inputs.

    Raises:
        InputError: If there is no image, or as for `predict_errors`.
    """
    if len(images) == 0:
        raise InputError("measure_errors: expected at least one image, got none")
    inputs = layer_inputs(model, images)
    layers = approximable_layers(model)
    products = open_products(trace, library, tables)
    mean, std = np.zeros((len(layers), len(library))), np.zeros((len(layers), len(library)))
    for l, layer in enumerate(trace.layers):
        rows = torch.cat([layers[layer.name].patches(codes) for codes in inputs[layer.name]])
        exact = products.exact_sums(layer, rows)
        for m, outputs in enumerate(products.of(l).drifts(layer, rows, exact)):
            if outputs is not None:
                mean[l, m], std[l, m] = float(outputs.mean()), float(outputs.std(correction=0))
        mean[l] /= layer.output_std
        std[l] /= layer.output_std
    return ErrorTable(trace.names, library.names, mean, std, grade="measured")
