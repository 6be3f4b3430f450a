"""How a quantised layer forms its products: in floating point, with injected noise, or bit-exactly through a table.

An arithmetic maps (layer, input) to the layer's output before the bias. Layers exchange theirs; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from dse.exceptions import InputError
from dse.kernels import ENGINES, InputCodes, LutProduct, LutTable, NativeLayer, Operands, Output, engine_name, exact_matmul
from dse.nn.layers import ApproxLayer, WeightMatrices
from dse.operands import operand_format


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
        table: The layer's table `(256, 2^Bw)` int32 (a `LutTable` where several share it), or None for exact products.
        stored: Tuned weights: the code to look up for every weight code `(2^Bw,)` int16; None: itself. Zero points are
            taken out with the weights that are meant (ALWANN's correction).
        engine: Engine of the products, see `dse.kernels.LutProduct`; all give the same bits.

    Raises:
        InputError: If the table's or the codes' shape or dtype is not that of the layer's format, codes come without a
            table, or the engine cannot be used.
    """

    def __init__(
        self,
        layer: ApproxLayer,
        table: Tensor | LutTable | None = None,
        *,
        stored: Tensor | None = None,
        engine: str | None = None,
    ) -> None:
        super().__init__()
        lut = table.lut if isinstance(table, LutTable) else table
        shape = (256, 2**layer.operands.w_bits)
        if lut is not None and (tuple(lut.shape) != shape or lut.dtype != torch.int32):
            raise InputError(
                f"table: expected {shape} int32, got {tuple(lut.shape)} {lut.dtype}; "
                f"take it from OperandFormat.table of format '{layer.operands.name}'"
            )
        if stored is not None and (lut is None or tuple(stored.shape) != shape[1:] or stored.dtype != torch.int16):
            got = "no table" if lut is None else f"{tuple(stored.shape)} {stored.dtype}"
            raise InputError(f"stored: expected {shape[1:]} int16 and a table, got {got}")
        self.table = LutTable(table) if isinstance(table, Tensor) else table
        self._stored = stored
        self._engine = engine
        self._product: LutProduct | None = None  # made when sums are asked for: the compiled engine does without
        self._prepare(layer)

    @property
    def nbytes(self) -> int:
        """Bytes of what is prepared beside the table."""
        held = sum(made.nbytes for made in (self._product, self._native) if made is not None)
        return held + sum(
            t.numel() * t.element_size() for t in (*self._source, self._weight.codes, self._weight.values)
        )

    def forward(self, layer: ApproxLayer, x: Tensor) -> Tensor:
        if not _same(self._source, _source(layer)):
            self._prepare(layer)
        x = layer.prepare(x)
        built = ENGINES["native"].missing() is None  # a saved network may have come from another machine
        if built and self._native is not None and x.dtype == torch.float32 and x.device.type == "cpu":
            return layer.through(self._native, x.detach())
        return layer.fold(self.sums(layer, layer.x_quantizer.codes(x)).float() * self._scale, x)

    def sums(self, layer: ApproxLayer, codes: Tensor) -> Tensor:
        """Return the zero-point-corrected sums: codes (B, ...) uint8 -> `(R, G, N)` int64."""
        patches = layer.patches(codes)
        if self.table is None:
            return self._correct(self._exact(patches), patches)
        if self._product is None:
            codes = self._weight.codes
            self._product = LutProduct(codes, self.table.on(codes.device), engine=self._engine)
        return self._correct(self._product(patches), patches)

    def _prepare(self, layer: ApproxLayer) -> None:
        # Compared by value: a version count misses `.data` and new parameters, and starts anew in a deep copy.
        self._source = tuple(tensor.detach().clone() for tensor in _source(layer))
        weight = layer.matrices()
        if self._stored is not None:
            weight = replace(weight, codes=self._stored.to(weight.codes.device)[weight.codes.long()])
        self._weight = weight
        self._product = None
        self._x_zero = layer.x_quantizer.zero_code
        self._x_signed, self._affine = layer.operands.x_low < 0, layer.operands.w_affine
        self._scale = layer.x_quantizer.scale * weight.scale
        self._constant = self._x_zero * (layer.fan_in * weight.zero_point.long() - weight.values.sum(1))  # (G, N) int64
        self._native = self._native_layer(layer)

    def _native_layer(self, layer: ApproxLayer) -> NativeLayer | None:
        """Return the whole layer on the compiled engine; None where another engine is wanted or a sum might leave int32."""
        weight = self._weight
        table = (self.table or exact_table(layer.operands.name)).on(weight.codes.device)
        if engine_name(self._engine, table, weight.codes.device, layer=True) != "native":
            return None
        if layer.fan_in * _reach(table, weight, self._x_zero) >= 2**31:
            return None
        affine = self._affine and bool(weight.zero_point.any())
        groups, depth, columns = weight.codes.shape
        channels = layer.weight.shape[1]
        by_channel = weight.codes.view(groups, -1, channels, columns).transpose(1, 2).reshape(groups, depth, columns)
        operands = Operands(table, by_channel, weight.zero_point.contiguous() if affine else None)
        q = layer.x_quantizer
        codes = InputCodes(float(q.scale), self._x_zero, layer.operands.x_low, layer.operands.x_high)
        return NativeLayer(operands, codes, Output(self._constant, self._scale), layer.geometry)

    def _exact(self, patches: Tensor) -> Tensor:
        values = patches.view(torch.int8) if self._x_signed else patches
        return exact_matmul(values.transpose(0, 1), self._weight.values).transpose(0, 1)

    def _correct(self, products: Tensor, patches: Tensor) -> Tensor:
        """Take the zero points out: sum (x - zx)(w - zw) = sum xw - zw sum x - zx sum w + K zx zw (ALWANN's correction)."""
        zero_point = self._weight.zero_point
        if self._affine and zero_point.any():  # in int64, because the correction may exceed what the sum did not
            products = products - zero_point * patches.sum(-1, keepdim=True, dtype=torch.int64)
        return products + self._constant


@cache
def exact_table(format_name: str) -> LutTable:
    """Return the table of exact products of an operand format."""
    return LutTable(torch.from_numpy(operand_format(format_name).exact))


def _reach(table: LutTable, weight: WeightMatrices, x_zero: int) -> int:
    """Return a bound of the corrected products: no entry `lut - zw x - zx w + zx zw` is larger."""
    w_zero, w_value = (
        int(values.abs().max()) if values.numel() else 0 for values in (weight.zero_point, weight.values)
    )
    return table.reach + w_zero * (table.levels - 1) + x_zero * (w_value + w_zero)


def _same(kept: Sequence[Tensor], current: Sequence[Tensor]) -> bool:
    """Return whether tensors are on the same device and equal; a GPU is waited for once."""
    pairs = [*zip(kept, current, strict=True)]
    if any((a.device, a.shape) != (b.device, b.shape) for a, b in pairs):
        return False
    if kept[0].is_cuda:
        return not torch.stack([(a != b).any() for a, b in pairs]).any()
    return all(torch.equal(a, b) for a, b in pairs)


def _source(layer: ApproxLayer) -> tuple[Tensor, Tensor, Tensor]:
    return layer.weight, layer.x_quantizer.scale, layer.x_quantizer.zero_point
