"""Post-training quantisation of one layer's operands: ranges, scales, zero points, codes, and their differentiable twin.

Affine: `value = round(real / scale) + zero_point`, clipped to the format's range (Jacob et al., CVPR 2018, eq. 1).
Symmetric: the same with `zero_point = 0`. Fake quantisation rounds and comes back to real numbers; its gradient is passed
straight through the rounding and is zero where the value was clipped (Bengio et al., arXiv 1308.3432).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from dse.exceptions import InputError, unknown_name
from dse.operands import OperandFormat, operand_format

Granularity = Literal["per-tensor", "per-channel"]
RangeRule = Literal["min-max", "percentile"]


@dataclass(frozen=True)
class QuantizationSettings:
    """How a network is quantised to 8 bits.

    Args:
        format: Operand format, a key of `dse.operands.FORMATS`.
        weights: One weight scale per layer or per output channel.
        calibration: Activation range from the extreme values seen, or from a percentile of them.
        percentile: Share (in percent) of the calibration values that stay unclipped on each side.
    """

    format: str = "sm8"
    weights: Granularity = "per-channel"
    calibration: RangeRule = "min-max"
    percentile: float = 99.9

    def __post_init__(self) -> None:
        operand_format(self.format)
        for key, value, valid in (
            ("weights", self.weights, get_args(Granularity)),
            ("calibration", self.calibration, get_args(RangeRule)),
        ):
            if value not in valid:
                raise unknown_name(f"quantisation.{key}", value, valid)
        if not 50 < self.percentile <= 100:
            raise InputError(f"quantisation.percentile: expected a value in (50, 100], got {self.percentile}")


class RangeObserver:
    """Collects the range of a layer's input over calibration batches.

    The percentile rule averages the percentiles of the batches, each over at most 2^16 values taken at equal distances.
    """

    def __init__(self, settings: QuantizationSettings) -> None:
        self._settings = settings
        self._lows: list[float] = []
        self._highs: list[float] = []

    def update(self, x: Tensor) -> None:
        """Take one batch into account; `x` of any shape."""
        values = x.detach().flatten()
        if self._settings.calibration == "percentile":
            values = values[:: max(1, -(-len(values) // 2**16))]
            share = self._settings.percentile / 100
            low, high = torch.quantile(values, torch.tensor([1 - share, share], dtype=values.dtype)).tolist()
        else:
            low, high = (bound.item() for bound in torch.aminmax(values))
        self._lows.append(low)
        self._highs.append(high)

    @property
    def range(self) -> tuple[float, float]:
        """The range `(low, high)` seen so far."""
        if self._settings.calibration == "percentile":
            return sum(self._lows) / len(self._lows), sum(self._highs) / len(self._highs)
        return min(self._lows), max(self._highs)


class ActivationQuantizer(nn.Module):
    """Quantises a layer's input per tensor, with the range found in calibration.

    Args:
        operands: The operand format.
        low, high: Range of the real values; it is widened to contain 0, so that padding is exact.

    Raises:
        InputError: If the range is not finite.
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(self, operands: OperandFormat, low: float, high: float) -> None:
        super().__init__()
        self.operands = operands
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError(
                f"dataset: expected finite inputs of every layer in calibration, got {low}..{high}; check images and weights"
            )
        low, high = min(low, 0.0), max(high, 0.0)
        steps = operands.x_high - operands.x_low if operands.x_affine else operands.x_high
        span = high - low if operands.x_affine else max(high, -low)
        scale = span / steps
        if scale < torch.finfo(torch.float32).tiny:  # no range at all, or one that float32 would round to none
            scale = 1.0
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        zero_point = round(-low / scale) if operands.x_affine else 0
        self.register_buffer("zero_point", torch.tensor(zero_point, dtype=torch.int32))

    @property
    def zero_code(self) -> int:
        """The zero point as a number; a GPU is not asked for one that the format does not have."""
        return int(self.zero_point) if self.operands.x_affine else 0

    def steps(self, x: Tensor) -> Tensor:
        """Return real values `x` in steps of the scale, rounded but not clipped: same shape, whole numbers as float32."""
        return torch.round(x / self.scale).add_(self.zero_point)

    def codes(self, x: Tensor) -> Tensor:
        """Return the uint8 codes of real values `x`, same shape; a signed value's code is its two's complement byte."""
        return self.codes_of(self.steps(x))

    def codes_of(self, steps: Tensor) -> Tensor:
        """Return the uint8 codes of values in steps."""
        values = self._clip(steps)
        return values.to(torch.uint8) if self.operands.x_low >= 0 else values.to(torch.int8).view(torch.uint8)

    def real(self, steps: Tensor) -> Tensor:
        """Return the representable real values nearest to values in steps."""
        return self._clip(steps).sub_(self.zero_point).mul_(self.scale)

    def through(self, grad: Tensor, steps: Tensor) -> Tensor:
        """Return what a gradient of rounded values becomes at the real ones: 0 where they were clipped, else itself."""
        low, high = self.operands.x_low - 0.5, self.operands.x_high + 0.5
        return torch.ops.aten.hardtanh_backward(grad, steps, low, high)  # in one pass

    def fake(self, x: Tensor) -> Tensor:
        """Return `x` rounded to the representable values, same shape and dtype, with straight-through gradient."""
        clipped = self._clip(_round_through(x / self.scale) + self.zero_point)
        return (clipped - self.zero_point) * self.scale

    def _clip(self, steps: Tensor) -> Tensor:
        return torch.clamp(steps, self.operands.x_low, self.operands.x_high)


