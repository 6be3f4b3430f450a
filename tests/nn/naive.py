"""The quantised layers once more, from their definition: numpy and Python integers, loops over positions and taps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.nn.arithmetic import FloatArithmetic
from dse.nn.layers import ApproxConv2d, ApproxLayer, ApproxLinear
from dse.nn.quantizers import ActivationQuantizer, Granularity, WeightQuantizer
from dse.operands import FORMATS, OperandFormat

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# name: values of activations, values of weights, bits of a weight's code; zero points where the range starts at 0
RANGES = {"sm8": ((0, 255), (-255, 255), 9), "u8": ((0, 255), (0, 255), 8), "s8": ((-127, 127), (-127, 127), 8)}


@dataclass(frozen=True)
class Quantized:
    """Integers of a tensor; `scale` and `zero_point` broadcast against `values`."""

    values: Ints
    codes: Ints
    scale: Floats
    zero_point: Ints


def quantize_activation(x: Floats, low: float, high: float, name: str) -> Quantized:
    """Quantise `x` per tensor for the real range `low..high`, which contains 0."""
    bounds = RANGES[name][0]
    scale, zero = _affine(low, high, bounds)
    return _integers(x, scale, zero, bounds, bits=8)


def quantize_weight(weight: Floats, name: str, granularity: Granularity) -> Quantized:
    """Quantise `weight` (C, ...) by its extreme values, one scale for all or one per channel."""
    _, bounds, bits = RANGES[name]
    channels = [weight] if granularity == "per-tensor" else list(weight)
    parameters = [_affine(min(c.min(), 0), max(c.max(), 0), bounds) for c in channels]
    parameters *= len(weight) // len(parameters)
    parts = [_integers(c, *p, bounds, bits) for c, p in zip(weight, parameters, strict=True)]
    return Quantized(*(np.stack([getattr(part, field) for part in parts]) for field in Quantized.__annotations__))


def _affine(low: float, high: float, bounds: tuple[int, int]) -> tuple[Floats, Ints]:
    if bounds[0] == 0:
        scale = np.float32((high - low) / bounds[1])
        return scale, np.int64(np.rint(-low / scale))
    return np.float32(max(high, -low) / bounds[1]), np.int64(0)


def _integers(x: Floats, scale: Floats, zero: Ints, bounds: tuple[int, int], bits: int) -> Quantized:
    values = np.clip(np.rint(x / scale).astype(np.int64) + zero, *bounds)
    return Quantized(values, values % 2**bits, scale, zero)


def corrected_sum(x: list[tuple[int, int]], w: list[tuple[int, int]], zx: int, zw: int, lut: list[list[int]]) -> int:
    """Sum the products of (value, code) pairs through the table, each with its zero points taken out."""
    total = 0
    for (x_value, x_code), (w_value, w_code) in zip(x, w, strict=True):
        total += lut[x_code][w_code] - zx * w_value - zw * x_value + zx * zw
    return total


def conv_sums(x: Quantized, w: Quantized, lut: Ints, conv: nn.Conv2d) -> Ints:
    """Return the corrected sums `(B, N, H, W)` of a convolution; zero padding is an operand like any other."""
    left, right, top, bottom = zero_padding(conv)
    (th, tw), (dh, dw), (kh, kw) = conv.stride, conv.dilation, conv.kernel_size
    zx = int(x.zero_point)
    padded = [
        np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill).tolist()
        for a, fill in ((x.values, zx), (x.codes, zx % 256))
    ]
    height, width = x.values.shape[2] + top + bottom, x.values.shape[3] + left + right
    rows, columns = (height - dh * (kh - 1) - 1) // th + 1, (width - dw * (kw - 1) - 1) // tw + 1
    batch, channels = len(x.values), len(w.values)
    per_group = conv.in_channels // conv.groups
    table = lut.tolist()
    out = np.zeros((batch, channels, rows, columns), dtype=np.int64)
    taps = [(c, i, j) for c in range(per_group) for i in range(kh) for j in range(kw)]
    for n in range(channels):
        group = n // (channels // conv.groups)
        weights = [(int(w.values[n][t]), int(w.codes[n][t])) for t in taps]
        for b, row, column in np.ndindex(batch, rows, columns):
            places = [(b, group * per_group + c, row * th + i * dh, column * tw + j * dw) for c, i, j in taps]
            operands = [(padded[0][b][c][y][z], padded[1][b][c][y][z]) for b, c, y, z in places]
            out[b, n, row, column] = corrected_sum(operands, weights, zx, int(w.zero_point[n]), table)
    return out


def linear_sums(x: Quantized, w: Quantized, lut: Ints) -> Ints:
    """Return the corrected sums `(..., N)` of a linear layer."""
    shape = x.values.shape[:-1]
    out = np.zeros((*shape, len(w.values)), dtype=np.int64)
    table = lut.tolist()
    for place in np.ndindex(*shape):
        operands = list(zip(x.values[place].tolist(), x.codes[place].tolist(), strict=True))
        for n in range(len(w.values)):
            weights = list(zip(w.values[n].tolist(), w.codes[n].tolist(), strict=True))
            out[(*place, n)] = corrected_sum(operands, weights, int(x.zero_point), int(w.zero_point[n]), table)
    return out


def zero_padding(conv: nn.Conv2d) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom) of zero padding; other modes are applied to the real input beforehand."""
    return padding(conv) if conv.padding_mode == "zeros" else (0, 0, 0, 0)


