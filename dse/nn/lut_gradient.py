"""Training through an approximate multiplier: the forward pass is the table's, bit by bit, the backward pass an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dse.exceptions import unknown_name
from dse.kernels import WINDOW, LutTable, table_gradient
from dse.nn._slopes import Estimate, OneDimensional, StraightThrough, straight_through
from dse.nn._slopes_2d import TwoDimensional
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import Given, give_arithmetic
from dse.nn.layers import ApproxLayer

Gradient = Literal["straight-through", "table-1d", "table-2d"]


class TrainableArithmetic(nn.Module):
    """The products of `IntegerArithmetic`, with gradients for the input and the weight.

    | gradient | slope of a product | cost of the backward pass |
    |---|---|---|
    | `straight-through` | that of the exact product, none where the table clips an operand | that of the float product |
    | `table-1d` | of the smoothed table, averaged over the operand that moves | the same |
    | `table-2d` | of the smoothed table, at both codes | a few passes over the products |

    Values clipped in quantisation get no gradient, and scales count as constants, as in `FloatArithmetic`. Without a table
    all three are the same. Where no gradient is wanted nothing is kept.

    Args:
        layer: The layer it will serve.
        table: The layer's table `(256, 2^Bw)` int32 (a `LutTable` where layers share it), or None for exact products.
        gradient: How the multiplier's slopes are estimated.
        window: Codes on each side over which the table is smoothed (`dse.kernels.smoothed`).

    Raises:
        InputError: If the table's shape or dtype is not that of the layer's format, the gradient is unknown, or the window
            does not fit the table.
    """

    def __init__(
        self,
        layer: ApproxLayer,
        table: Tensor | LutTable | None = None,
        *,
        gradient: Gradient = "straight-through",
        window: int = WINDOW,
    ) -> None:
        super().__init__()
        if gradient not in get_args(Gradient):
            raise unknown_name("gradient", gradient, get_args(Gradient))
        self._integer = IntegerArithmetic(layer, table)
        self._estimate: Estimate = straight_through
        if table is not None:
            operands = layer.operands
            lut = (table.lut if isinstance(table, LutTable) else table).cpu().numpy()
            if gradient == "straight-through":
                self._estimate = StraightThrough(lut, operands.x_values, operands.w_values)
            else:
                slopes = table_gradient(lut, operands.x_values, operands.w_values, window=window)
                self._estimate = (OneDimensional if gradient == "table-1d" else TwoDimensional)(slopes)

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and (x.requires_grad or layer.weight.requires_grad)):
            return self._integer(layer, x)
        return _Product.apply(layer.prepare(x), layer.weight, x.detach(), layer, self._integer, self._estimate)


class _Product(torch.autograd.Function):
    """Keeps what the caller holds anyway, input and weight, and rounds them once more in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        prepared: Tensor,
        weight: Tensor,
        x: Tensor,
        layer: ApproxLayer,
        integer: nn.Module,
        estimate: Estimate,
    ) -> Tensor:
        ctx.save_for_backward(prepared, weight)
        ctx.layer, ctx.estimate = layer, estimate
        y: Tensor = integer(layer, x)
        return y.clone() if y._is_view() else y  # autograd forbids changing a view from here in place, as ReLU may

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), layer, needs = ctx.saved_tensors, ctx.layer, ctx.needs_input_grad[:2]
        steps, real = layer.x_quantizer.steps(x.float()), weight.detach().float()
        to_x, to_weight = ctx.estimate(layer, grad.float(), steps, real, needs)
        if to_x is not None:
            to_x = layer.x_quantizer.through(to_x, steps).to(x.dtype)
        if to_weight is not None:
            with torch.enable_grad():
                rounded = layer.w_quantizer.fake(real.requires_grad_())
            (to_weight,) = torch.autograd.grad(rounded, real, to_weight)
            to_weight = to_weight.to(weight.dtype)
        return to_x, to_weight, None, None, None, None


def simulate_trainable(
    model: nn.Module,
    tables: Mapping[str, Given] | None = None,
    *,
    gradient: Gradient = "straight-through",
    window: int = WINDOW,
) -> None:
    """Give every quantised layer trainable integer arithmetic: through its table where `tables` names one, exact elsewhere.

    The outputs are those of `dse.nn.convert.simulate`.

    Args:
        model: A quantised model, changed in place.
        tables: As for `simulate`.
        gradient, window: As in `TrainableArithmetic`.

    Raises:
        InputError: If the model is not quantised, a name is no approximable layer of it, a table does not fit, the gradient
            is unknown, or the window does not fit the tables.
    """
    give_arithmetic(model, tables, partial(TrainableArithmetic, gradient=gradient, window=window))