@dataclass(frozen=True)
class QuantizedWeight:
    """A weight tensor as integers."""

    values: Tensor  # same shape as the weight, int32: the value of each code
    scale: Tensor  # (C,) float32, real = scale * (value - zero_point)
    zero_point: Tensor  # (C,) int32


class WeightQuantizer(nn.Module):
    """Quantises a weight tensor by its own extreme values, recomputed at every call so that training moves the range."""

    def __init__(self, operands: OperandFormat, granularity: Granularity) -> None:
        super().__init__()
        self.operands = operands
        self.granularity = granularity

    def quantize(self, weight: Tensor) -> QuantizedWeight:
        """Return the integers of `weight` (C, ...); raises `InputError` if it is not finite."""
        weight = weight.detach()
        scale, zero_point = self._scale(weight)
        if not torch.isfinite(weight).all():
            raise InputError(f"expected finite weights, got nan or inf in a weight of shape {tuple(weight.shape)}")
        values = self._clip(torch.round(weight / _column(scale, weight)), zero_point)
        return QuantizedWeight(values.to(torch.int32), scale, zero_point)

    def fake(self, weight: Tensor) -> Tensor:
        """Return `weight` rounded to the representable values, same shape, with straight-through gradient."""
        scale, zero_point = self._scale(weight.detach())
        step = _column(scale, weight)
        return (self._clip(_round_through(weight / step), zero_point) - _column(zero_point, weight)) * step

    def _scale(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        rows = weight.flatten(1) if self.granularity == "per-channel" else weight.reshape(1, -1)
        low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
        if self.operands.w_affine:
            scale = (high - low) / (self.operands.w_high - self.operands.w_low)
        else:
            scale = torch.maximum(high, -low) / self.operands.w_high
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        zero_point = torch.round(-low / scale) if self.operands.w_affine else torch.zeros_like(scale)
        channels = weight.shape[0]
        return scale.expand(channels), zero_point.to(torch.int32).expand(channels)

    def _clip(self, rounded: Tensor, zero_point: Tensor) -> Tensor:
        return torch.clamp(rounded + _column(zero_point, rounded), self.operands.w_low, self.operands.w_high)


def _column(per_channel: Tensor, like: Tensor) -> Tensor:
    """View `(C,)` so that it broadcasts over the trailing dimensions of `like` (C, ...)."""
    return per_channel.view(-1, *([1] * (like.ndim - 1)))


def _round_through(x: Tensor) -> Tensor:
    return x + (torch.round(x) - x).detach()
