"""Sums of per-product slopes, the two gradients of a product through a table, without one lookup per product.

With permuted slopes `T_k[x, t] = slopes[x, w[k, t]]` the gradient of an activation is a dot product of two whole rows,
`grad[m, :] . T_k[x[m, k], :]`. For the weights the rows of `grad` are first summed by code, `H_k[v, :] = sum of grad[m, :]
where x[m, k] = v`, and a slope is looked up once for each code instead of once for each row. The compiled engine does so;
without it both sums are those that `embedding_bag` and its gradient form, in blocks that bound the memory.

Gradients come as windows (B, H, W, G, P, Q, N): for each position of an image and each group the gradients of the N outputs
that it reaches by each of P x Q taps, any strides but a last one of 1, so that windows may overlap. A position is a row `m`
of M = B H W, a tap with an output a column `t` of T = P Q N.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dse.exceptions import InputError
from dse.kernels import _native_slopes
from dse.kernels._compiled import why_not
from dse.kernels._engines import VARIABLE

_BLOCK = 2**22  # 16 MiB of float32 in the permuted slopes of a block
_CHUNK = 2**21  # 8 MiB of float32 in the rows of an output gradient at a time


def activation_slope_sums(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor, out: Tensor) -> None:
    """Write `out[m, g, k] = sum_t grad[m, g, t] * slopes[x_codes[m, g, k], w_codes[g, k, t]]`.

    Args:
        grad: Windows (B, H, W, G, P, Q, N) float32.
        x_codes: Activation codes (B, H, W, G, K) uint8; compiled code takes part of a contiguous tensor (B, G, K, H', W')
            seen with these axes, anything else is left to plain torch.
        w_codes: Weight codes (G, K, T), any integer dtype.
        slopes: Slopes by code (256, 2^Bw) float32.
        out: The same part of a float32 tensor, with the strides of `x_codes`.

    Raises:
        InputError: For operands that do not fit each other or the slopes.
    """
    _check(grad, x_codes, w_codes, slopes)
    if out.shape != x_codes.shape or out.stride() != x_codes.stride() or out.dtype != torch.float32:
        raise InputError(
            f"out: expected float32 of the shape and strides of x_codes, got {out.dtype} {tuple(out.shape)}"
        )
    if _is_native(grad, x_codes, w_codes):
        _native_slopes.activation_sums(grad, x_codes, w_codes, slopes, out)
        return
    out.zero_()
    for images, rows, codes in _rows(grad, x_codes, w_codes):
        for block in _blocks(w_codes, len(slopes)):
            dots = _dots(rows, codes[:, :, block], w_codes[:, block], slopes)
            out[images, ..., block] = dots.view(*out[images].shape[:-1], -1)


def weight_slope_sums(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor) -> Tensor:
    """Return `out[g, k, t] = sum_m grad[m, g, t] * slopes[x_codes[m, g, k], w_codes[g, k, t]]`.

    Args:
        grad, x_codes, w_codes, slopes: As for `activation_slope_sums`.

    Returns:
        (G, K, T) float32.

    Raises:
        InputError: For operands that do not fit each other or the slopes.
    """
    _check(grad, x_codes, w_codes, slopes)
    if _is_native(grad, x_codes, w_codes):
        return _native_slopes.weight_sums(grad, x_codes, w_codes, slopes)
    out = grad.new_zeros(w_codes.shape)
    levels, columns = len(slopes), w_codes.shape[-1]
    for _, rows, codes in _rows(grad, x_codes, w_codes):
        for block in _blocks(w_codes, levels):
            sums = _sums_by_code(rows, codes[:, :, block], levels)
            permuted = _permuted(w_codes[:, block], slopes).view(levels, -1, columns).transpose(0, 1)
            out[:, block] += sums.mul_(permuted).sum(1).view(len(out), -1, columns)
    return out


def _check(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor) -> None:
    """Refuse what compiled code would read beyond its ends."""
    if grad.ndim != 7 or x_codes.ndim != 5 or w_codes.ndim != 3 or slopes.ndim != 2:
        dimensions = [tensor.ndim for tensor in (grad, x_codes, w_codes, slopes)]
        raise InputError(f"slope sums: expected operands of 7, 5, 3 and 2 dimensions, got {dimensions}")
    *position, taps_down, taps_across, columns = grad.shape
    wanted = (*position, w_codes.shape[1]), (position[3], w_codes.shape[1], taps_down * taps_across * columns)
    if (tuple(x_codes.shape), tuple(w_codes.shape)) != wanted:
        got = f"{tuple(x_codes.shape)} and {tuple(w_codes.shape)}"
        raise InputError(f"slope sums: expected codes {wanted[0]} and {wanted[1]} for such windows, got {got}")
    if (grad.dtype, x_codes.dtype, slopes.dtype) != (torch.float32, torch.uint8, torch.float32):
        raise InputError(
            f"slope sums: expected float32, uint8 and float32, got {grad.dtype}, {x_codes.dtype}, {slopes.dtype}"
        )
    if len(slopes) != 256 or (w_codes.numel() and not 0 <= int(w_codes.min()) <= int(w_codes.max()) < slopes.shape[1]):
        raise InputError(f"slope sums: expected slopes (256, more than every weight code), got {tuple(slopes.shape)}")


def _is_native(grad: Tensor, x_codes: Tensor, w_codes: Tensor) -> bool:
    """Return whether the compiled engine is there, wanted, has something to do, and can read operands so laid out."""
    filled = all(tensor.numel() for tensor in (grad, x_codes, w_codes))
    wanted = not grad.is_cuda and os.environ.get(VARIABLE, "native") in ("", "native") and why_not() is None
    return filled and wanted and _native_slopes.can_read(grad, x_codes)


def _rows(grad: Tensor, x_codes: Tensor, w_codes: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield some images after the other, their rows (M, G, T) and codes (M, G, K); none where there is nothing to sum."""
    groups, depth, columns = w_codes.shape
    if grad.numel() == 0 or w_codes.numel() == 0:
        return
    length = max(1, _CHUNK // (grad.shape[1] * grad.shape[2] * groups * columns))
    for start in range(0, len(grad), length):
        images = slice(start, start + length)
        yield images, grad[images].reshape(-1, groups, columns), x_codes[images].reshape(-1, groups, depth)


def _dots(rows: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor) -> Tensor:
    """Return the sums for the activations (M, G, K) of dense rows (M, G, T)."""
    bags = rows.reshape(-1, rows.shape[-1])
    indices = _indices(x_codes).flatten()
    owner = torch.arange(len(bags), dtype=torch.int32, device=rows.device)
    per_bag = x_codes.shape[-1]
    # what autograd calls for the gradient of `per_sample_weights`; by way of autograd the sums would be formed too
    dots: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        bags, _permuted(w_codes, slopes), indices, owner * per_bag, owner.repeat_interleave(per_bag), 0
    )
    return dots.view(x_codes.shape)


