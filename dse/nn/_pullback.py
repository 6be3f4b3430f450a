"""What an output gradient becomes at the operands of a layer's float product, without forming the product."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dse.nn.layers import ApproxConv2d, ApproxLayer


def input_gradient(layer: ApproxLayer, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of `x` in `layer.float_product(x, weight)`; only its shape is looked at.

    Args:
        layer: Its geometry.
        grad: Gradient of the output, float32.
        x: Input after `layer.prepare`, float32.
        weight: Same shape as the layer's weight, float32.
    """
    if not isinstance(layer, ApproxConv2d):
        return (grad.reshape(-1, grad.shape[-1]) @ weight).view_as(x)
    left, right, top, bottom = layer.geometry.padding
    if (left, top) == (right, bottom):
        return _backward(layer, grad, x, weight, (top, left), (True, False))[0]
    padded = _backward(layer, grad, F.pad(x, (left, right, top, bottom)), weight, (0, 0), (True, False))[0]
    return F.pad(padded, (-left, -right, -top, -bottom))  # negative padding takes away what padding has put there


def weight_gradient(layer: ApproxLayer, grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of `weight`, of which only the shape is looked at; arguments as in `input_gradient`."""
    if not isinstance(layer, ApproxConv2d):
        return grad.reshape(-1, grad.shape[-1]).t() @ x.reshape(-1, x.shape[-1])
    left, right, top, bottom = layer.geometry.padding
    if (left, top) == (right, bottom):
        return _backward(layer, grad, x, weight, (top, left), (False, True))[1]
    return _backward(layer, grad, F.pad(x, (left, right, top, bottom)), weight, (0, 0), (False, True))[1]


def _backward(
    layer: ApproxConv2d, grad: Tensor, x: Tensor, weight: Tensor, pad: tuple[int, int], wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what autograd computes for a convolution: gradients of input, weight and bias, undefined where not wanted."""
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, x, weight, None, layer.stride, pad, layer.dilation, False, (0, 0), layer.groups, (*wanted, False)
    )
    return gradients
