"""The two models from histograms of operands: `global` and `multi-distribution` (ICCAD 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.error_model._cell import Cell
from dse.error_model._products import Products
from dse.nn.tracing import LayerTrace
from dse.types import Floats, Table

_FIELDS_AT_ONCE = 4096  # histograms of 256 doubles each: 8 MiB


def global_model(layer: LayerTrace, products: Products) -> list[Cell]:
    """K independent errors, each drawn from one pair of histograms: `K mu` and `sqrt(K) s` (single-distribution case)."""
    cells = []
    for error in products.errors():
        first, second = _weight_moments(layer, error)
        mu = layer.x_histogram @ first
        variance = max(float(layer.x_histogram @ second - mu**2), 0.0)
        cells.append(Cell(float(layer.fan_in * mu), float(np.sqrt(layer.fan_in * variance))))
    return cells


def multi_distribution(layer: LayerTrace, products: Products) -> list[Cell]:
    """The mean over fields of `mu_i^2` and its variance are quadratic forms: two small matrices stand for all fields."""
    mean, covariance = _field_moments(layer.patches)
    cells = []
    for error in products.errors():
        first, second = _weight_moments(layer, error)
        mu = mean @ first
        spread = max(float(first @ covariance @ first), 0.0)  # var_i(mu_i)
        variance = max(float(mean @ second - mu**2) - spread, 0.0)  # mean_i(s_i^2)
        cells.append(Cell(float(layer.fan_in * mu), float(np.sqrt(layer.fan_in * variance + layer.fan_in**2 * spread))))
    return cells


def _weight_moments(layer: LayerTrace, error: Table) -> tuple[Floats, Floats]:
    """Return first and second moment of the scaled error over the layer's weights, for every activation code: `(256,)`.

    Each weight counts with its own channel's scale: the pooled histogram of the paper, weighted.
    """
    scale = np.broadcast_to(layer.scale[:, None, :], layer.w_codes.shape).ravel()
    codes = layer.w_codes.ravel()
    levels = error.shape[1]
    first = np.bincount(codes, weights=scale, minlength=levels) / codes.size
    second = np.bincount(codes, weights=scale**2, minlength=levels) / codes.size
    return error @ first, (error.astype(np.float64) ** 2) @ second


def _field_moments(patches: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return mean `(256,)` and covariance `(256, 256)` of the activation histograms of all receptive fields.

    Patches `(S, G, K)`: one field for each sample and group, its histogram sums to 1.
    """
    rows = patches.reshape(-1, patches.shape[-1])
    depth = rows.shape[1]
    mean = np.bincount(rows.ravel(), minlength=256) / rows.size
    covariance = np.zeros((256, 256))
    for start in range(0, len(rows), _FIELDS_AT_ONCE):  # depthwise layers have hundreds of thousands of fields
        block = rows[start : start + _FIELDS_AT_ONCE]
        flat = block + 256 * np.arange(len(block))[:, None]
        centred = np.bincount(flat.ravel(), minlength=256 * len(block)).reshape(-1, 256) / depth - mean
        covariance += centred.T @ centred
    return mean, covariance / len(rows)
