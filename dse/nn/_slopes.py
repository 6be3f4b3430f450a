"""From an output gradient to the gradients of a layer's rounded operands, by estimates of the multiplier's slope.

With integers `x`, `w`, zero points `zx`, `zw[n]`, scales `sx`, `sw[n]` and the table `L` a layer computes

    y[m, n] = sx sw[n] sum_k (L[x[m, k], w[k, n]] - zw[n] x[m, k] - zx w[k, n] + zx zw[n]).

Rounding is passed straight through, so an integer moves by `1 / s` for each real unit:

    dy[m, n] / dx_real[m, k] = sw[n] (dL/dx - zw[n]),        dy[m, n] / dw_real[k, n] = sx (dL/dw - zx).

With the exact slopes `dL/dx = w` and `dL/dw = x` the right sides are the rounded operands of the float product. Slopes that
depend on the same operand as the exact ones take its place there, at no further cost.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.kernels import TableGradient
from dse.nn._pullback import input_gradient, weight_gradient
from dse.nn.layers import ApproxLayer

Needs = tuple[bool, bool]  # whether the gradients of the input and of the weight are wanted
Gradients = tuple[Tensor | None, Tensor | None]  # of the input and of the weight, None where not wanted


class Estimate(Protocol):
    """An estimate of the multiplier's slopes, for one layer's table."""

    def __call__(self, layer: ApproxLayer, grad: Tensor, steps: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        """Return the gradients of the rounded operands; clipping is none of its business.

        Args:
            layer: The layer.
            grad: Gradient of its output before the bias, float32.
            steps: Its input after `ApproxLayer.prepare`, as `ActivationQuantizer.steps`.
            weight: Its weight, not rounded: rounding a rounded weight again could move its scale.
            needs: Which of the two gradients are wanted.
        """


def straight_through(layer: ApproxLayer, grad: Tensor, steps: Tensor, weight: Tensor, needs: Needs) -> Gradients:
    """The slopes of the exact product, whatever the table says (Bengio et al., arXiv 1308.3432)."""
    return (
        input_gradient(layer, grad, steps, layer.w_quantizer.fake(weight)) if needs[0] else None,
        weight_gradient(layer, grad, layer.x_quantizer.real(steps), weight) if needs[1] else None,
    )


class StraightThrough:
    """The slopes of the exact product, but none beyond the range at which a table clips its operands.

    Beyond that (`dse.multipliers.clipped`) all codes give one product: the operand that moves has no slope there, and the
    one at rest counts as where it was clipped.

    Args:
        lut: Table `(256, 2^Bw)` int32, by code.
        x_values, w_values: Value of each code.
    """

    def __init__(self, lut: NDArray[np.integer], x_values: NDArray[np.int64], w_values: NDArray[np.int64]) -> None:
        self._x, self._w = clipped_at(lut, x_values), clipped_at(lut.T, w_values)

    def __call__(self, layer: ApproxLayer, grad: Tensor, steps: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        if self._x == self._w == math.inf:
            return straight_through(layer, grad, steps, weight, needs)
        quantized = layer.w_quantizer.quantize(weight)
        scale, zero = column(quantized.scale, weight), column(quantized.zero_point, weight)
        to_x = to_weight = None
        if needs[0]:
            to_x = input_gradient(layer, grad, steps, (quantized.values.clamp(-self._w, self._w) - zero) * scale)
            if self._x < math.inf:  # the zero point's product stands outside the table, and is not clipped
                affine = layer.operands.w_affine and zero.any()
                outside = input_gradient(layer, grad, steps, (-zero * scale).expand_as(weight)) if affine else 0.0
                to_x = torch.where(steps.abs() > self._x, outside, to_x)
        if needs[1]:
            to_weight = weight_gradient(layer, grad, layer.x_quantizer.real(steps.clamp(-self._x, self._x)), weight)
            if self._w < math.inf:
                outside = at_zero_activations(layer, grad, torch.zeros_like(weight))
                to_weight = torch.where(quantized.values.abs() > self._w, outside, to_weight)
        return to_x, to_weight


def clipped_at(lut: NDArray[np.integer], values: NDArray[np.int64]) -> float:
    """Return the value from which on a table's rows are equal, infinity where it does not clip its first operand.

    A circuit that leaves out low bits has steps of equal rows everywhere; the last one counts as clipped where it is more
    than twice as long as the one before.
    """
    rows = lut[np.argsort(values)]
    starts = np.flatnonzero(np.append(True, (rows[1:] != rows[:-1]).any(axis=1)))
    *_, before, last = 0, 0, *starts.tolist()
    return float(np.sort(values)[last]) if last and len(rows) - last > 2 * (last - before) else math.inf


class OneDimensional:
    """Slopes that depend on the operand at rest only: LUT-1D after Meng et al., arXiv 2509.10519."""

    def __init__(self, slopes: TableGradient) -> None:
        self._x, self._w = torch.from_numpy(slopes.x1d), torch.from_numpy(slopes.w1d)

    def __call__(self, layer: ApproxLayer, grad: Tensor, steps: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        return (
            input_gradient(layer, grad, steps, self._instead_of_weight(layer, weight)) if needs[0] else None,
            self._to_weight(layer, grad, steps, weight) if needs[1] else None,
        )

    def _instead_of_weight(self, layer: ApproxLayer, weight: Tensor) -> Tensor:
        quantized = layer.w_quantizer.quantize(weight)
        slopes = self._x.to(weight.device)[quantized.values % len(self._x)]
        return (slopes - column(quantized.zero_point, weight)) * column(quantized.scale, weight)

    def _to_weight(self, layer: ApproxLayer, grad: Tensor, steps: Tensor, weight: Tensor) -> Tensor:
        slopes = self._w.to(grad.device)
        at_zero = slopes[zero_code(layer)]
        codes = layer.x_quantizer.codes_of(steps).flatten().to(torch.int32)
        instead_of_x = ((slopes - at_zero) * layer.x_quantizer.scale).index_select(0, codes).view_as(steps)
        sums = weight_gradient(layer, grad, instead_of_x, weight)
        return sums + at_zero_activations(layer, grad, at_zero.expand_as(weight))


def at_zero_activations(layer: ApproxLayer, grad: Tensor, slopes: Tensor) -> Tensor:
    """Return what the weight's gradient would be were every activation 0, with its slopes (C, ...) there.

    An activation of 0 has a slope in the table, and so has zero padding. Estimates sum the slopes less the one at 0, so that
    padding may be left out of the sums, and add this for all.
    """
    total = grad.sum((0, 2, 3)) if layer.trailing_dims else grad.reshape(-1, grad.shape[-1]).sum(0)
    return column(total, slopes) * (slopes - layer.x_quantizer.zero_point) * layer.x_quantizer.scale


def zero_code(layer: ApproxLayer) -> int:
    """Return the code of an activation of 0."""
    return int(layer.x_quantizer.zero_point) % 256


def column(per_channel: Tensor, like: Tensor) -> Tensor:
    """View `(C,)` so that it broadcasts over the trailing dimensions of `like` (C, ...)."""
    return per_channel.view(-1, *([1] * (like.ndim - 1)))
