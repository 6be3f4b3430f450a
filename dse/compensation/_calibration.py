"""Corrections that need the simulated network: each layer is adjusted on what the adjusted layers before it give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dse.compensation._folded import statistics
from dse.exceptions import InputError
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import quantized_layers
from dse.nn.layers import ApproxLayer, Correction
from dse.nn.training import device_of, evaluating, threads_for

SCALE_RANGE = (0.125, 8.0)  # of moment matching: a std that is off by more says that a channel is broken, not stretched
_CONSTANT = 1e-6  # a std this small relative to the mean is rounding


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and population std of each channel over images and positions."""

    mean: Tensor  # (C,) float64
    std: Tensor  # (C,) float64


def output_moments(model: nn.Module, images: Tensor) -> dict[str, Moments]:
    """Return the moments of every quantised layer's output before correction and bias, as the model now computes.

    Of a layer that is called several times, those of its first call; of one that is not reached, none.

    Args:
        model: A quantised model.
        images: `(N, ...)`; they pass in one batch.

    Raises:
        InputError: If there is no image.
    """
    found: dict[ApproxLayer, Moments] = {}
    with _watching(model, lambda layer, y: found.update({layer: _moments(y, -1 - layer.trailing_dims)})):
        _pass(model, images)
    return {name: found[layer] for name, layer in quantized_layers(model).items() if layer in found}


def calibrate(
    model: nn.Module, images: Tensor, *, targets: Mapping[str, Moments] | None = None, batch_norm: bool = False
) -> None:
    """Adjust a simulated network to what it computes, layer by layer in the course of one forward pass.

    A layer is adjusted when the pass reaches it, from the whole batch, and passes on its adjusted output. So the layers
    before it are final by then, and it depends on their choices and its own, on no later one. What comes before the first
    approximate layer computes what the exact network computes and stays as it is, in the exact design all.

    With `targets`, each layer gets the scale and offset that give its output before the bias these means and stds: the
    empirical bias correction of Nagel et al. (ICCV 2019), which meets the means, for the std as well. A channel that does
    not vary keeps scale 1, others are limited to `SCALE_RANGE`; means are met in any case.
    With `batch_norm`, each BatchNorm gets the mean and population variance of its input, no moving average.

    Args:
        model: A quantised model with the arithmetic of a design, changed in place.
        images: Calibration images `(N, ...)`; they pass in one batch.
        targets: Moments of the exact network on the same images, by layer (`output_moments`).
        batch_norm: Whether BatchNorms are adjusted.

    Raises:
        InputError: If there is no image.
    """
    names = {layer: name for name, layer in quantized_layers(model).items()}
    begun = False

    def match(layer: ApproxLayer, y: Tensor) -> None:
        nonlocal begun
        begun = begun or _approximates(layer)
        if begun and targets is not None and names[layer] in targets:
            layer.correction = _matching(_moments(y, -1 - layer.trailing_dims), targets[names[layer]])

    with _watching(model, match), _estimating(model if batch_norm else nn.Module(), lambda: begun):
        _pass(model, images)


def _approximates(layer: ApproxLayer) -> bool:
    """Return whether a layer multiplies through a table that is not that of exact products."""
    table = layer.arithmetic.table if isinstance(layer.arithmetic, IntegerArithmetic) else None
    return table is not None and not np.array_equal(table.lut.cpu().numpy(), layer.operands.exact)


def _matching(found: Moments, target: Moments) -> Correction:
    """Return the correction that gives outputs of the moments `found` the moments `target`."""
    varies = found.std > _CONSTANT * found.mean.abs()
    scale = torch.where(varies, target.std / found.std, 1.0).clamp(*SCALE_RANGE)
    return Correction(scale.float(), (target.mean - scale.float() * found.mean).float())


def _moments(y: Tensor, dim: int) -> Moments:
    """Return the moments of `y` along all dimensions but `dim`.

    One channel at a time, for float64 copies are large; `torch.var_mean` takes three times as long. In one thread, since the
    last bits of a sum depend on their number.
    """
    means, variances = [], []
    with threads_for(0):
        for channel in y.detach().unbind(dim):
            values = channel.double().flatten()
            means.append(values.mean())
            centred = values - means[-1]
            variances.append(centred.dot(centred) / len(centred))
    return Moments(torch.stack(means), torch.stack(variances).sqrt())


def _pass(model: nn.Module, images: Tensor) -> None:
    if len(images) == 0:
        raise InputError("compensation: expected at least one calibration image, got none")
    with evaluating(model, images.numel()):
        model(images.to(device_of(model), copy=True))  # the network may write to its input


@contextmanager
def _watching(model: nn.Module, see: Callable[[ApproxLayer, Tensor], None]) -> Iterator[None]:
    """Call `see` with each quantised layer and its output before correction and bias, at its first call.

    The layer looks for its correction afterwards, so `see` may set it.
    """
    waiting = set(quantized_layers(model).values())

    def hook(arithmetic: nn.Module, inputs: tuple[Any, ...], y: Tensor) -> None:
        layer = inputs[0]
        if layer in waiting:
            waiting.remove(layer)
            see(layer, y)

    with _hooked(module.register_forward_hook(hook) for module in {layer.arithmetic for layer in waiting}):
        yield


@contextmanager
def _estimating(model: nn.Module, begun: Callable[[], bool]) -> Iterator[None]:
    """Give each BatchNorm the statistics of what it is first called with, once there is something to compensate."""
    waiting = {model.get_submodule(name): buffers for name, buffers in statistics(model).items()}

    def hook(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        if norm in waiting:
            mean, variance = waiting.pop(norm)
            if not begun():
                return
            found = _moments(inputs[0], 1)
            mean.copy_(found.mean)
            variance.copy_(found.std**2)

    with _hooked(norm.register_forward_pre_hook(hook) for norm in list(waiting)):
        yield


@contextmanager
def _hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    held = list(handles)
    try:
        yield
    finally:
        for handle in held:
            handle.remove()
