"""Exact integer products on the floating-point GEMM, in the narrowest type that cannot round."""

from __future__ import annotations

import torch
from torch import Tensor

from dse.exceptions import InputError

_FLOAT32_EXACT = 2**24  # every integer up to here, hence every partial sum below it, is exact in float32
_FLOAT64_EXACT = 2**53


def exact_matmul(x: Tensor, w: Tensor) -> Tensor:
    """Multiply integers exactly: x `(G, M, K)`, w `(G, K, N)`, any integer dtype -> `(G, M, N)` int32, int64 if needed.

    Raises:
        InputError: If a sum could exceed 2^53, which float64 would round; codes of up to 16 bits never come near.
    """
    depth = x.shape[-1]
    bound = depth * _largest(x) * _largest(w)
    if bound >= _FLOAT64_EXACT:
        raise InputError(f"exact_matmul: expected sums below 2^53, got operands whose sums may reach {bound}")
    dtype = torch.float32 if bound < _FLOAT32_EXACT else torch.float64
    product = torch.bmm(x.to(dtype), w.to(dtype))
    return product.to(torch.int32 if bound < 2**31 else torch.int64)


def _largest(values: Tensor) -> int:
    if values.numel() == 0:
        return 0
    low, high = torch.aminmax(values)
    return max(abs(int(low)), abs(int(high)))
