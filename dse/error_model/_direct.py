"""The direct model: sampled receptive fields go through the table with the layer's real weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dse.error_model._cell import Cell
from dse.error_model._error_table import ChannelErrors
from dse.error_model._products import Products
from dse.nn.tracing import LayerTrace
from dse.types import Floats


def direct(layer: LayerTrace, products: Products) -> list[Cell]:
    """Return mean and std over the sampled outputs of all channels, and each channel's error and regression."""
    patches = torch.from_numpy(layer.patches)
    sums = products.exact_sums(layer, patches)
    outputs = _exact_outputs(layer, sums.numpy(), products.w_values)
    cells = []
    for found in products.drifts(layer, patches, sums):
        drift = np.zeros_like(outputs) if found is None else found.flatten(1).numpy()
        slope, offset = _regress(outputs, outputs + drift)
        line = slope * (outputs + drift) + offset
        residual = np.where(slope > 0, (outputs - line).std(0), drift.std(0))
        channels = ChannelErrors(
            drift.mean(0) / layer.output_std, slope, offset / layer.output_std, residual / layer.output_std
        )
        cells.append(Cell(float(drift.mean()), float(drift.std()), channels))
    return cells


def _exact_outputs(layer: LayerTrace, sums: NDArray[np.int64], w_values: NDArray[np.int64]) -> Floats:
    """Return the exact real outputs `(S, C)` of the sampled receptive fields, zero points taken out."""
    x_sum = layer.patches.sum(-1, dtype=np.int64)[:, :, None]
    w_sum = w_values[layer.w_codes].sum(1)
    constant = layer.x_zero_point * (layer.fan_in * layer.w_zero_point - w_sum)
    return ((sums - layer.w_zero_point * x_sum + constant) * layer.scale).reshape(len(sums), -1)


def _regress(target: Floats, given: Floats) -> tuple[Floats, Floats]:
    """Return slope and intercept `(C,)` of `target ~ slope * given + offset`, channel by channel; (S, C) each.

    A channel whose approximate output does not vary tells nothing: slope 0 and the target's mean.
    """
    centred = given - given.mean(0)
    spread = (centred**2).sum(0)
    slope = np.where(spread > 0, (centred * (target - target.mean(0))).sum(0) / np.where(spread > 0, spread, 1.0), 0.0)
    return slope, target.mean(0) - slope * given.mean(0)
