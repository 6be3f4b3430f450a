"""One pass of calibration images through the exact quantised network: what every later step needs to know of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import approximable_layers, quantized_layers, simulate
from dse.nn.layers import ApproxLayer
from dse.operands import OperandFormat, operand_format

TRACE_IMAGES = 128  # the number the AGN code draws (methods of ICCAD 2022); one batch


@dataclass(frozen=True)
class LayerTrace:
    """One approximable layer as seen by its multipliers."""

    name: str
    op_count: int  # multiplications for one image
    w_codes: NDArray[np.int16]  # (G, K, N)
    scale: NDArray[np.float64]  # (G, N) real value of one unit of the accumulator, per output channel
    output_std: float  # std of the layer's real output before the bias, over images, positions and channels
    patches: NDArray[np.uint8]  # (S, G, K) operands of S output positions, drawn with replacement
    x_histogram: NDArray[np.float64]  # (256,) share of each activation code over all patches, sums to 1
    x_zero_point: int  # value that stands for 0
    w_zero_point: NDArray[np.int64]  # (G, N)

    @property
    def fan_in(self) -> int:
        """Products summed into one output, `K`."""
        return self.w_codes.shape[1]


@dataclass(frozen=True)
class LayerShape:
    """How the products of one quantised layer hang together, for one image."""

    name: str
    op_count: int  # multiplications
    fan_in: int  # products summed into one output, `K`
    channels: int  # output channels that read the same activations: those of a group, `N`
    positions: int  # output positions that use the same weights, over all calls of the layer


@dataclass(frozen=True)
class Trace:
    """What the calibration images showed of all approximable layers, in forward order."""

    layers: tuple[LayerTrace, ...]
    format: str  # key of dse.operands.FORMATS
    shapes: tuple[LayerShape, ...]  # of all quantised layers that the images reached, also of those that stay exact
    n_images: int

    @property
    def names(self) -> tuple[str, ...]:
        """Qualified names of the layers `(L,)`."""
        return tuple(layer.name for layer in self.layers)

    @property
    def op_counts(self) -> NDArray[np.int64]:
        """Multiplications for one image, `(L,)`."""
        return np.array([layer.op_count for layer in self.layers], dtype=np.int64)

    @property
    def x_histograms(self) -> NDArray[np.float64]:
        """Share of each activation code in each layer, `(L, 256)`."""
        return np.array([layer.x_histogram for layer in self.layers])

    @property
    def fixed_op_count(self) -> int:
        """Multiplications for one image in layers that stay exact."""
        names = set(self.names)
        return sum(shape.op_count for shape in self.shapes if shape.name not in names)

    @property
    def operands(self) -> OperandFormat:
        """The operand format of all layers."""
        return operand_format(self.format)


def trace(model: nn.Module, images: Tensor, *, patches: int = 512, seed: int = 0) -> Trace:
    """Run `images` through the exact quantised network and record every approximable layer.

    Args:
        model: A quantised model; its arithmetic is exact integer arithmetic afterwards.
        images: Calibration images `(N, ...)`; the first `TRACE_IMAGES` are used, in one batch.
        patches: Output positions drawn per layer, uniformly and with replacement.
        seed: Seed of that drawing.

    Raises:
        InputError: If there is no image, the model is not quantised, or a layer is not reached.
    """
    images = images[:TRACE_IMAGES]
    if len(images) == 0:
        raise InputError("calibration: expected at least one image, got none")
    inputs = layer_inputs(model, images)
    rng = np.random.default_rng(seed)
    traced = tuple(
        _trace_layer(name, layer, inputs[name], len(images), patches, rng)
        for name, layer in approximable_layers(model).items()
    )
    shapes = tuple(
        _shape(name, layer, inputs[name], len(images))
        for name, layer in quantized_layers(model).items()
        if inputs[name]
    )
    return Trace(traced, next(iter(approximable_layers(model).values())).operands.name, shapes, len(images))


def layer_inputs(model: nn.Module, images: Tensor) -> dict[str, list[Tensor]]:
    """Return the input codes (uint8) of every quantised layer of the exact network, one tensor per call of the layer.

    Raises:
        InputError: If the model is not quantised, or an approximable layer is not reached.
    """
    simulate(model)
    inputs: dict[str, list[Tensor]] = {name: [] for name in quantized_layers(model)}

    def record(store: list[Tensor], layer: ApproxLayer, args: tuple[Any, ...]) -> None:
        store.append(layer.x_quantizer.codes(layer.prepare(args[0])))

    hooks = [
        layer.register_forward_pre_hook(partial(record, inputs[name]))
        for name, layer in quantized_layers(model).items()
    ]
    try:
        with torch.inference_mode():
            model.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    for name in approximable_layers(model):
        if not inputs[name]:
            raise InputError(
                f"layer '{name}' is not reached by the images; is it called through a list or another unregistered name? "
                "Register it once, or leave it out with layers.exclude"
            )
    return inputs


def _op_count(layer: ApproxLayer, inputs: list[Tensor], n_images: int) -> int:
    weights_per_position = layer.weight.numel()  # every output position multiplies each weight once
    return sum(len(layer.patches(codes)) for codes in inputs) * weights_per_position // n_images


def _shape(name: str, layer: ApproxLayer, inputs: list[Tensor], n_images: int) -> LayerShape:
    op_count = _op_count(layer, inputs, n_images)
    positions = max(1, op_count // layer.weight.numel())  # a layer may see fewer rows than there are images
    return LayerShape(name, op_count, layer.fan_in, len(layer.weight) // layer.groups, positions)


def _trace_layer(
    name: str, layer: ApproxLayer, inputs: list[Tensor], n_images: int, n_patches: int, rng: np.random.Generator
) -> LayerTrace:
    rows = torch.cat([layer.patches(codes) for codes in inputs])
    exact = IntegerArithmetic(layer)
    scale = (layer.x_quantizer.scale * layer.matrices().scale).double()
    outputs = torch.cat([exact.sums(layer, codes) for codes in inputs]) * scale
    weight = layer.matrices()
    drawn = torch.from_numpy(rng.integers(0, len(rows), n_patches))
    return LayerTrace(
        name=name,
        op_count=_op_count(layer, inputs, n_images),
        w_codes=weight.codes.numpy(),
        scale=scale.numpy(),
        output_std=float(outputs.std(correction=0)),
        patches=rows[drawn].numpy(),
        x_histogram=torch.bincount(rows.flatten(), minlength=256).double().div(rows.numel()).numpy(),
        x_zero_point=int(layer.x_quantizer.zero_point),
        w_zero_point=weight.zero_point.long().numpy(),
    )
