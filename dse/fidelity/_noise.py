"""Figures of designs in a network of float speed, with the error that the error table predicts injected as noise."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from dse.error_model import ErrorTable
from dse.exceptions import InputError
from dse.nn.arithmetic import FloatArithmetic
from dse.nn.convert import approximable_layers, fake_quantized
from dse.nn.datasets import Part
from dse.nn.layers import ApproxLayer
from dse.nn.tracing import Trace
from dse.objectives import DesignScorer
from dse.types import Assignment, Floats, Population

_BLOCK = 2**20  # draws; layers with more outputs per batch use them again


class PredictedError(nn.Module):
    """Fake-quantised products plus an error, `y + mean[channel] + std * eps`; without gradients.

    Args:
        mean: Error of each output channel `(C,)`, in units of the output.
        std: Std of what varies within channels, in the same unit.
        eps: Standard normal draws `(2^20,)`, the same at every call.
    """

    def __init__(self, mean: Tensor, std: float, eps: Tensor) -> None:
        super().__init__()
        self._mean, self._std, self._eps = mean, std, eps
        self._exact = FloatArithmetic()

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        y: Tensor = self._exact(layer, x).contiguous()
        if self._std:
            for values in y.view(-1).split(len(self._eps)):
                values.add_(self._eps[: len(values)], alpha=self._std)
        return y.add_(self._mean.view(-1, *([1] * layer.trailing_dims)))


class _PredictedErrors:
    """Gives layers the predicted errors of a design; what is exact computes without."""

    def __init__(self, layers: list[ApproxLayer], trace: Trace, errors: ErrorTable, seed: int) -> None:
        device = layers[0].weight.device
        generator = torch.Generator().manual_seed(seed)
        twice = torch.randn(_BLOCK, generator=generator).repeat(2).to(device)
        starts = torch.randint(_BLOCK, (len(layers),), generator=generator).tolist()
        self._layers = layers
        self._made: list[list[nn.Module]] = []
        for l, (layer, start) in enumerate(zip(layers, starts, strict=True)):
            eps = twice[start : start + _BLOCK]
            means, stds = error_moments(errors, l, len(layer.weight))
            scale = trace.layers[l].output_std
            self._made.append(
                [
                    PredictedError(torch.from_numpy(scale * mean).float().to(device), float(scale * std), eps)
                    if std or mean.any()
                    else FloatArithmetic()
                    for mean, std in zip(means, stds, strict=True)
                ]
            )

    def assign(self, assignment: Assignment) -> None:
        for layer, made, choice in zip(self._layers, self._made, assignment.tolist(), strict=True):
            layer.arithmetic = made[choice]

    def groups(self, rows: Population) -> Iterator[slice]:
        yield slice(0, len(rows))


class NoiseSimulator(DesignScorer):
    """Figures of designs whose multipliers' errors are replaced by noise of the predicted mean and std.

    Every layer's output gets `mean + std * eps`, with mean and std of its multiplier from the error table (the mean by
    channel where the table has it; the std is then that within channels, so that both together have the table's). Injected
    noise is Trommer et al.'s (ICCAD 2022); they learn its amount, here it is the prediction. `kl` refers to the same network
    without noise.

    All designs get the same `eps` (common random numbers), so a figure depends on the design alone, and designs that differ
    in one layer differ by that layer's error and not by luck. The draws are made once: a million numbers, which each layer
    reads from another place on. So a pass costs what a pass in floating point costs. Outputs beyond a million per batch,
    batches, and several calls of one layer use the same draws again; the mean over images does not mind.

    What real errors share between positions and images is missing: figures are for ranking.

    Args:
        model: A quantised model; a copy of it is changed.
        part: Images and labels.
        trace: Where the layers' output std stands.
        errors: Predicted errors `(L, M)`.
        seed: Of the draws.

    Raises:
        InputError: If trace or table belong to other layers.
    """

    def __init__(self, model: nn.Module, part: Part, trace: Trace, errors: ErrorTable, *, seed: int = 0) -> None:
        names = tuple(approximable_layers(model))
        if not names == trace.names == errors.layers:
            raise InputError(
                f"noise: expected trace and errors of layers {names}, got those of {trace.names} and {errors.layers}"
            )
        model = copy.deepcopy(model)
        fake_quantized(model)
        prepared = _PredictedErrors(list(approximable_layers(model).values()), trace, errors, seed)
        super().__init__(model, part, prepared, len(errors.multipliers))

    def _make_exact(self) -> None:
        fake_quantized(self._model)


def error_moments(errors: ErrorTable, position: int, channels: int) -> tuple[Floats, Floats]:
    """Return mean by channel `(M, C)` and std within channels `(M,)` of a layer's errors, relative to its output std."""
    std = errors.std[position]
    if not errors.channels:
        return np.repeat(errors.mean[position][:, None], channels, axis=1), std
    mean = errors.channels[position].mean
    return mean, np.sqrt(np.maximum(std**2 - mean.var(axis=1), 0.0))
