"""A layer's products seen from its input: one row for each position, whatever outputs it contributes to.

Products are formed from patches, where an activation appears once for each tap. From the input's side an activation meets
all its taps and output channels at once: with `T = taps * N` the gradients of those outputs are a row `(G, T)`, the
position's activations `(G, K)` and their weights `(G, K, T)`, K the channels of a group. Codes are then looked up once for
each activation, and sums are long. Positions of zero padding have no row.

With a stride `s` the positions fall into `s` phases for each axis, which meet different taps; in a phase, neighbours in the
input belong to neighbours in the output. A linear layer is a convolution of one tap on images of one position.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from dse.nn.layers import ApproxConv2d, ApproxLayer


@dataclass(frozen=True)
class Axis:
    """The positions of one phase along one axis, and the taps they meet."""

    positions: slice  # of the input
    taps: slice  # of the kernel
    size: int  # number of positions
    count: int  # number of taps
    gap: int  # from a tap's output to the next tap's, backwards
    first: int  # the output where the first position meets the first tap, possibly none

    @property
    def ends(self) -> tuple[int, int]:
        """Outputs from the first position's last tap to the last position's first one, `ends[1]` excluded."""
        return self.first - (self.count - 1) * self.gap, self.first + self.size


@dataclass(frozen=True)
class Phase:
    """The positions of one phase along both axes: M of them in a batch of B images."""

    groups: int
    down: Axis
    across: Axis

    @property
    def positions(self) -> int:
        """Number of positions in one image."""
        return self.down.size * self.across.size

    def output_gradients(self, grad: Tensor) -> Tensor:
        """Return the windows (B, H, W, G, P, Q, N) of an output gradient (B, C, ...), 0 where a tap leads to no output.

        H x W are the phase's positions, P x Q their taps. Windows overlap in memory.
        """
        (top, bottom), (left, right) = self.down.ends, self.across.ends
        height, width = grad.shape[2:]
        batch, channels = grad.shape[:2]
        reached = grad.new_zeros(batch, bottom - top, right - left, channels)  # the outputs that the phase can reach
        rows, columns = (
            slice(max(start, 0), min(end, size)) for start, end, size in ((top, bottom, height), (left, right, width))
        )
        if rows.start < rows.stop and columns.start < columns.stop:
            inside = reached[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            inside.copy_(grad[:, :, rows, columns].permute(0, 2, 3, 1))
        image, row, column, _ = reached.stride()
        sizes = (self.down.size, self.across.size, self.groups, self.down.count, self.across.count)
        steps = (row, column, channels // self.groups, row * self.down.gap, column * self.across.gap)
        return reached.as_strided((batch, *sizes, channels // self.groups), (image, *steps, 1))

    def activations(self, images: Tensor) -> Tensor:
        """Return the phase's part of input images (B, C, ...) as a view (B, H, W, G, K)."""
        part = images.unflatten(1, (self.groups, -1))[..., self.down.positions, self.across.positions]
        return part.permute(0, 3, 4, 1, 2)

    def weights(self, weight: Tensor) -> Tensor:
        """Return a tensor of the weight's shape (C, K, kh, kw) as `(G, K, T)`."""
        return self._taps(weight).flip(3, 4).permute(0, 2, 3, 4, 1).flatten(2)  # a window starts at the last tap

    def add_weights(self, out: Tensor, matrices: Tensor) -> None:
        """Add `(G, K, T)` to where `weights` takes them from in `out` (C, K, kh, kw)."""
        taps = matrices.unflatten(2, (self.down.count, self.across.count, -1))
        self._taps(out).add_(taps.permute(0, 4, 1, 2, 3).flip(3, 4))

    def _taps(self, weight: Tensor) -> Tensor:
        return weight.unflatten(0, (self.groups, -1))[..., self.down.taps, self.across.taps]  # (G, N, K, kh, kw)


def as_images(values: Tensor, layer: ApproxLayer) -> Tensor:
    """Return an input, output or weight as (B, C, H, W); those of a linear layer (..., C) as (R, C, 1, 1)."""
    return values if isinstance(layer, ApproxConv2d) else values.reshape(-1, values.shape[-1], 1, 1)


def phases(layer: ApproxLayer, size: tuple[int, int]) -> list[Phase]:
    """Return the phases of a layer with input images of `size`; a position in none meets no output."""
    geometry = layer.geometry
    left, _, top, _ = geometry.padding
    each = zip(size, geometry.kernel, geometry.stride, geometry.dilation, (top, left), strict=True)
    down, across = (list(_axis(*axis)) for axis in each)
    return [Phase(layer.groups, row, column) for row in down for column in across]


def _axis(size: int, kernel: int, stride: int, dilation: int, before: int) -> Iterator[Axis]:
    """Position `p` meets tap `i` in output `(p + before - i * dilation) / stride`, where that is an integer."""
    common = math.gcd(stride, dilation)
    for start in range(min(stride, size)):
        met = [tap for tap in range(kernel) if (start + before - tap * dilation) % stride == 0]
        if met:
            yield Axis(
                positions=slice(start, None, stride),
                taps=slice(met[0], None, stride // common),
                size=len(range(start, size, stride)),
                count=len(met),
                gap=dilation // common,
                first=(start + before - met[0] * dilation) // stride,
            )
