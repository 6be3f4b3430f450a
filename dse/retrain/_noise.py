"""Predicted errors as noise in training passes, where the multipliers' tables would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dse.error_model import ErrorTable
from dse.exceptions import unknown_name
from dse.fidelity import error_moments
from dse.nn.arithmetic import FloatArithmetic
from dse.nn.convert import approximable_layers, fake_quantized
from dse.nn.layers import ApproxLayer
from dse.types import Assignment, Floats


@dataclass(frozen=True)
class OutputError:
    """The error of a layer's output, relative to the output's std."""

    mean: Floats  # (C,) by output channel
    std: float  # of what varies within channels


class InjectedError(nn.Module):
    """Fake-quantised products plus an error: `y + std(y) * (mean[channel] + std * eps)`, with gradients.

    `eps ~ N(0, 1)` per element and pass, `std(y)` one scalar over the batch through which the gradient flows (Trommer et
    al., ICCAD 2022, arXiv 2208.07265; the mean is a later addition of the authors'). Relative to `y`, so that weights cannot
    grow away from it. Draws from torch's global generator.
    """

    def __init__(self, error: OutputError) -> None:
        super().__init__()
        self._mean, self._std = torch.from_numpy(error.mean).float(), error.std
        self._exact = FloatArithmetic()

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        y: Tensor = self._exact(layer, x)
        mean = self._mean.to(y.device).view(-1, *([1] * layer.trailing_dims))
        return y + y.std(correction=0) * (mean + self._std * torch.randn_like(y))


def predicted_errors(errors: ErrorTable, assignment: Assignment) -> dict[str, OutputError]:
    """Return what the error table predicts for every layer of a design: assignment `(L,)` -> by layer."""
    found = {}
    for position, (name, choice) in enumerate(zip(errors.layers, assignment.tolist(), strict=True)):
        channels = errors.channels[position].mean.shape[1] if errors.channels else 1
        mean, std = error_moments(errors, position, channels)
        found[name] = OutputError(mean[choice], float(std[choice]))
    return found


def inject(model: nn.Module, errors: Mapping[str, OutputError]) -> None:
    """Give every quantised layer fake-quantised products, with the error of `errors` where it names the layer.

    Raises:
        InputError: A name is no approximable layer of the model.
    """
    layers = approximable_layers(model)
    for name in errors:
        if name not in layers:
            raise unknown_name("approximable layer", name, layers)
    fake_quantized(model)
    for name, error in errors.items():
        if error.std or error.mean.any():
            layers[name].arithmetic = InjectedError(error)
