"""Conv2d and Linear with quantised operands, whose products an exchangeable arithmetic computes.

A layer knows its geometry: how codes become patches `(R, G, K)` (R output positions of the whole batch, G groups, K fan-in),
how its weight becomes matrices `(G, K, N)`, and how sums `(R, G, N)` become the output. The arithmetic (`dse.nn.arithmetic`)
knows how the products are formed. The bias is added last, in real numbers; before it a correction, where there is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.kernels import Geometry, NativeLayer
from dse.nn.quantizers import ActivationQuantizer, WeightQuantizer

_CORRECTION = ("correction_scale", "correction_offset")  # buffers of a layer


@dataclass(frozen=True)
class WeightMatrices:
    """A layer's quantised weight in the shape of its products: G groups, fan-in K, N output channels per group."""

    codes: Tensor  # (G, K, N) int16, code of each weight: two's complement where weights are signed
    values: Tensor  # (G, K, N) int32
    scale: Tensor  # (G, N) float32
    zero_point: Tensor  # (G, N) int32


@dataclass(frozen=True, eq=False)
class Correction:
    """What is folded into a layer's requantisation: its output before the bias becomes `scale * y + offset`, by channel.

    In hardware the scale multiplies the channel's requantisation factor `s_x * s_w` and the offset adds to the bias: a
    corrected layer costs no operation more.
    """

    scale: Tensor  # (C,) float32
    offset: Tensor  # (C,) float32, real units


