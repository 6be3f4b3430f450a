"""LUT products in plain torch: permuted rows summed by `embedding_bag`. Runs wherever torch does.

For each reduction index `k` the table's columns are permuted once by the weights, `T_k[x, n] = lut[x, w[k, n]]`. An output
row is then a sum of whole rows, `out[m, :] = sum_k T_k[x[m, k], :]`: vector adds instead of one lookup per product.
`embedding_bag` does just that sum, in float32. It stays exact because the reduction is cut into blocks whose sums cannot
exceed 2^24, and the entries are centred first, which doubles the length of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dse.kernels._table import LutTable

_FLOAT32_EXACT = 2**24
_FLOAT64_EXACT = 2**53
_CHUNK_INDICES = 2**23  # 32 MiB of int32 indices at a time: fewer, and waking the threads takes longer than the sums
_BLOCK_PER_COLUMN = 5  # reduction indices in a block for each column: short rows want a small table, long ones few calls


class TorchProduct:
    """Products with fixed weights in plain torch; see `dse.kernels.LutProduct`."""

    def __init__(self, w_codes: Tensor, table: LutTable) -> None:
        self._levels = table.levels
        self._shape = tuple(w_codes.shape)
        self._centre = (table.low + table.high) // 2
        reach = max(table.high - self._centre, self._centre - table.low, 1)
        self._out_dtype = table.sum_dtype(w_codes.shape[1])
        dtype, limit = (
            (torch.float32, _FLOAT32_EXACT) if reach * 32 < _FLOAT32_EXACT else (torch.float64, _FLOAT64_EXACT)
        )
        self._exact = max(1, (limit - 1) // reach)  # reduction indices whose sum cannot round
        self._block = _block(w_codes.shape[1], min(self._exact, max(32, _BLOCK_PER_COLUMN * w_codes.shape[2])))
        self._rows = _permuted_rows(w_codes, table.lut, self._centre, dtype)
        index_dtype = torch.int32 if len(self._rows) < 2**31 else torch.int64  # half the traffic where it can
        self._offsets = torch.arange(0, len(self._rows), self._levels, dtype=index_dtype, device=table.lut.device)
        self._offsets = self._offsets.view(1, *self._shape[:2])

    @property
    def nbytes(self) -> int:
        """Bytes held by the prepared rows."""
        return self._rows.numel() * self._rows.element_size()

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` -> `(M, G, N)` int32, int64 where a sum could overflow."""
        groups, depth, columns = self._shape
        out = torch.empty((len(x_codes), groups, columns), dtype=self._out_dtype, device=x_codes.device)
        if out.numel() == 0 or depth == 0:
            return out.zero_()
        chunk = max(1, _CHUNK_INDICES // (groups * self._block))
        for start in range(0, len(x_codes), chunk):
            self._sum(x_codes[start : start + chunk], out[start : start + chunk])
        return out.add_(depth * self._centre)

    def _sum(self, x_codes: Tensor, out: Tensor) -> None:
        """Write the sums of centred entries for codes `(m, G, K)` to `out (m, G, N)`; in floats as far as they are exact."""
        depth = self._shape[1]
        step = self._exact // self._block * self._block
        for first in range(0, depth, step):
            total = self._block_sums(x_codes, first)
            for start in range(first + self._block, min(first + step, depth), self._block):
                total += self._block_sums(x_codes, start)
            total = total.view(out.shape)
            if first == 0:
                out.copy_(total)
            else:
                out += total.to(out.dtype)

    def _block_sums(self, x_codes: Tensor, start: int) -> Tensor:
        """Return the sums over one block of the reduction, `(m * G, N)` in floats."""
        block = slice(start, start + self._block)
        bags = x_codes[:, :, block].to(self._offsets.dtype, copy=True, memory_format=torch.contiguous_format)
        bags += self._offsets[:, :, block]
        sums: Tensor = F.embedding_bag(bags.view(-1, bags.shape[2]), self._rows, mode="sum")
        return sums


def _block(depth: int, most: int) -> int:
    """Return the size of blocks of about equal size, at most `most`, that make up `depth`."""
    count = max(1, -(-depth // most))
    return max(1, -(-depth // count))


def _permuted_rows(w_codes: Tensor, lut: Tensor, centre: int, dtype: torch.dtype) -> Tensor:
    """Return `lut[x, w[g, k, n]] - centre` as rows `(G * K * 2^Bx, N)`, ordered by g, k, x."""
    groups, depth, columns = w_codes.shape
    centred = (lut.to(torch.int64) - centre).to(dtype)  # as integers: entries far from zero would round in float32
    by_weight = centred.t().contiguous()  # (2^Bw, 2^Bx): one gather of whole rows per weight
    picked = by_weight[w_codes.to(torch.int64)]  # (G, K, N, 2^Bx)
    return picked.transpose(2, 3).reshape(groups * depth * len(lut), columns).contiguous()
