"""Probabilistic error models: the mean and std of the error each multiplier causes at each layer's output.

Errors are approximate minus exact and relative to the layer's output std, the unit of the robustness profile. Scales differ
between output channels when weights are quantised per channel, so every error is scaled to real numbers before pooling.

Three grades predict, one measures:

* `global`: all products of a layer share one pair of operand histograms (methods of Trommer et al., ICCAD 2022, the
  single-distribution case): `std_out = sqrt(K) * s`.
* `multi-distribution`: one activation histogram per receptive field (ICCAD 2022, eq. 15 and 16):
  `std_out = sqrt(K * mean_i(s_i^2) + K^2 * var_i(mu_i))`; the second term is what `global` misses.
* `direct`: sampled receptive fields go through the table with the layer's real weights; also gives the error of every
  output channel and its regression.
* `measured`: whole layer outputs on other images, the truth that the predictions are held against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import InputError, unknown_name
from dse.kernels import LutProduct, LutTable
from dse.multipliers import MultiplierLibrary
from dse.nn.convert import approximable_layers
from dse.nn.tracing import LayerTrace, Trace, layer_inputs
from dse.types import Floats, Table
from dse.variants import LayerTables, plain_tables

Grade = Literal["global", "multi-distribution", "direct"]

_FIELDS_AT_ONCE = 4096  # histograms of 256 doubles each: 8 MiB


@dataclass(frozen=True)
class ChannelErrors:
    """Errors of one layer by output channel, from the direct model; C channels."""

    mean: Floats  # (M, C) relative to the layer's output std
    slope: Floats  # (M, C) least-squares slope of the exact output on the approximate one: 1 where there is no error
    offset: Floats  # (M, C) its intercept, relative to the layer's output std
    residual: Floats  # (M, C) std of what this line leaves, of the error itself where the slope is not positive; likewise


@dataclass(frozen=True)
class ErrorTable:
    """Mean and std of the output error, relative to the layer's output std."""

    layers: tuple[str, ...]
    multipliers: tuple[str, ...]
    mean: Floats  # (L, M)
    std: Floats  # (L, M)
    grade: str
    channels: tuple[ChannelErrors, ...] = ()  # one per layer, only from the direct model

    @property
    def rms(self) -> Floats:
        """Root mean square error `(L, M)`: what an uncompensated layer suffers."""
        return np.hypot(self.mean, self.std)


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
    products = _products(trace, library, tables)
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
    products = _products(trace, library, tables)
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


@dataclass(frozen=True)
class Agreement:
    """How well predicted standard deviations agree with measured ones over all layers and approximate multipliers."""

    # correlation of log std over the cells where both are positive; None below 3 cells or where one does not vary
    pearson_log_std: float | None
    median_relative_error: float | None  # of |predicted - measured| / measured; None without cells
    p90_relative_error: float | None
    cells: int  # cells with a measured error
    cells_without_prediction: int  # cells measured > 0 but predicted 0: counted as 100 % error, outside the correlation


def agreement(predicted: ErrorTable, measured: ErrorTable) -> Agreement:
    """Compare two error tables of the same layers and multipliers, over the cells whose measured std is positive."""
    truth = measured.std[measured.std > 0]
    guess = predicted.std[measured.std > 0]
    positive = guess > 0
    relative = np.abs(guess - truth) / truth
    pearson = None
    if positive.sum() >= 3 and np.ptp(guess[positive]) > 0 and np.ptp(truth[positive]) > 0:
        pearson = float(np.corrcoef(np.log(guess[positive]), np.log(truth[positive]))[0, 1])
    return Agreement(
        pearson_log_std=pearson,
        median_relative_error=float(np.median(relative)) if truth.size else None,
        p90_relative_error=float(np.quantile(relative, 0.9)) if truth.size else None,
        cells=int(truth.size),
        cells_without_prediction=int((~positive).sum()),
    )


@dataclass(frozen=True)
class _Cell:
    """Error of one multiplier in one layer, in real units of the layer's output."""

    mean: float
    std: float
    channels: ChannelErrors | None = None  # rows of one multiplier, direct model only


