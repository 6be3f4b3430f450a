"""LUT products against their definition in Python integers, for every shape, width and sign, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from dse.exceptions import InputError
from dse.kernels import LutProduct, lut_matmul, naive_lut_matmul

INT32 = np.iinfo(np.int32)
Array = NDArray[np.int64]


def definition(x: Array, w: Array, lut: Array) -> Array:
    """Return the product from its definition: Python integers, one product at a time."""
    (rows, depth), columns = x.shape, w.shape[1]
    out = np.zeros((rows, columns), dtype=np.int64)
    for m in range(rows):
        for n in range(columns):
            total = 0
            for k in range(depth):
                total += int(lut[int(x[m, k])][int(w[k, n])])
            out[m, n] = total
    return out


def by_indexing(x: Array, w: Array, lut: Array) -> Array:
    """Return the product by fancy indexing, for sizes at which the loop would take too long."""
    return lut.astype(np.int64)[x[:, :, None], w[None]].sum(1)


def out_dtype(depth: int, lut: Array) -> torch.dtype:
    reach = max(abs(int(lut.min())), abs(int(lut.max())))
    return torch.int32 if depth * reach < 2**31 else torch.int64


def code_tensor(codes: Array, bits: int) -> Tensor:
    return torch.from_numpy(codes.astype(np.uint8 if bits <= 8 else np.int16))


def code_values(bits: int, signed: bool) -> Array:
    codes = np.arange(2**bits)
    return np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes) if signed else codes


def random_table(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> Array:
    """Return a non-symmetric int32 table; `kind` says where its entries lie."""
    low, high = {
        "products": (-65025, 65026),
        "full": (INT32.min, INT32.max + 1),
        "bits": (0, 2),
        "high": (INT32.max - 2, INT32.max + 1),  # a small spread far from zero: float32 cannot hold the entries
        "low": (INT32.min, INT32.min + 3),
        "wide": (-(2**19), 2**19),  # about where blocks of float32 sums become too short
    }[kind]
    table = rng.integers(low, high, shape)
    if kind == "full":
        table.flat[rng.integers(table.size)] = INT32.min
        table.flat[rng.integers(table.size)] = INT32.max
    return table


sizes = st.one_of(st.just(0), st.just(1), st.integers(2, 6))
widths = st.integers(2, 9)


@settings(max_examples=300, deadline=None)
@given(
    shape=st.tuples(sizes, st.one_of(sizes, st.integers(7, 40)), sizes),
    x_bits=widths,
    w_bits=widths,
    kind=st.sampled_from(["products", "full", "bits", "high", "low", "wide"]),
    seed=st.integers(0, 2**32),
)
@example(shape=(2, 3, 0), x_bits=8, w_bits=8, kind="products", seed=0)
@example(shape=(0, 0, 0), x_bits=8, w_bits=9, kind="products", seed=0)
@example(shape=(2, 5, 2), x_bits=8, w_bits=8, kind="high", seed=0)
def test_equals_the_definition(shape: tuple[int, int, int], x_bits: int, w_bits: int, kind: str, seed: int) -> None:
    rows, depth, columns = shape
    rng = np.random.default_rng(seed)
    lut = random_table(rng, kind, (2**x_bits, 2**w_bits))
    x = rng.integers(0, 2**x_bits, (rows, depth))
    w = rng.integers(0, 2**w_bits, (depth, columns))
    out = lut_matmul(code_tensor(x, x_bits), code_tensor(w, w_bits), torch.from_numpy(lut.astype(np.int32)))
    expected = definition(x, w, lut)
    assert out.shape == (rows, columns)
    assert out.dtype == out_dtype(depth, lut)
    assert np.array_equal(out.numpy(), expected)
    assert np.array_equal(naive_lut_matmul(x, w, lut), expected)


@settings(max_examples=60, deadline=None)
@given(
    x_bits=widths,
    w_bits=widths,
    x_signed=st.booleans(),
    w_signed=st.booleans(),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(1, 5)),
    seed=st.integers(0, 2**32),
)
def test_exact_table_gives_the_product_of_the_values(
    x_bits: int, w_bits: int, x_signed: bool, w_signed: bool, shape: tuple[int, int, int], seed: int
) -> None:
    rows, depth, columns = shape
    rng = np.random.default_rng(seed)
    x_values, w_values = code_values(x_bits, x_signed), code_values(w_bits, w_signed)
    x, w = rng.choice(x_values, (rows, depth)), rng.choice(w_values, (depth, columns))
    lut = torch.from_numpy(np.multiply.outer(x_values, w_values).astype(np.int32))
    out = lut_matmul(code_tensor(x % 2**x_bits, x_bits), code_tensor(w % 2**w_bits, w_bits), lut)
    assert np.array_equal(out.numpy(), x @ w)


def test_twos_complement_byte_of_a_signed_operand() -> None:
    values = code_values(8, signed=True)
    lut = torch.from_numpy(np.multiply.outer(values, values).astype(np.int32))
    x = torch.tensor([[-128, -1, 127]], dtype=torch.int8).view(torch.uint8)
    w = torch.tensor([[-128], [1], [-2]], dtype=torch.int8).view(torch.uint8)
    assert lut_matmul(x, w, lut).item() == 128 * 128 - 1 - 254


@pytest.mark.parametrize("depth", [31, 32, 33, 100, 1000])
@pytest.mark.parametrize("spread", [2**10, 2**18, 2**19 - 1, 2**19, 2**22])
@pytest.mark.parametrize("offset", [0, -(2**21), 2**21])
def test_long_sums_of_extreme_entries_do_not_round(depth: int, spread: int, offset: int) -> None:
    rng = np.random.default_rng(depth)
    lut = rng.integers(-spread, spread + 1, (256, 256)) + offset
    lut[7, 11], lut[8, 12] = offset - spread, offset + spread
    x, w = rng.integers(0, 256, (4, depth)), rng.integers(0, 256, (depth, 3))
    x[0], w[:, 0] = 7, 11
    x[1], w[:, 1] = 8, 12
    x[2] = rng.choice([7, 8], depth)
    out = lut_matmul(code_tensor(x, 8), code_tensor(w, 8), torch.from_numpy(lut.astype(np.int32)))
    assert out.dtype == out_dtype(depth, lut)
    assert np.array_equal(out.numpy(), by_indexing(x, w, lut))


@pytest.mark.parametrize(
    ("depth", "entry", "dtype"),
    [
        (1, INT32.max, torch.int32),
        (2, INT32.max, torch.int64),
        (2, 2**30, torch.int64),
        (2, 2**30 - 1, torch.int32),
        (5, INT32.min, torch.int64),
        (33000, 65025, torch.int32),
        (33100, 65025, torch.int64),
    ],
)
def test_result_widens_where_a_sum_could_overflow(depth: int, entry: int, dtype: torch.dtype) -> None:
    lut = torch.full((4, 4), entry, dtype=torch.int32)
    codes = torch.full((depth,), 3, dtype=torch.uint8)
    out = lut_matmul(codes[None], codes[:, None], lut)
    assert out.dtype == dtype
    assert out.item() == depth * entry


@pytest.mark.parametrize(("rows", "depth"), [(70_000, 2), (140_000, 1), (3, 50_000), (1, 140_000)])
def test_many_indices_are_cut_into_chunks(rows: int, depth: int) -> None:
    rng = np.random.default_rng(0)
    lut = rng.integers(-50, 50, (4, 4))
    x, w = rng.integers(0, 4, (rows, depth)), rng.integers(0, 4, (depth, 2))
    out = lut_matmul(code_tensor(x, 2), code_tensor(w, 2), torch.from_numpy(lut.astype(np.int32)))
    assert np.array_equal(out.numpy(), by_indexing(x, w, lut))


@pytest.mark.parametrize(("rows", "groups", "depth", "columns"), [(5, 3, 4, 2), (2, 1, 7, 3), (4, 6, 1, 1)])
def test_groups_are_products_of_their_own(rows: int, groups: int, depth: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    lut = torch.from_numpy(random_table(rng, "products", (256, 512)).astype(np.int32))
    x = code_tensor(rng.integers(0, 256, (rows, groups, depth)), 8)
    w = code_tensor(rng.integers(0, 512, (groups, depth, columns)), 9)
    product = LutProduct(w, lut)
    out = product(x)
    assert out.shape == (rows, groups, columns)
    for g in range(groups):
        assert torch.equal(out[:, g], lut_matmul(x[:, g], w[g], lut))
    assert torch.equal(product(x), out)
    assert LutProduct(w, lut, engine="torch").nbytes == groups * depth * 256 * columns * 4


@pytest.mark.parametrize(
    ("rows", "groups", "depth", "columns"), [(0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0), (0, 0, 0, 0)]
)
def test_empty_sizes_give_zeros_of_the_right_shape(rows: int, groups: int, depth: int, columns: int) -> None:
    product = LutProduct(torch.zeros((groups, depth, columns), dtype=torch.uint8), torch.ones(4, 4, dtype=torch.int32))
    out = product(torch.zeros((rows, groups, depth), dtype=torch.uint8))
    assert out.shape == (rows, groups, columns) and out.dtype == torch.int32
    assert not out.any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_code_types_agree(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    lut = random_table(rng, "products", (256, 256))
    x, w = rng.integers(0, 256, (4, 6)), rng.integers(0, 256, (6, 3))
    out = lut_matmul(
        torch.from_numpy(x).to(dtype), torch.from_numpy(w).to(dtype), torch.from_numpy(lut.astype(np.int32))
    )
    assert np.array_equal(out.numpy(), definition(x, w, lut))


def test_layout_in_memory_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    lut = random_table(rng, "products", (256, 512)).astype(np.int32)
    x, w = rng.integers(0, 256, (5, 7)), rng.integers(0, 512, (7, 3))
    expected = definition(x, w, lut)
    transposed = [t.t().contiguous().t() for t in (code_tensor(x, 8), code_tensor(w, 9), torch.from_numpy(lut))]
    assert not any(t.is_contiguous() for t in transposed)
    assert np.array_equal(lut_matmul(*transposed).numpy(), expected)
    sliced = [t.repeat_interleave(2, 0)[::2] for t in (code_tensor(x, 8), code_tensor(w, 9), torch.from_numpy(lut))]
    assert not any(t.is_contiguous() for t in sliced)
    assert np.array_equal(lut_matmul(*sliced).numpy(), expected)
    expanded = lut_matmul(code_tensor(x[:1], 8).expand(4, 7), code_tensor(w, 9), torch.from_numpy(lut))
    assert np.array_equal(expanded.numpy(), np.repeat(expected[:1], 4, 0))


def test_arguments_are_left_as_they_are() -> None:
    lut = torch.arange(16, dtype=torch.int32).reshape(4, 4)
    x, w = torch.ones(2, 3, dtype=torch.uint8), torch.ones(3, 2, dtype=torch.uint8)
    before = [t.clone() for t in (x, w, lut)]
    lut_matmul(x, w, lut)
    assert all(torch.equal(old, new) for old, new in zip(before, (x, w, lut), strict=True))


X = torch.zeros(2, 3, dtype=torch.uint8)
W = torch.zeros(3, 4, dtype=torch.uint8)
LUT = torch.zeros(16, 32, dtype=torch.int32)


@pytest.mark.parametrize(
    ("x", "w", "lut", "message"),
    [
        (X[0], W, LUT, r"x_codes \(M, K\) and w_codes \(K, N\), got \(3,\) and \(3, 4\)"),
        (X[None], W, LUT, r"got \(1, 2, 3\)"),
        (X, W[:, 0], LUT, r"got \(2, 3\) and \(3,\)"),
        (X, W[:2], LUT, r"got \(2, 3\) and \(2, 4\)"),
        (X.float(), W, LUT, "x_codes: expected integer codes .* got torch.float32"),
        (X, W.double(), LUT, "w_codes: expected integer codes .* got torch.float64"),
        (X.bool(), W, LUT, "x_codes: .*torch.bool"),
        (X.to(torch.int8), W, LUT, "x_codes: .*torch.int8"),  # a value, not its code
        (X[:0].float(), W, LUT, "x_codes: .*torch.float32"),  # refused even where nothing would be computed
        (X, W, LUT.long(), "lut .*torch.int64"),
        (X, W, LUT.float(), "lut .*torch.float32"),
        (X, W, LUT.flatten(), r"lut .*\(512,\)"),
        (X, W, LUT[None], r"lut .*\(1, 16, 32\)"),
        (X, W, LUT[:0], r"lut .*\(0, 32\)"),
        (X, W, LUT[:, :0], r"lut .*\(16, 0\)"),
        (X + 16, W, LUT, r"x_codes: expected codes in 0\.\.15 for this table, got 16\.\.16"),
        (X, W + 32, LUT, r"w_codes: expected codes in 0\.\.31 for this table, got 32\.\.32"),
        (X + 255, W, LUT, "x_codes: .*got 255"),
        (X.to(torch.int16) - 1, W, LUT, r"x_codes: .*got -1\.\.-1"),
        (X, W.to(torch.int16) - 1, LUT, r"w_codes: .*got -1\.\.-1"),
        (X.to(torch.int16) + 256, W, torch.zeros(256, 256, dtype=torch.int32), "x_codes: .*got 256"),
        (X, W.to(torch.int16) + 512, torch.zeros(256, 512, dtype=torch.int32), "w_codes: .*got 512"),
    ],
)
def test_refuses(x: Tensor, w: Tensor, lut: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lut_matmul(x, w, lut)


def test_one_code_outside_of_the_table_is_enough() -> None:
    x = X.clone()
    x[1, 2] = 16
    with pytest.raises(InputError, match=r"x_codes: .*got 0\.\.16"):
        lut_matmul(x, W, LUT)


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 3), (2, 1, 4), (2, 1, 3, 1)])
def test_prepared_product_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    product = LutProduct(W[None], LUT)
    with pytest.raises(InputError, match=r"expected x_codes \(M, 1, 3\), got shape"):
        product(torch.zeros(shape, dtype=torch.uint8))


def test_prepared_product_refuses_weights_without_groups() -> None:
    with pytest.raises(InputError, match=r"expected w_codes \(G, K, N\), got shape \(3, 4\)"):
        LutProduct(W, LUT)