def padding(conv: nn.Conv2d) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom); an odd total of 'same' has its surplus at the right and at the bottom."""
    if conv.padding == "valid":
        return 0, 0, 0, 0
    if conv.padding == "same":
        height, width = (d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
        return width // 2, width - width // 2, height // 2, height - height // 2
    height, width = conv.padding
    return width, width, height, height


def padded_input(x: Floats, conv: nn.Conv2d) -> Floats:
    """Return the input with reflect, circular or replicate padding applied."""
    if conv.padding_mode == "zeros":
        return x
    left, right, top, bottom = padding(conv)
    mode = {"reflect": "reflect", "circular": "wrap", "replicate": "edge"}[conv.padding_mode]
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=mode)


def dequantized(sums: Ints, x: Quantized, w: Quantized, bias: Tensor | None, channel_axis: int) -> Floats:
    """Return `s_x * s_w * sums + bias` in float32."""
    shape = [1] * sums.ndim
    shape[channel_axis] = -1
    real = sums.astype(np.float32) * (x.scale * w.scale).astype(np.float32).reshape(shape)
    return real if bias is None else real + bias.detach().numpy().reshape(shape)


def random_table(operands: OperandFormat, seed: int = 0) -> NDArray[np.int32]:
    """Return a table that is wrong everywhere, not symmetric, and not zero where an operand is."""
    shape = (256, 2**operands.w_bits)
    return np.random.default_rng(seed).integers(-70_000, 70_000, shape).astype(np.int32)


def layer(
    original: nn.Conv2d | nn.Linear,
    name: str,
    granularity: Granularity = "per-channel",
    low: float = -1,
    high: float = 2,
) -> ApproxLayer:
    """Return the quantised layer for inputs in `low..high`, in floating-point arithmetic."""
    quantizers = ActivationQuantizer(FORMATS[name], low, high), WeightQuantizer(FORMATS[name], granularity)
    kind = ApproxConv2d if isinstance(original, nn.Conv2d) else ApproxLinear
    return kind(original, *quantizers, FloatArithmetic(), approximable=True, position=0)  # type: ignore[arg-type]


def inputs(*shape: int, seed: int = 0, low: float = -1.3, high: float = 2.3) -> Tensor:
    """Return real inputs, by default reaching a little beyond the range of `layer`."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * (high - low) + low
