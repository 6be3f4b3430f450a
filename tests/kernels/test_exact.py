"""Exact integer products: no rounding whatever the size of the operands, int64 where int32 is too narrow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.exceptions import InputError
from dse.kernels import exact_matmul

sizes = st.integers(0, 4)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(sizes, sizes, st.integers(0, 30), sizes),
    x_dtype=st.sampled_from([torch.uint8, torch.int8, torch.int16, torch.int32]),
    w_dtype=st.sampled_from([torch.uint8, torch.int8, torch.int16]),
    seed=st.integers(0, 2**32),
)
def test_equals_python_integers(
    shape: tuple[int, int, int, int], x_dtype: torch.dtype, w_dtype: torch.dtype, seed: int
) -> None:
    groups, rows, depth, columns = shape
    generator = torch.Generator().manual_seed(seed)

    def draw(dtype: torch.dtype, *size: int) -> torch.Tensor:
        info = torch.iinfo(dtype)
        return torch.randint(info.min, info.max + 1, size, generator=generator, dtype=torch.int64).to(dtype)

    x, w = draw(x_dtype, groups, rows, depth), draw(w_dtype, groups, depth, columns)
    out = exact_matmul(x, w)
    expected = np.matmul(x.numpy().astype(object), w.numpy().astype(object)) if depth else np.zeros(out.shape)
    assert out.shape == (groups, rows, columns)
    assert np.array_equal(out.numpy().astype(object), expected)


@pytest.mark.parametrize(
    ("depth", "x", "w", "dtype"),
    [
        (1, 2**12, 2**12 - 1, torch.int32),  # around 2^24, where float32 starts to round
        (3, 2**12, 2**12, torch.int32),
        (259, 255, 255, torch.int32),
        (1001, -255, 255, torch.int32),
        (1, 2**16, 2**15 - 1, torch.int32),  # around 2^31
        (1, 2**16, 2**15, torch.int64),
        (3, 2**20 + 1, -(2**20) - 1, torch.int64),
        (1, 2**26 + 1, 2**26 - 1, torch.int64),  # just below 2^53, where float64 starts to round
    ],
)
def test_limits_of_the_floating_types(depth: int, x: int, w: int, dtype: torch.dtype) -> None:
    left, right = torch.full((1, 2, depth), x, dtype=torch.int32), torch.full((1, depth, 1), w, dtype=torch.int32)
    left[0, 1, 0] -= 1 if x > 0 else -1  # an odd sum beside the extreme one
    out = exact_matmul(left, right)
    assert out.dtype == dtype
    assert out.flatten().tolist() == [depth * x * w, depth * x * w - (w if x > 0 else -w)]


def test_most_negative_operand_counts_with_its_magnitude() -> None:
    x = torch.full((1, 2, 3), -128, dtype=torch.int8)
    assert exact_matmul(x, x.transpose(1, 2)).unique().tolist() == [3 * 128 * 128]


def test_refuses_operands_that_float64_would_round() -> None:
    x = torch.full((1, 1, 1), 2**27, dtype=torch.int64)
    with pytest.raises(InputError, match="2\\^53"):
        exact_matmul(x, x)