def _sums_by_code(grad: Tensor, x_codes: Tensor, levels: int) -> Tensor:
    """Return `(G * K, levels, N)`: for each operand and code the sum of the rows of `grad` where it has that code."""
    rows, groups, depth = x_codes.shape
    codes = x_codes.permute(1, 2, 0).reshape(groups * depth, rows).contiguous()
    group = torch.arange(groups, device=grad.device).repeat_interleave(depth)
    members = (_order(codes) * groups + group[:, None]).to(torch.int32).flatten()
    places = torch.arange(0, groups * depth * levels, levels, dtype=torch.int32, device=grad.device)
    counts = torch.bincount((codes.to(torch.int32) + places[:, None]).flatten(), minlength=len(codes) * levels)
    starts = (counts.cumsum(0) - counts).to(torch.int32)
    bags = grad.reshape(rows * groups, -1)
    return F.embedding_bag(members, bags, starts, mode="sum").view(len(codes), levels, -1)


def _order(codes: Tensor) -> Tensor:
    """Return the positions that sort each row of uint8 codes."""
    if codes.is_cuda:
        return torch.argsort(codes, dim=1, stable=True)
    return torch.from_numpy(np.argsort(codes.numpy(), axis=1, kind="stable"))  # a radix sort: five times torch's speed


def _blocks(w_codes: Tensor, levels: int) -> Iterator[slice]:
    groups, depth, columns = w_codes.shape
    length = max(1, _BLOCK // (groups * levels * columns))
    return (slice(start, min(start + length, depth)) for start in range(0, depth, length))


def _permuted(w_codes: Tensor, slopes: Tensor) -> Tensor:
    """Return `slopes[x, w_codes[g, k, n]]` as rows `(2^Bx * G * K, N)`, ordered by x, g, k."""
    return slopes.index_select(1, w_codes.flatten().to(torch.int32)).view(-1, w_codes.shape[-1])


def _indices(x_codes: Tensor) -> Tensor:
    """Return the rows of `_permuted` that codes `(M, G, K)` choose, int32."""
    groups, depth = x_codes.shape[1:]
    operand = torch.arange(groups * depth, dtype=torch.int32, device=x_codes.device).view(groups, depth)
    return x_codes.to(torch.int32) * (groups * depth) + operand
