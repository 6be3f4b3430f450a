"""The definition of a LUT product as a naive triple loop: slow, obvious, and what every engine is tested against."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.kernels._table import LutTable


def naive_lut_matmul(
    x_codes: NDArray[np.integer], w_codes: NDArray[np.integer], lut: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return `out[m, n] = sum_k lut[x_codes[m, k], w_codes[k, n]]`: `(M, K)`, `(K, N)`, `(2^Bx, 2^Bw)` -> `(M, N)` int64."""
    rows, depth = x_codes.shape
    columns = w_codes.shape[1]
    out = np.zeros((rows, columns), dtype=np.int64)
    for m in range(rows):
        for n in range(columns):
            for k in range(depth):
                out[m, n] += int(lut[x_codes[m, k], w_codes[k, n]])
    return out


class NaiveProduct:
    """The same behind the interface of an engine; see `dse.kernels.LutProduct`."""

    nbytes = 0

    def __init__(self, w_codes: Tensor, table: LutTable) -> None:
        self._w_codes = w_codes.cpu().numpy().copy()
        self._table = table

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` -> `(M, G, N)` int32, int64 where a sum could overflow."""
        lut, x = self._table.lut.cpu().numpy(), x_codes.cpu().numpy()
        groups, depth, columns = self._w_codes.shape
        out = np.zeros((len(x), groups, columns), dtype=np.int64)
        for g in range(groups):
            out[:, g] = naive_lut_matmul(x[:, g], self._w_codes[g], lut)
        return torch.from_numpy(out).to(x_codes.device, self._table.sum_dtype(depth))
