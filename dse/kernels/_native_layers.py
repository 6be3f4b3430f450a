"""Whole layers on the compiled engine: real inputs are quantised, multiplied through a table and scaled in two passes.

A layer of a simulated network spends as long on its elementwise steps as on its products when each is a tensor operation
of its own; here, codes are written once, padded, and sums leave as real numbers in the layout of the output.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from dse.exceptions import InputError
from dse.kernels._binding import Job, Planes, Windows
from dse.kernels._compiled import current_level, native_library, workspace
from dse.kernels._native import run_job, threads_for
from dse.kernels._operands import Operands, require_per_channel
from dse.kernels._workers import split

_LANES = 4  # columns of a depthwise kernel that one vector holds


@dataclass(frozen=True)
class InputCodes:
    """How real inputs become codes: `clip(round(x / scale) + zero, low, high)` modulo 256."""

    scale: float
    zero: int
    low: int
    high: int


@dataclass(frozen=True)
class Geometry:
    """Windows of a convolution; pairs are (rows, columns)."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # left, right, top, bottom; filled with the code of zero


@dataclass(frozen=True)
class Output:
    """What happens to sums: `(sum + constant) * scale`.

    Args:
        constant: `(G, N)` int32, modulo 2^32: the zero points' share that does not depend on the input.
        scale: `(G, N)` float32, real value of one unit of a channel's sum.
    """

    constant: Tensor
    scale: Tensor