class _Products:
    """What choices compute, and what they should: tables are shared by all layers, errors made one at a time."""

    def __init__(self, tables: LayerTables, exact: Table, layer: int = 0) -> None:
        self._tables = tables
        self._exact = exact
        self._layer = layer
        self._luts: dict[int, LutTable] = {}  # by place in the tables; -1: exact products

    def of(self, layer: int) -> _Products:
        """Return the same for a layer by position."""
        one = _Products(self._tables, self._exact, layer)
        one._luts = self._luts
        return one

    @property
    def w_values(self) -> NDArray[np.int64]:
        """The value of every weight code `(2^Bw,)`: its product with 1."""
        return self._exact[1].astype(np.int64)

    def errors(self) -> Iterator[Table]:
        """Yield the error table `(256, 2^Bw)` of each choice."""
        for m in range(len(self._tables)):
            table = self._tables.table(self._layer, m)
            yield np.zeros_like(self._exact) if table is None else table - self._exact

    def exact_sums(self, layer: LayerTrace, patches: Tensor) -> Tensor:
        """Return the sums of exact products: patches `(R, G, K)` -> `(R, G, N)` int64."""
        return self._sums(-1, self._exact, layer.w_codes, patches)

    def drifts(self, layer: LayerTrace, patches: Tensor, exact: Tensor) -> Iterator[Tensor | None]:
        """Yield the error of all outputs in real units, `(R, G, N)` float64, for each choice; None: no error at all."""
        scale = torch.from_numpy(layer.scale)
        for m in range(len(self._tables)):
            place = int(self._tables.circuit[m])
            table, codes = self._tables.tables[place], self._tables.codes(self._layer, m)
            if table is None:
                yield None
                continue
            sums = self._sums(place, table, layer.w_codes if codes is None else codes[layer.w_codes], patches)
            yield sums.sub_(exact) * scale

    def _sums(self, place: int, table: Table, w_codes: NDArray[np.int16], patches: Tensor) -> Tensor:
        if place not in self._luts:
            self._luts[place] = LutTable(torch.from_numpy(table.copy()))
        return LutProduct(torch.from_numpy(w_codes), self._luts[place])(patches).long()


def _products(trace: Trace, library: MultiplierLibrary, tables: LayerTables | None) -> _Products:
    tables = plain_tables(library, trace.operands) if tables is None else tables
    if len(tables) != len(library):
        raise InputError(f"tables: expected those of {len(library)} multipliers, got {len(tables)}")
    return _Products(tables, trace.operands.exact)


def _global(layer: LayerTrace, products: _Products) -> list[_Cell]:
    cells = []
    for error in products.errors():
        first, second = _weight_moments(layer, error)
        mu = layer.x_histogram @ first
        variance = max(float(layer.x_histogram @ second - mu**2), 0.0)
        cells.append(_Cell(float(layer.fan_in * mu), float(np.sqrt(layer.fan_in * variance))))
    return cells


def _multi_distribution(layer: LayerTrace, products: _Products) -> list[_Cell]:
    """The mean over fields of `mu_i^2` and its variance are quadratic forms: two small matrices stand for all fields."""
    mean, covariance = _field_moments(layer.patches)
    cells = []
    for error in products.errors():
        first, second = _weight_moments(layer, error)
        mu = mean @ first
        spread = max(float(first @ covariance @ first), 0.0)  # var_i(mu_i)
        variance = max(float(mean @ second - mu**2) - spread, 0.0)  # mean_i(s_i^2)
        cells.append(_Cell(float(layer.fan_in * mu), float(np.sqrt(layer.fan_in * variance + layer.fan_in**2 * spread))))
    return cells


def _direct(layer: LayerTrace, products: _Products) -> list[_Cell]:
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
        cells.append(_Cell(float(drift.mean()), float(drift.std()), channels))
    return cells


_MODELS: dict[str, Callable[[LayerTrace, _Products], list[_Cell]]] = {
    "global": _global,
    "multi-distribution": _multi_distribution,
    "direct": _direct,
}


def _channels(row: Sequence[_Cell]) -> ChannelErrors:
    found = [cell.channels for cell in row if cell.channels is not None]
    return ChannelErrors(*(np.array([getattr(c, f.name) for c in found]) for f in fields(ChannelErrors)))


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
