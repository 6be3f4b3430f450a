"""The definition of a LUT product, and random operands of every kind, for the tests of all engines."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.int64]
INT32 = np.iinfo(np.int32)

KINDS = ("products", "full", "bits", "high", "low", "wide", "edge")


def by_indexing(x: Array, w: Array, lut: Array) -> Array:
    """Return `(M, G, N)` by fancy indexing: `sum_k lut[x[m, g, k], w[g, k, n]]`."""
    return np.stack([lut.astype(np.int64)[x[:, g, :, None], w[g][None]].sum(1) for g in range(x.shape[1])], axis=1)


def random_table(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> Array:
    """Return a table without symmetry whose entries fit int32; `kind` says where they lie."""
    low, high = {
        "products": (-65025, 65026),
        "full": (INT32.min, INT32.max + 1),
        "bits": (0, 2),
        "high": (INT32.max - 2, INT32.max + 1),  # a small spread far from zero
        "low": (INT32.min, INT32.min + 3),
        "wide": (-(2**19), 2**19),
        "edge": (0, 2**16),  # every column spans just what 16 bits hold, at an offset of its own
    }[kind]
    table = rng.integers(low, high, shape)
    if kind == "full":
        table.flat[rng.integers(table.size)] = INT32.min
        table.flat[rng.integers(table.size)] = INT32.max
    if kind == "edge":
        table[0], table[-1] = 0, 2**16 - 1
        table += rng.integers(-(2**20), 2**20, shape[1])
    return table


def code_tensor(codes: Array, bits: int) -> Tensor:
    """Return codes in the narrowest type that the engines take."""
    return torch.from_numpy(codes.astype(np.uint8 if bits <= 8 else np.int16))


def table_tensor(table: Array) -> Tensor:
    """Return a table as the engines take it."""
    return torch.from_numpy(table.astype(np.int32))