class NativeLayer:
    """A convolution or linear layer through a table, from real numbers to real numbers.

    The caller has proven that no corrected sum leaves int32. The weights' K runs over channels of the group, then taps: the
    operands that are read one after the other then lie near each other.

    Args:
        operands: Weight codes `(G, K, N)`, table, and what zero points take off its entries.
        codes: How the input is quantised.
        output: What becomes of the sums.
        geometry: The convolution's windows.
    """

    def __init__(self, operands: Operands, codes: InputCodes, output: Output, geometry: Geometry) -> None:
        groups, _, columns = operands.w.shape
        require_per_channel("Output.scale", output.scale, groups, columns)
        require_per_channel("Output.constant", output.constant, groups, columns)
        if operands.table.levels != 256:
            raise InputError(f"NativeLayer: expected a table of 256 rows, got {operands.table.levels}: inputs become bytes")
        self._operands = operands
        self._codes = codes
        self._geometry = geometry
        self._scale = output.scale.to(torch.float32).contiguous()
        self._constant = output.constant.to(torch.int32).contiguous()

    @property
    def nbytes(self) -> int:
        """Bytes held beside the table."""
        return self._operands.nbytes

    def linear(self, x: Tensor) -> Tensor:
        """Apply the layer to rows: `(R, F)` float32 on the CPU -> `(R, N)` float32; raises InputError for another shape."""
        groups, depth, _ = self._operands.w.shape
        _require(x, x.ndim == 2 and x.shape[1] == depth and groups == 1, f"(R, {depth})")
        rows, width = x.shape
        out = torch.empty((rows, self._operands.w.shape[2]))
        if out.numel() == 0:
            return out
        codes = self._quantize(x[None, None], (0, 0, 0, 0))
        job = self._job(codes, _taps((1, 1), (1, 1), 0, 0, width), out)
        job.images, job.positions, job.position_stride = 1, rows, width
        job.out_position, job.out_column = out.shape[1], 1
        run_job(job, self._operands, self._constant)
        return out

    def conv2d(self, x: Tensor) -> Tensor:
        """Apply the layer to images: `(B, C, H, W)` float32 on the CPU, any strides -> `(B, G N, H', W')` float32.

        Raises:
            InputError: For another shape or kind of input, or images smaller than the kernel.
        """
        geometry, (groups, depth, columns) = self._geometry, self._operands.w.shape
        channels = groups * depth // math.prod(geometry.kernel)
        _require(x, x.ndim == 4 and x.shape[1] == channels, f"(B, {channels}, H, W)")
        batch, _, height, width = x.shape
        left, right, top, bottom = geometry.padding
        height, width = height + top + bottom, width + left + right
        out_height, out_width = (
            (size - d * (k - 1) - 1) // s + 1
            for size, k, s, d in zip((height, width), geometry.kernel, geometry.stride, geometry.dilation, strict=True)
        )
        _require(x, min(out_height, out_width) >= 1, f"images that a kernel of {geometry.kernel} fits into")
        out = torch.empty((batch, groups * columns, out_height, out_width))
        if out.numel() == 0:
            return out
        codes = self._quantize(x, geometry.padding)
        plane = height * width
        job = self._job(codes, _taps(geometry.kernel, geometry.dilation, width, plane, channels // groups), out)
        positions = _positions(out_height, out_width, geometry.stride, width)
        job.position, job.positions = positions.data_ptr(), len(positions)
        job.images, job.image_stride, job.group_stride = batch, channels * plane, channels // groups * plane
        job.out_image, job.out_position, job.out_column = out[0].numel(), 1, out_height * out_width
        if channels == groups and columns == 1 and geometry.kernel[1] <= _LANES:
            self._depthwise(job, (out_height, out_width), width)
        else:
            run_job(job, self._operands, self._constant)
        return out

    def _job(self, codes: Tensor, taps: Tensor, out: Tensor) -> Job:
        job = self._operands.job()
        job.x, job.tap, job.out, job.scale = codes.data_ptr(), taps.data_ptr(), out.data_ptr(), self._scale.data_ptr()
        return job

    def _quantize(self, x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        """Write the padded planes of codes into this thread's workspace and return them, flat uint8."""
        batch, channels, height, width = x.shape
        left, right, top, bottom = padding
        size = batch * channels * (height + top + bottom) * (width + left + right)
        codes = workspace.get("codes", size)
        c = self._codes
        planes = Planes(x.data_ptr(), channels, height, width, *x.stride(), *padding, c.scale, c.zero, c.low, c.high)
        planes.codes = codes.data_ptr()
        library, level = native_library(), current_level()
        split(
            batch,
            lambda first, last: library.dse_quantize(ctypes.byref(planes), level, first, last),
            threads_for(size * 8),
        )
        return codes

    def _depthwise(self, job: Job, size: tuple[int, int], in_columns: int) -> None:
        g = self._geometry
        windows = Windows(*size, in_columns, *g.kernel, *g.stride, *g.dilation)
        library, level = native_library(), current_level()
        job.offset = self._constant.data_ptr()
        needed = library.dse_depthwise_bytes(ctypes.byref(job), ctypes.byref(windows))

        def compute(first: int, last: int) -> None:
            memory = workspace.get("sums", needed).data_ptr()
            library.dse_depthwise(ctypes.byref(job), ctypes.byref(windows), level, first, last, memory)

        split(job.groups, compute, threads_for(job.images * job.positions * job.groups * job.depth))


def _require(x: Tensor, fits: bool, expected: str) -> None:
    """Raise InputError unless `x` is what the compiled code will take its memory for."""
    if not fits or x.dtype != torch.float32 or x.device.type != "cpu":
        raise InputError(
            f"NativeLayer: expected {expected} float32 on the CPU, got {tuple(x.shape)} {x.dtype} on {x.device}"
        )


@lru_cache(maxsize=256)
def _taps(kernel: tuple[int, int], dilation: tuple[int, int], row: int, plane: int, channels: int) -> Tensor:
    """Return where the operands of a window lie: `(K,)` int64 bytes from its first, channels before taps."""
    if plane == 0:  # a row of features
        return torch.arange(channels)
    (kh, kw), (dh, dw) = kernel, dilation
    rows, columns = torch.arange(kh) * dh * row, torch.arange(kw) * dw
    return (torch.arange(channels)[:, None, None] * plane + rows[:, None] + columns).flatten()


@lru_cache(maxsize=256)
def _positions(height: int, width: int, stride: tuple[int, int], row: int) -> Tensor:
    """Return where the windows of an image begin: `(H' W',)` int64 bytes from its first."""
    return (torch.arange(height)[:, None] * stride[0] * row + torch.arange(width) * stride[1]).flatten()
