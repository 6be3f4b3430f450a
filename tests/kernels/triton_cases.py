"""The Triton kernel against the definition, in Triton's interpreter on CPU tensors; `test_triton.py` runs this file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from dse.kernels import LutTable, naive_lut_matmul
from dse.kernels._triton import TritonProduct, why_not

Integers = NDArray[np.int64]

ENTRIES = {
    "products": (-65025, 65026),  # spans more than 16 bits
    "unsigned": (0, 65026),
    "span": (-(2**15) - 7, 2**15 - 7),
    "bits": (0, 2),
    "full": (-(2**31), 2**31),
    "high": (2**31 - 3, 2**31),
    "low": (-(2**31), -(2**31) + 3),
}


def code_tensor(codes: Integers, bits: int) -> Tensor:
    return torch.from_numpy(codes.astype(np.uint8 if bits <= 8 else np.int16))


def assert_equal(kind: str, bits: tuple[int, int], shape: tuple[int, int, int, int], seed: int = 0) -> None:
    rows, groups, depth, columns = shape
    rng = np.random.default_rng(seed)
    lut = rng.integers(*ENTRIES[kind], (2 ** bits[0], 2 ** bits[1]))
    x = rng.integers(0, 2 ** bits[0], (rows, groups, depth))
    w = rng.integers(0, 2 ** bits[1], (groups, depth, columns))
    out = TritonProduct(code_tensor(w, bits[1]), LutTable(torch.from_numpy(lut.astype(np.int32))))(code_tensor(x, bits[0]))
    assert out.shape == (rows, groups, columns)
    assert out.dtype == (torch.int32 if depth * np.abs(lut).max() < 2**31 else torch.int64)
    for g in range(groups):
        assert np.array_equal(out[:, g].numpy(), naive_lut_matmul(x[:, g], w[g], lut))


sizes = st.one_of(st.just(0), st.just(1), st.integers(2, 5))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(ENTRIES)),
    bits=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    shape=st.tuples(sizes, sizes, st.one_of(sizes, st.integers(6, 20)), sizes),
    seed=st.integers(0, 2**32),
)
def test_equals_the_definition(kind: str, bits: tuple[int, int], shape: tuple[int, int, int, int], seed: int) -> None:
    assert_equal(kind, bits, shape, seed)


@pytest.mark.parametrize(
    "shape",
    [(70, 1, 2, 65), (33, 2, 3, 64), (130, 1, 1, 17), (2100, 1, 1, 1), (1, 1, 2, 130), (3, 9, 2, 1)],
)
def test_blocks_at_the_edges(shape: tuple[int, int, int, int]) -> None:
    assert_equal("products", (8, 9), shape)


@pytest.mark.parametrize("kind", ["span", "full", "high", "low"])
def test_long_sums_do_not_overflow(kind: str) -> None:
    assert_equal(kind, (3, 3), (2, 1, 300, 2))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_code_types_and_layouts(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    lut = rng.integers(-9, 9, (16, 32))
    x, w = rng.integers(0, 16, (4, 1, 6)), rng.integers(0, 32, (1, 6, 3))
    columns_first = torch.from_numpy(w).to(dtype).transpose(1, 2).contiguous()
    product = TritonProduct(columns_first.transpose(1, 2), LutTable(torch.from_numpy(lut).int()))
    out = product(torch.from_numpy(x).to(dtype).transpose(0, 2).contiguous().transpose(0, 2))
    assert np.array_equal(out[:, 0].numpy(), naive_lut_matmul(x[:, 0], w[0], lut))


def test_tables_are_halved_where_16_bits_hold_their_span() -> None:
    w = torch.zeros((1, 1, 1), dtype=torch.uint8)
    table = torch.zeros((16, 16), dtype=torch.int32)
    for high, entry_bytes in ((2**16 - 1, 2), (2**16, 4)):
        table[3, 4] = high
        assert TritonProduct(w, LutTable(table)).nbytes == 256 * entry_bytes + 2


def test_the_interpreter_runs_anywhere() -> None:
    assert why_not(torch.device("cpu")) is None
