"""Exact integer products on a GPU's tensor cores: float16 operands, float32 sums.

A float16 holds 11 significant bits, so factors are cut into pieces that fit, each piece a column of its own. A product of
two pieces has at most 22 bits and comes out exact, and sums below 2^24 stay exact in whatever order they are formed: the
units align their terms to the largest and keep no fewer than float32's 24 bits. That was found by experiment on three
generations (Fasi, Higham, Mikaitis, Pranesh: Numerical behavior of NVIDIA tensor cores, PeerJ Computer Science 7:e330,
2021); no vendor promises it, so a device is believed only after a trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LARGEST = 65504  # of float16

Integers = NDArray[np.int64]


def in_halves(a: Integers, b: Integers) -> tuple[Integers, Integers] | None:
    """Return factors `(R, s)` and `(s, C)` int64 with the same product, whose entries float16 holds.

    TF32 has 11 significant bits too and lets such entries pass unchanged: a float32 product of them is exact whether or not
    PyTorch may use it.

    Args:
        a: Integers `(R, r)`.
        b: Integers `(r, C)`.

    Returns:
        The factors, `s` at most four times `r`; None where an entry is beyond float16's 65,504.
    """
    if max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)) > _LARGEST:
        return None
    a, b = _split(a, b)
    b_columns, a_rows = _split(b.T, a.T)
    return a_rows.T, b_columns.T


def _split(left: Integers, right: Integers) -> tuple[Integers, Integers]:
    """Cut every column of `left` that needs it in two: the nearest float16s, and what they miss (5 bits at most)."""
    high = left.astype(np.float16).astype(np.int64)
    low = left - high
    cut = low.any(0)
    return np.hstack([high, low[:, cut]]), np.vstack([right, right[cut]])


def half_bmm(x: Tensor, w: Tensor) -> Tensor:
    """Multiply `x (G, M, K)` by `w (G, K, N)`, both float16 on a GPU -> `(G, M, N)` float32, all sums in float32."""
    with _sums_in_float32():
        return torch.bmm(x, w, out_dtype=torch.float32)


@contextmanager
def _sums_in_float32() -> Iterator[None]:
    """Forbid, for a while, what PyTorch otherwise allows or may have been told to allow: sums kept in float16."""
    settings = torch.backends.cuda.matmul
    names = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
    allowed = [name for name in names if getattr(settings, name)]
    for name in allowed:
        setattr(settings, name, False)
    try:
        yield
    finally:
        for name in allowed:
            setattr(settings, name, True)


@cache
def is_trusted(device: torch.device) -> bool:
    """Return whether `half_bmm` on `device` gives exact sums up to 2^24, by trying the cases that lost bits would spoil."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return False
    try:
        return all(torch.equal(half_bmm(x.half(), w.half()).double(), torch.bmm(x, w)) for x, w in _trials(device))
    except (RuntimeError, TypeError):  # no such kernel for this device, or none in this version of PyTorch
        return False


def _trials(device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Return pairs `(1, 64, 256)`, `(1, 256, 64)` float64 of integers whose sums come near 2^24 and end in odd units."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 256, (2, 1, 64, 256), generator=generator).double()
    x, w = codes[0], codes[1].transpose(1, 2)
    large, one = x % 2, torch.ones_like(w)
    large[..., :3] = 2047  # three products near 2^22 and many of 1: all of them have to survive
    one[:, :3] = 2047
    signed = (x - 128) * 8 + 1
    pairs = [(x, w), (torch.full_like(x, 255), torch.full_like(w, 255)), (large, one), (signed, (w - 128).sign())]
    return [(left.to(device), right.to(device)) for left, right in pairs]
