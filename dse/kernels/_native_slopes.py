"""Sums of slopes on the compiled engine; what they are is told in `dse.kernels._slope_sums`, how in `native/slopes.c`."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from dse.kernels._binding import Slopes
from dse.kernels._compiled import current_level, native_library, workspace
from dse.kernels._native import threads_for
from dse.kernels._workers import split


def activation_sums(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor, out: Tensor) -> None:
    """Write the sums for the activations to `out`; threads share the positions."""
    call = _Call(grad, x_codes, w_codes, slopes, out)

    def compute(first: int, last: int) -> None:
        call.library.dse_activation_slopes(call.job, call.level, first, last, call.scratch())

    split(grad.shape[0] * grad.shape[1] * grad.shape[2], compute, call.threads)


def weight_sums(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor) -> Tensor:
    """Return the sums for the weights, (G, K, T); threads share the weights."""
    out = torch.zeros(w_codes.shape)
    call = _Call(grad, x_codes, w_codes, slopes, out)

    def compute(first: int, last: int) -> None:
        call.library.dse_weight_slopes(call.job, call.level, first, last, call.scratch())

    split(call.library.dse_weight_units(call.job), compute, call.threads)
    return out


def can_read(grad: Tensor, x_codes: Tensor) -> bool:
    """Return whether operands are laid out as the compiled engine reads them; strides of single elements say nothing.

    The outputs of a tap lie side by side, groups and reduction indices of the activations follow one another in equal steps,
    and no two activations are one place in memory, for sums are written where they are.
    """
    groups, depth = x_codes.shape[3:]
    side_by_side = grad.shape[-1] == 1 or grad.stride(-1) == 1
    equal_steps = groups == 1 or depth == 1 or x_codes.stride(3) == depth * x_codes.stride(4)
    apart = all(step > 0 for step, size in zip(x_codes.stride(), x_codes.shape, strict=True) if size > 1)
    return side_by_side and equal_steps and apart


class _Call:
    """A job for the compiled engine, and the tensors that it points to."""

    def __init__(self, grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor, out: Tensor) -> None:
        images, down, across, groups, *taps, columns = grad.shape
        steps, x_steps = grad.stride(), x_codes.stride()
        position, pixel = (_offsets((down, across), places[1:3]) for places in (steps, x_steps))
        piece, length = _pieces((*taps, columns), steps[4:])
        w, slopes = w_codes.to(torch.int16).contiguous(), slopes.contiguous()
        self._kept = (grad, x_codes, position, pixel, piece, w, slopes)
        self._slopes = Slopes(
            *(tensor.data_ptr() for tensor in (grad, position, piece)),
            *(images, down * across, steps[0], steps[3], len(piece), length),
            *(x_codes.data_ptr(), pixel.data_ptr(), x_steps[0], x_steps[4 if x_codes.shape[4] > 1 else 3]),
            *(w.data_ptr(), slopes.data_ptr(), *slopes.shape, groups, x_codes.shape[4], out.data_ptr()),
        )
        self.job, self.level, self.library = ctypes.byref(self._slopes), current_level(), native_library()
        self.threads = threads_for(x_codes.numel() * w.shape[-1])
        self._bytes = self.library.dse_slope_bytes(self.job)

    def scratch(self) -> int:
        return workspace.get("slopes", self._bytes).data_ptr()


def _offsets(sizes: tuple[int, ...], steps: tuple[int, ...]) -> Tensor:
    """Return where the elements of a strided array lie, in order, int64."""
    places = torch.zeros(1, dtype=torch.int64)
    for size, step in zip(sizes, steps, strict=True):
        places = (places[:, None] + torch.arange(size) * step).flatten()
    return places


def _pieces(sizes: tuple[int, ...], steps: tuple[int, ...]) -> tuple[Tensor, int]:
    """Return where the whole pieces of a strided array begin, and their common length: the longest that there are."""
    *outer, length = sizes
    while outer and (outer[-1] == 1 or steps[len(outer) - 1] == length):
        length *= outer.pop()
    return _offsets(tuple(outer), steps[: len(outer)]), length
