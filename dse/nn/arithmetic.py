"""How a quantised layer forms its products: in floating point, with injected noise, or bit-exactly through a table.

An arithmetic maps (layer, input) to the layer's output before the bias. Layers exchange theirs; nothing else changes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.kernels import LutProduct, exact_matmul
from dse.nn.layers import ApproxLayer


class FloatArithmetic(nn.Module):
    """Fake-quantised products in floating point: differentiable, for quantisation-aware training."""

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        return layer.float_product(layer.x_quantizer.fake(layer.prepare(x)), layer.w_quantizer.fake(layer.weight))


class NoiseArithmetic(nn.Module):
    """Fake-quantised products plus additive Gaussian noise of a learnable amount.

    `y + sigma * std(y) * eps` with `eps ~ N(0, 1)` per element and `std(y)` one scalar over the batch, through which the
    gradient flows (Trommer et al., ICCAD 2022, arXiv 2208.07265). Draws from torch's global generator.

    Args:
        sigma: Initial amount of noise, relative to the output's std.
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor(float(sigma)))
        self._exact = FloatArithmetic()

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        y = self._exact(layer, x)
        # of the whole population, as in the trace; a single output then has std 0 instead of nan
        return y + self.sigma * y.std(correction=0) * torch.randn_like(y)


class IntegerArithmetic(nn.Module):
    """Products of integer codes, summed exactly: with a table the multiplier's behaviour, without one exact products.

    Prepared for the layer it was made for, and prepared again whenever that layer's weight or quantiser has changed.

    Args:
        layer: The layer it will serve.
        table: The layer's table `(256, 2^Bw)` int32, or None for exact products.

    Raises:
        InputError: If the table's shape or dtype is not that of the layer's format.
    """

    def __init__(self, layer: ApproxLayer, table: Tensor | None = None) -> None:
        super().__init__()
        shape = (256, 2**layer.operands.w_bits)
        if table is not None and (tuple(table.shape) != shape or table.dtype != torch.int32):
            raise InputError(
                f"table: expected {shape} int32, got {tuple(table.shape)} {table.dtype}; "
                f"take it from OperandFormat.table of format '{layer.operands.name}'"
            )
        self._table = table
        self._prepare(layer)

    @property
    def nbytes(self) -> int:
        """Bytes of the prepared table rows."""
        return 0 if self._product is None else self._product.nbytes

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        if not all(map(torch.equal, self._source, _source(layer))):
            self._prepare(layer)
        x = layer.prepare(x)
        return layer.fold(self.sums(layer, layer.x_quantizer.codes(x)).float() * self._scale, x)

    def sums(self, layer: ApproxLayer, codes: Tensor) -> Tensor:
        """Return the zero-point-corrected sums: codes (B, ...) uint8 -> `(R, G, N)` int64."""
        patches = layer.patches(codes)
        products = self._exact(patches) if self._product is None else self._product(patches)
        return self._correct(products, patches)

    def _prepare(self, layer: ApproxLayer) -> None:
        # Compared by value: a version count misses `.data` and new parameters, and starts anew in a deep copy.
        self._source = tuple(tensor.detach().clone() for tensor in _source(layer))
        weight = layer.matrices()
        self._product = None if self._table is None else LutProduct(weight.codes, self._table)
        self._values = weight.values
        self._w_zero = weight.zero_point
        self._x_zero = int(layer.x_quantizer.zero_point)
        self._x_signed = layer.operands.x_low < 0
        self._scale = layer.x_quantizer.scale * weight.scale
        self._constant = self._x_zero * (layer.fan_in * weight.zero_point.long() - weight.values.sum(1))  # (G, N) int64

    def _exact(self, patches: Tensor) -> Tensor:
        values = patches.view(torch.int8) if self._x_signed else patches
        return exact_matmul(values.transpose(0, 1), self._values).transpose(0, 1)

    def _correct(self, products: Tensor, patches: Tensor) -> Tensor:
        """Take the zero points out: sum (x - zx)(w - zw) = sum xw - zw sum x - zx sum w + K zx zw (ALWANN's correction)."""
        if self._w_zero.any():  # in int64, because the correction may exceed what the sum did not
            products = products - self._w_zero * patches.sum(-1, keepdim=True, dtype=torch.int64)
        return products + self._constant


def _source(layer: ApproxLayer) -> tuple[Tensor, Tensor, Tensor]:
    return layer.weight, layer.x_quantizer.scale, layer.x_quantizer.zero_point
