"""Sums of per-product slopes, the two gradients of a product through a table, without one lookup per product.

With permuted slopes `T_k[x, n] = slopes[x, w[k, n]]` the gradient of an activation is a dot product of two whole rows,
`grad[m, :] . T_k[x[m, k], :]`. For the weights the rows of `grad` are first summed by code, `H_k[v, :] = sum of grad[m, :]
where x[m, k] = v`, and a slope is looked up once for each code instead of once for each row. Both sums are those that
`embedding_bag` and its gradient form. The fan-in goes through in blocks that bound the memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 2**22  # 16 MiB of float32 in the permuted slopes of a block


def activation_slope_sums(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor) -> Tensor:
    """Return `out[m, g, k] = sum_n grad[m, g, n] * slopes[x_codes[m, g, k], w_codes[g, k, n]]`.

    Args:
        grad: `(M, G, N)` float32.
        x_codes: Activation codes `(M, G, K)` uint8.
        w_codes: Weight codes `(G, K, N)`, any integer dtype.
        slopes: Slopes by code `(2^Bx, 2^Bw)` float32.

    Returns:
        `(M, G, K)` float32.
    """
    out = grad.new_zeros(x_codes.shape)
    if grad.numel() == 0 or out.numel() == 0:
        return out
    rows, groups, columns = grad.shape
    bags = grad.reshape(rows * groups, columns)
    for block in _blocks(w_codes, len(slopes)):
        indices = _indices(x_codes[:, :, block]).flatten()
        per_bag = len(indices) // len(bags)
        owner = torch.arange(len(bags), dtype=torch.int32, device=grad.device)
        # what autograd calls for the gradient of `per_sample_weights`; by way of autograd the sums would be formed too
        dots = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            bags, _permuted(w_codes[:, block], slopes), indices, owner * per_bag, owner.repeat_interleave(per_bag), 0
        )
        out[:, :, block] = dots.view(rows, groups, per_bag)
    return out


def weight_slope_sums(grad: Tensor, x_codes: Tensor, w_codes: Tensor, slopes: Tensor) -> Tensor:
    """Return `out[g, k, n] = sum_m grad[m, g, n] * slopes[x_codes[m, g, k], w_codes[g, k, n]]`.

    Args:
        grad: `(M, G, N)` float32.
        x_codes: Activation codes `(M, G, K)` uint8.
        w_codes: Weight codes `(G, K, N)`, any integer dtype.
        slopes: Slopes by code `(2^Bx, 2^Bw)` float32.

    Returns:
        `(G, K, N)` float32.
    """
    out = grad.new_zeros(w_codes.shape)
    if grad.numel() == 0 or out.numel() == 0:
        return out
    levels, columns = len(slopes), grad.shape[-1]
    for block in _blocks(w_codes, levels):
        sums = _sums_by_code(grad, x_codes[:, :, block], levels)
        permuted = _permuted(w_codes[:, block], slopes).view(levels, -1, columns).transpose(0, 1)
        out[:, block] = sums.mul_(permuted).sum(1).view(len(out), -1, columns)
    return out


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