class ApproxLayer(nn.Module, ABC):
    """A quantised layer. Parameters keep the names `weight` and `bias` of the layer it replaces.

    Whatever the arithmetic, its output may be corrected by channel (`correction`, None at first). A correction is part of
    the layer's state: it is copied, moved and saved with it, and a state that is loaded brings its own or none.

    Args:
        original: The layer to replace; its parameters are shared, not copied.
        x_quantizer: Quantiser of the input.
        w_quantizer: Quantiser of the weight.
        arithmetic: How products are formed: a callable of (layer, input) that returns the output before the bias.
        approximable: Whether a search may choose this layer's multiplier; otherwise it stays exact.
        position: Rank of the layer in forward order.
    """

    correction_scale: Tensor | None
    correction_offset: Tensor | None

    def __init__(
        self,
        original: nn.Conv2d | nn.Linear,
        x_quantizer: ActivationQuantizer,
        w_quantizer: WeightQuantizer,
        arithmetic: nn.Module,
        *,
        approximable: bool,
        position: int,
    ) -> None:
        super().__init__()
        self.weight = original.weight
        self.bias = original.bias
        self.x_quantizer = x_quantizer
        self.w_quantizer = w_quantizer
        self.operands = x_quantizer.operands
        self.approximable = approximable
        self.position = position
        self.groups = 1
        self.arithmetic = arithmetic
        for name in _CORRECTION:
            self.register_buffer(name, None)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.arithmetic(self, x)
        correction = self.correction  # asked for after the arithmetic: a hook on it may set the correction
        if correction is None:
            return y if self.bias is None else y + self._by_channel(self.bias)
        shift = correction.offset if self.bias is None else correction.offset + self.bias
        return torch.addcmul(self._by_channel(shift), y, self._by_channel(correction.scale))  # one pass, as a bias alone

    @property
    def correction(self) -> Correction | None:
        """The correction of the output before the bias; InputError if one is set that does not fit or is not finite."""
        if self.correction_scale is None or self.correction_offset is None:
            return None
        return Correction(self.correction_scale, self.correction_offset)

    @correction.setter
    def correction(self, given: Correction | None) -> None:
        values = [None, None] if given is None else [self._own(given.scale), self._own(given.offset)]
        for name, value in zip(_CORRECTION, values, strict=True):
            setattr(self, name, value)

    @property
    def fan_in(self) -> int:
        """Products summed into one output, `K`."""
        return self.weight[0].numel()

    def matrices(self) -> WeightMatrices:
        """Return the quantised weight as matrices `(G, K, N)`, K in the order of the patches: taps, then channels."""
        quantized = self.w_quantizer.quantize(self.weight)
        values = quantized.values.movedim(1, -1)  # taps before channels, the order of the patches
        values = values.reshape(self.groups, -1, self.fan_in).transpose(1, 2).contiguous()
        codes = torch.remainder(values, 2**self.operands.w_bits).to(torch.int16)
        shape = (self.groups, -1)
        return WeightMatrices(codes, values, quantized.scale.reshape(shape), quantized.zero_point.reshape(shape))

    def _own(self, values: Tensor) -> Tensor:
        """Return a copy of per-channel values that later passes may train through, also if made in inference mode."""
        channels = len(self.weight)
        if tuple(values.shape) != (channels,) or not values.isfinite().all():
            raise InputError(
                f"correction: expected scale and offset ({channels},), one finite value per output channel, got shape "
                f"{tuple(values.shape)}{'' if values.isfinite().all() else ' with nan or inf'}"
            )
        with torch.inference_mode(False):
            return values.detach().to(self.weight.device, torch.float32, copy=True)

    def _by_channel(self, values: Tensor) -> Tensor:
        """View `(C,)` so that it broadcasts over the output."""
        return values.view(-1, *([1] * self.trailing_dims))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Make room for the correction that comes with a whole state of the layer, and for none where there is none."""
        if prefix + "weight" in state_dict:
            corrected = any(prefix + name in state_dict for name in _CORRECTION)
            for name in _CORRECTION:
                setattr(self, name, self.weight.new_empty(len(self.weight)) if corrected else None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    @property
    @abstractmethod
    def trailing_dims(self) -> int:
        """Dimensions after the channel in the output."""

    @abstractmethod
    def prepare(self, x: Tensor) -> Tensor:
        """Return the input with any padding that is not by zeros already applied; raises InputError if it does not fit."""

    @abstractmethod
    def patches(self, codes: Tensor) -> Tensor:
        """Return the operands of every output position: codes (B, ...) uint8 -> `(R, G, K)` uint8, taps before channels.

        Zero padding enters as the code of zero and goes through the table like any operand: this is what hardware does.
        """

    @abstractmethod
    def fold(self, sums: Tensor, x: Tensor) -> Tensor:
        """Return `(R, G, N)` as the layer's output for the (prepared) input `x`."""

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """Windows of the (prepared) input that are multiplied with the weight."""

    @abstractmethod
    def through(self, native: NativeLayer, x: Tensor) -> Tensor:
        """Return what the compiled engine makes of the (prepared) input: the layer's output without bias."""

    @abstractmethod
    def float_product(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the layer's output without bias in floating point, differentiable."""


class ApproxLinear(ApproxLayer):
    """Linear layer on `(..., F)` inputs."""

    @property
    def trailing_dims(self) -> int:
        return 0

    def prepare(self, x: Tensor) -> Tensor:
        if x.ndim == 0 or x.shape[-1] != self.fan_in:
            raise InputError(f"linear layer: expected an input (..., {self.fan_in}), got shape {tuple(x.shape)}")
        return x

    def patches(self, codes: Tensor) -> Tensor:
        return codes.reshape(-1, 1, codes.shape[-1])

    def fold(self, sums: Tensor, x: Tensor) -> Tensor:
        return sums.reshape(*x.shape[:-1], sums.shape[-1])

    @property
    def geometry(self) -> Geometry:
        return Geometry()

    def through(self, native: NativeLayer, x: Tensor) -> Tensor:
        return native.linear(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], len(self.weight))

    def float_product(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.linear(x, weight)


class ApproxConv2d(ApproxLayer):
    """Two-dimensional convolution with any stride, padding, dilation and groups, on `(B, C, H, W)` inputs."""

    def __init__(self, original: nn.Conv2d, *args: object, **kwargs: object) -> None:
        super().__init__(original, *args, **kwargs)  # type: ignore[arg-type]
        self.groups = original.groups
        self.stride = _pair(original.stride)
        self.dilation = _pair(original.dilation)
        self.kernel_size = _pair(original.kernel_size)
        self.padding_mode = original.padding_mode
        self._pad = original._reversed_padding_repeated_twice  # (left, right, top, bottom), also for 'same' and 'valid'

    @property
    def trailing_dims(self) -> int:
        return 2

    def prepare(self, x: Tensor) -> Tensor:
        channels = self.weight.shape[1] * self.groups
        if x.ndim != 4 or x.shape[1] != channels:
            raise InputError(f"convolution: expected an input (B, {channels}, H, W), got shape {tuple(x.shape)}")
        left, right, top, bottom = self._pad
        if min(self._output_size(x.shape[2] + top + bottom, x.shape[3] + left + right)) < 1:
            raise InputError(
                f"convolution: expected images that a kernel of {self.kernel_size}, dilated by {self.dilation}, fits into, "
                f"got {tuple(x.shape[2:])} padded by {(top, bottom, left, right)} (top, bottom, left, right)"
            )
        return x if self.padding_mode == "zeros" else F.pad(x, self._pad, mode=self.padding_mode)

    def patches(self, codes: Tensor) -> Tensor:
        if self.padding_mode == "zeros" and any(self._pad):
            # zero is always representable, and in symmetric formats its code is 0 as well
            codes = F.pad(codes, self._pad, value=self.x_quantizer.zero_code)
        batch, channels, height, width = codes.shape
        rows, columns = self._output_size(height, width)
        codes = codes.permute(0, 2, 3, 1).contiguous()  # channels last: copied in whole runs, 6 to 20 times faster
        (sb, sh, sw, sc), (dh, dw), (th, tw) = codes.stride(), self.dilation, self.stride
        (kh, kw), per_group = self.kernel_size, channels // self.groups
        windows = codes.as_strided(
            (batch, rows, columns, self.groups, kh, kw, per_group),
            (sb, sh * th, sw * tw, sc * per_group, sh * dh, sw * dw, sc),
        )
        return windows.reshape(batch * rows * columns, self.groups, self.fan_in)

    def fold(self, sums: Tensor, x: Tensor) -> Tensor:
        left, right, top, bottom = self._pad if self.padding_mode == "zeros" else (0, 0, 0, 0)
        rows, columns = self._output_size(x.shape[2] + top + bottom, x.shape[3] + left + right)
        # contiguous like the output of Conv2d: networks flatten it with `view`
        return sums.reshape(x.shape[0], rows, columns, len(self.weight)).permute(0, 3, 1, 2).contiguous()

    @property
    def geometry(self) -> Geometry:
        left, right, top, bottom = self._pad if self.padding_mode == "zeros" else (0, 0, 0, 0)
        return Geometry(self.kernel_size, self.stride, self.dilation, (left, right, top, bottom))

    def through(self, native: NativeLayer, x: Tensor) -> Tensor:
        return native.conv2d(x)

    def float_product(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.padding_mode == "zeros":
            left, right, top, bottom = self._pad
            if (left, top) == (right, bottom):
                return F.conv2d(x, weight, None, self.stride, (top, left), self.dilation, self.groups)
            x = F.pad(x, self._pad)
        return F.conv2d(x, weight, None, self.stride, 0, self.dilation, self.groups)

    def _output_size(self, height: int, width: int) -> tuple[int, int]:
        (kh, kw), (dh, dw), (th, tw) = self.kernel_size, self.dilation, self.stride
        return (height - dh * (kh - 1) - 1) // th + 1, (width - dw * (kw - 1) - 1) // tw + 1


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)
