"""The gradients of a layer's rounded operands with a slope for each single product."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dse.kernels import TableGradient, activation_slope_sums, weight_slope_sums
from dse.nn import _pixels
from dse.nn._pullback import input_gradient
from dse.nn._slopes import Gradients, Needs, at_zero_activations, column, zero_code
from dse.nn.layers import ApproxLayer

_CHUNK = 2**21  # 8 MiB of float32 in the rows of an output gradient at a time


class TwoDimensional:
    """Slopes by both codes: LUT-2D after Meng et al., arXiv 2509.10519. An `Estimate` as in `dse.nn._slopes`."""

    def __init__(self, slopes: TableGradient) -> None:
        self._x, self._w = torch.from_numpy(slopes.x2d), torch.from_numpy(slopes.w2d)

    def __call__(self, layer: ApproxLayer, grad: Tensor, x: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        quantized = layer.w_quantizer.quantize(weight)
        scale, zero = column(quantized.scale, weight), column(quantized.zero_point, weight)
        codes = quantized.values % self._x.shape[1]
        scaled = grad * quantized.scale.view(-1, *([1] * layer.trailing_dims))
        sums = self._sums(layer, scaled, x, codes, needs)
        to_x, to_weight = (total.view_as(like) for total, like in zip(sums, (x, weight), strict=True))
        if needs[0] and zero.any():
            to_x -= input_gradient(layer, grad, x, (scale * zero).expand_as(weight))
        if needs[1]:
            at_zero = self._w.to(grad.device)[zero_code(layer)][codes]
            to_weight = to_weight * (layer.x_quantizer.scale / scale) + at_zero_activations(layer, grad, at_zero)
        return to_x if needs[0] else None, to_weight if needs[1] else None

    def _sums(self, layer: ApproxLayer, grad: Tensor, x: Tensor, w_codes: Tensor, needs: Needs) -> tuple[Tensor, Tensor]:
        """Return the sums of `grad` times slope for each activation and weight, the latter less the slope at 0."""
        x_slopes, w_slopes = self._x.to(grad.device), self._w.to(grad.device)
        w_slopes = w_slopes - w_slopes[zero_code(layer)]
        x, grad, w_codes = (_pixels.as_images(values, layer) for values in (x, grad, w_codes))
        x_codes = layer.x_quantizer.codes(x)
        to_x, to_weight = torch.zeros_like(x), grad.new_zeros(w_codes.shape)
        for phase, part in _parts(layer, x, len(w_codes)):
            rows = phase.output_gradients(grad[part])
            operands = phase.activations(x_codes[part]), phase.weights(w_codes)
            if needs[0]:
                phase.put_activations(to_x[part], activation_slope_sums(rows, *operands, x_slopes))
            if needs[1]:
                phase.add_weights(to_weight, weight_slope_sums(rows, *operands, w_slopes))
        return to_x, to_weight


def _parts(layer: ApproxLayer, x: Tensor, channels: int) -> Iterator[tuple[_pixels.Phase, slice]]:
    """Cut the batch in each phase so that the rows of a part's output gradient stay within bounds."""
    height, width = x.shape[2:]
    for phase in _pixels.phases(layer, (height, width)):
        length = max(1, _CHUNK // (phase.meetings * channels))
        yield from ((phase, slice(start, start + length)) for start in range(0, len(x), length))
