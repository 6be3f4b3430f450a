"""LUT products in plain torch: permuted rows summed by `embedding_bag`.

For each reduction index `k` the table's columns are permuted once by the weights, `T_k[x, n] = lut[x, w[k, n]]`. An output
row is then a sum of whole rows, `out[m, :] = sum_k T_k[x[m, k], :]`: vector adds instead of one lookup per product.
`embedding_bag` does just that sum, in float32. It stays exact because the reduction is cut into blocks whose sums cannot
exceed 2^24, and the entries are centred first, which doubles the length of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dse.exceptions import InputError

_FLOAT32_EXACT = 2**24
_FLOAT64_EXACT = 2**53
_CHUNK_INDICES = 2**17  # 512 KiB of int32 indices at a time: they stay in cache and are reused by the allocator

_CODE_DTYPES = (torch.uint8, torch.int16, torch.int32, torch.int64)


def lut_matmul(x_codes: Tensor, w_codes: Tensor, lut: Tensor) -> Tensor:
    """Sum table entries over the reduction: `out[m, n] = sum_k lut[x_codes[m, k], w_codes[k, n]]`, bit-exact.

    Args:
        x_codes: Activation codes `(M, K)`, uint8 (a signed operand's code is its two's complement byte) or int16 for
            operands of more than 8 bits.
        w_codes: Weight codes `(K, N)`, same dtypes. Codes of narrower operands lie below `2^B`.
        lut: Table `(2^Bx, 2^Bw)` int32, first axis the activation's code.

    Returns:
        `(M, N)` int32, or int64 where a sum could overflow int32.

    Raises:
        InputError: For wrong ranks, dtypes, inner sizes, or codes outside the table.
    """
    if x_codes.ndim != 2 or w_codes.ndim != 2 or x_codes.shape[1] != w_codes.shape[0]:
        raise InputError(
            f"lut_matmul: expected x_codes (M, K) and w_codes (K, N), got {tuple(x_codes.shape)} and {tuple(w_codes.shape)}"
        )
    return LutProduct(w_codes[None], lut)(x_codes[:, None])[:, 0]


class LutProduct:
    """The product with fixed weights: build once per (weights, table), call with activations.

    Args:
        w_codes: Weight codes `(G, K, N)`: one matrix for each group of a grouped convolution (`G = 1` otherwise).
        lut: Table `(2^Bx, 2^Bw)` int32.

    Raises:
        InputError: For wrong ranks or dtypes, or weight codes outside the table.
    """

    def __init__(self, w_codes: Tensor, lut: Tensor) -> None:
        if w_codes.ndim != 3:
            raise InputError(f"LutProduct: expected w_codes (G, K, N), got shape {tuple(w_codes.shape)}")
        if lut.ndim != 2 or lut.dtype != torch.int32 or lut.numel() == 0:
            raise InputError(f"LutProduct: expected lut (2^Bx, 2^Bw) int32, got {tuple(lut.shape)} {lut.dtype}")
        _check_codes("w_codes", w_codes, lut.shape[1])
        self._levels = lut.shape[0]
        self._shape = tuple(w_codes.shape)
        low, high = int(lut.min()), int(lut.max())
        self._centre = (low + high) // 2
        reach = max(high - self._centre, self._centre - low, 1)
        depth = w_codes.shape[1]
        self._out_dtype = torch.int32 if depth * max(abs(low), abs(high)) < 2**31 else torch.int64
        dtype, limit = (
            (torch.float32, _FLOAT32_EXACT) if reach * 32 < _FLOAT32_EXACT else (torch.float64, _FLOAT64_EXACT)
        )
        self._block = max(1, (limit - 1) // reach)
        self._rows = _permuted_rows(w_codes, lut, self._centre, dtype)
        index_dtype = torch.int32 if len(self._rows) < 2**31 else torch.int64  # half the traffic where it can
        self._offsets = torch.arange(0, len(self._rows), self._levels, dtype=index_dtype, device=lut.device)
        self._offsets = self._offsets.view(1, *self._shape[:2])

    @property
    def nbytes(self) -> int:
        """Bytes held by the prepared rows."""
        return self._rows.numel() * self._rows.element_size()

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` -> `(M, G, N)` int32, int64 where a sum could overflow."""
        groups, depth, columns = self._shape
        if x_codes.ndim != 3 or tuple(x_codes.shape[1:]) != (groups, depth):
            raise InputError(f"LutProduct: expected x_codes (M, {groups}, {depth}), got shape {tuple(x_codes.shape)}")
        _check_codes("x_codes", x_codes, self._levels)
        out = torch.zeros((x_codes.shape[0], groups, columns), dtype=self._out_dtype, device=x_codes.device)
        if out.numel() == 0 or depth == 0:
            return out
        chunk = max(1, _CHUNK_INDICES // (groups * depth))
        for start in range(0, x_codes.shape[0], chunk):
            self._accumulate(x_codes[start : start + chunk], out[start : start + chunk])
        return out.add_(depth * self._centre)

    def _accumulate(self, x_codes: Tensor, out: Tensor) -> None:
        groups, depth, columns = self._shape
        indices = x_codes.to(self._offsets.dtype) + self._offsets
        for start in range(0, depth, self._block):
            bags = indices[:, :, start : start + self._block].reshape(-1, min(self._block, depth - start))
            sums = F.embedding_bag(bags, self._rows, mode="sum")
            out += sums.view(-1, groups, columns).to(out.dtype)


def _permuted_rows(w_codes: Tensor, lut: Tensor, centre: int, dtype: torch.dtype) -> Tensor:
    """Return `lut[x, w[g, k, n]] - centre` as rows `(G * K * 2^Bx, N)`, ordered by g, k, x."""
    groups, depth, columns = w_codes.shape
    centred = (lut.to(torch.int64) - centre).to(dtype)  # as integers: entries far from zero would round in float32
    by_weight = centred.t().contiguous()  # (2^Bw, 2^Bx): one gather of whole rows per weight
    picked = by_weight[w_codes.to(torch.int64)]  # (G, K, N, 2^Bx)
    return picked.transpose(2, 3).reshape(groups * depth * len(lut), columns).contiguous()


def _check_codes(name: str, codes: Tensor, levels: int) -> None:
    if codes.dtype not in _CODE_DTYPES:
        raise InputError(f"{name}: expected integer codes (uint8 or int16), got {codes.dtype}")
    if codes.numel() == 0 or (codes.dtype == torch.uint8 and levels >= 256):
        return
    low, high = torch.aminmax(codes)
    if int(low) < 0 or int(high) >= levels:
        raise InputError(f"{name}: expected codes in 0..{levels - 1} for this table, got {int(low)}..{int(high)}")
