"""The definition of a LUT product as a naive triple loop: slow, obvious, and what every engine is tested against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
