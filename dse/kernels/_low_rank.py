"""LUT products as one matrix product on `r` times the depth, where the table is `a @ b` with few columns `r`.

`sum_k lut[x_k, w_k] = sum_k sum_r a[x_k, r] b[r, w_k]`: activations and weights are replaced by rows of the factors, and a
tuned GEMM does the rest. Integer factors stay exact because the depth is cut into blocks of which no partial sum can round.
Factors that only come near the table give sums within a stated bound; they run in float64, because a setting of PyTorch may
round float32 operands to TF32 behind the bound's back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.kernels._factors import exact_factors, factor
from dse.kernels._low_rank_plan import LowRankReport, as_integers, conversion, plan
from dse.kernels._table import sum_dtype
from dse.kernels._tensor_cores import half_bmm

# Highest rank at which the engine is chosen unasked. Billions of products per second for (M, K, N) = (65536, 144, 16),
# (16384, 288, 32) and (4096, 576, 64), on two cores with AVX-512 of which other work took about one:
#   rank 1, activations cast          22.2  30.8  32.9        compiled engine           19.9  20.9  19.3
#   rank 1, activations looked up      5.0   9.2  13.4        embedding_bag in torch     4.8   6.1   4.4
#   rank 3                             4.0   7.0   6.2        float32 GEMM, no more     24.9  46.3  51.6
#   rank 8                             2.7   1.7   2.8
# Looking up takes 1 to 2 ns for each of M K r factors, whatever N is. Pairs of codes looked up together gained too little.
# For GPUs the limit is an estimate, there was none to measure on: shared memory serves a few look-ups per multiprocessor
# and cycle, float32 alone 64 to 128 products, and the factors' traffic then allows a few columns.
MAX_RANK = {"cpu": 1, "cuda": 8}
_CHUNK = {"cpu": 2**19, "cuda": 2**26}  # factors laid out at a time: 2 MiB, near the cache, or 256 MiB at most

Result = TypeVar("Result")


class LowRankProduct:
    """Products with fixed weights through a factored table: same arguments and results as `LutProduct`.

    `report` says what the products are computed with and how far they may be off.

    Args:
        w_codes: Weight codes `(G, K, N)`, integers below `2^Bw`.
        lut: Table `(2^Bx, 2^Bw)` int32 on the same device.
        max_rank: Most columns of the factors, None for up to 64. A table that needs more is approximated, and its sums are
            rounded to the nearest integer.

    Raises:
        InputError: If `max_rank` is below 1. Codes and table have been checked by the caller.
    """

    def __init__(self, w_codes: Tensor, lut: Tensor, *, max_rank: int | None = None) -> None:
        self._groups, self._depth, self._columns = w_codes.shape
        factors = _once(factor, lut, max_rank)
        chosen = plan(factors, lut.device)
        self._a = _tensor(chosen.a, lut.device, chosen.dtype)
        self._width = len(chosen.b)
        rows = _tensor(chosen.b.T, lut.device, chosen.dtype)  # (2^Bw, r)
        picked = rows[w_codes.to(torch.int64)].transpose(2, 3)  # (G, K, r, N)
        self._weights = picked.reshape(self._groups, self._depth * self._width, self._columns).contiguous()
        self._block = _even(self._depth, chosen.block)
        self._conversion = conversion(chosen.a)
        largest = max(abs(int(bound)) for bound in torch.aminmax(lut))
        self._out_dtype = sum_dtype(self._depth, largest)
        self.report = LowRankReport.of(factors, chosen, self._depth)

    @property
    def nbytes(self) -> int:
        """Bytes held by both factors."""
        return sum(held.numel() * held.element_size() for held in (self._a, self._weights))

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` below `2^Bx` -> `(M, G, N)` int32, int64 where a sum could overflow."""
        out = torch.zeros((len(x_codes), self._groups, self._columns), dtype=self._out_dtype, device=x_codes.device)
        per_row = self._groups * self._depth * self._width
        if out.numel() == 0 or per_row == 0:
            return out
        rows = min(len(x_codes), max(1, _CHUNK.get(x_codes.device.type, _CHUNK["cpu"]) // per_row))
        buffer = self._a.new_empty(rows * per_row)  # one for all chunks: fresh memory costs page faults
        for start in range(0, len(x_codes), rows):
            x, y = (codes[start : start + rows].transpose(0, 1) for codes in (x_codes, out))
            self._accumulate(x, y, buffer)
        return out

    def _accumulate(self, x_codes: Tensor, out: Tensor, buffer: Tensor) -> None:
        """Add the sums of codes `(G, m, K)` to `out (G, m, N)`."""
        bmm = half_bmm if self._a.dtype == torch.float16 else torch.bmm
        x, step = self._replaced(x_codes, buffer), self._block * self._width
        for start in range(0, x.shape[2], step):
            sums = bmm(x[:, :, start : start + step], self._weights[:, start : start + step])
            out += as_integers(sums, out.dtype, exact=self.report.is_exact)

    def _replaced(self, codes: Tensor, buffer: Tensor) -> Tensor:
        """Return the factors of codes `(G, m, K)` as `(G, m, K * r)`, in `buffer`."""
        groups, rows, depth = codes.shape
        values = buffer[: codes.numel() * self._width].view(-1, self._width)
        if self._conversion == "code":
            return values.view(codes.shape).copy_(codes)
        if self._conversion == "byte" and codes.dtype == torch.uint8:
            return values.view(codes.shape).copy_(codes.contiguous().view(torch.int8))
        torch.index_select(self._a, 0, codes.to(torch.int32).reshape(-1), out=values)
        return values.view(groups, rows, depth * self._width)


def why_not(lut: Tensor, device: torch.device) -> str | None:
    """Return why this engine should not be chosen unasked for `lut (2^Bx, 2^Bw)` int32 on `device`; None where it should."""
    most = MAX_RANK.get(device.type, 0)
    if most == 0:
        return f"nothing is known of its speed on {device.type}"
    factors = _once(exact_factors, lut, most)
    if factors is None:
        return f"the table has no exact integer factors of rank {most}, beyond which other engines are faster"
    chosen = plan(factors, device)
    if factors.rank and chosen.dtype == torch.float64:
        return "the table's entries are so large that its sums need float64"
    if len(chosen.b) > most:
        return f"its factors take {len(chosen.b)} columns in float16, more than {most}, where other engines are faster"
    if device.type == "cpu" and factors.rank and conversion(factors.a) == "rows":
        return "replacing the activations one by one takes longer than other engines need in all"
    return None


def _even(depth: int, block: int | None) -> int:
    """Return the length, at most `block`, that cuts `depth` into as few blocks as possible and makes them equal."""
    whole = max(1, depth)
    return whole if block is None else -(-whole // -(-whole // block))


def _tensor(values: NDArray[np.number], device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device, dtype)


def _once(function: Callable[..., Result], lut: Tensor, max_rank: int | None) -> Result:
    """Return `function(table, max_rank=max_rank)`, remembered: every layer with the same table asks again."""
    result: Result = _remembered(function, lut.cpu().contiguous().numpy().tobytes(), tuple(lut.shape), max_rank)
    return result


@lru_cache(maxsize=64)  # with keys of up to 512 KiB some 50 MiB in all
def _remembered(function: Callable[..., Result], table: bytes, shape: tuple[int, ...], max_rank: int | None) -> Result:
    return function(np.frombuffer(table, dtype=np.int32).reshape(shape), max_rank=max_rank)
