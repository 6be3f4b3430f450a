"""The gradients of a layer's rounded operands with a slope for each single product."""

from __future__ import annotations

import torch
from torch import Tensor

from dse.kernels import TableGradient, activation_slope_sums, weight_slope_sums
from dse.nn import _pixels
from dse.nn._pullback import input_gradient
from dse.nn._slopes import Gradients, Needs, at_zero_activations, column, zero_code
from dse.nn.layers import ApproxLayer


class TwoDimensional:
    """Slopes by both codes: LUT-2D after Meng et al., arXiv 2509.10519. An `Estimate` as in `dse.nn._slopes`."""

    def __init__(self, slopes: TableGradient) -> None:
        self._x, self._w = torch.from_numpy(slopes.x2d), torch.from_numpy(slopes.w2d)

    def __call__(self, layer: ApproxLayer, grad: Tensor, steps: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        quantized = layer.w_quantizer.quantize(weight)
        scale, zero = column(quantized.scale, weight), column(quantized.zero_point, weight)
        codes = quantized.values % self._x.shape[1]
        scaled = grad * quantized.scale.view(-1, *([1] * layer.trailing_dims))
        to_x, to_weight = self._sums(layer, scaled, steps, codes, needs)
        if to_x is not None:
            to_x = to_x.view_as(steps)
            if zero.any():
                to_x -= input_gradient(layer, grad, steps, (scale * zero).expand_as(weight))
        if to_weight is not None:
            to_weight = to_weight.view_as(weight) * (layer.x_quantizer.scale / scale)
            to_weight += at_zero_activations(layer, grad, self._w.to(grad.device)[zero_code(layer)][codes])
        return to_x, to_weight

    def _sums(self, layer: ApproxLayer, grad: Tensor, steps: Tensor, w_codes: Tensor, needs: Needs) -> Gradients:
        """Return the sums of `grad` times slope for each activation and weight, the latter less the slope at 0."""
        x_slopes, w_slopes = self._x.to(grad.device), self._w.to(grad.device)
        w_slopes = w_slopes - w_slopes[zero_code(layer)]
        x_codes, grad, w_codes = (
            _pixels.as_images(values, layer) for values in (layer.x_quantizer.codes_of(steps), grad, w_codes)
        )
        x_codes = x_codes.contiguous()
        to_x = torch.empty_like(x_codes, dtype=grad.dtype) if needs[0] else None
        to_weight = grad.new_zeros(w_codes.shape) if needs[1] else None
        height, width = x_codes.shape[2:]
        phases = _pixels.phases(layer, (height, width))
        if to_x is not None and sum(phase.positions for phase in phases) < height * width:
            to_x.zero_()  # some positions meet no output
        for phase in phases:
            windows = phase.output_gradients(grad)
            operands = phase.activations(x_codes), phase.weights(w_codes)
            if to_x is not None:
                activation_slope_sums(windows, *operands, x_slopes, out=phase.activations(to_x))
            if to_weight is not None:
                phase.add_weights(to_weight, weight_slope_sums(windows, *operands, w_slopes))
        return to_x, to_weight
