"""Low-rank products against the definition where they are exact, within the stated bound where they are not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from dse.exceptions import InputError
from dse.kernels import _low_rank_plan, naive_lut_matmul
from dse.kernels._factors import factor, reach
from dse.kernels._low_rank import LowRankProduct, why_not
from dse.kernels._low_rank_plan import plan
from dse.kernels._tensor_cores import half_bmm, in_halves, is_trusted
from dse.multipliers import generate
from dse.operands import FORMATS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
Integers = NDArray[np.int64]


def definition(x: Integers, w: Integers, lut: Integers) -> Integers:
    """Return the product by fancy indexing: `(M, G, K)`, `(G, K, N)` -> `(M, G, N)`."""
    groups = [lut.astype(np.int64)[x[:, g, :, None], w[None, g]].sum(1) for g in range(x.shape[1])]
    return np.stack(groups, 1) if groups else np.zeros((len(x), 0, w.shape[2]), dtype=np.int64)


def code_tensor(codes: Integers, levels: int) -> Tensor:
    return torch.from_numpy(codes.astype(np.uint8 if levels <= 256 else np.int16))


def product_of(lut: Integers, w: Integers, max_rank: int | None = None) -> LowRankProduct:
    return LowRankProduct(code_tensor(w, lut.shape[1]), torch.from_numpy(lut.astype(np.int32)), max_rank=max_rank)


def random_codes(seed: int, lut: Integers, rows: int, groups: int, depth: int, columns: int) -> tuple[Integers, Integers]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, len(lut), (rows, groups, depth)), rng.integers(0, lut.shape[1], (groups, depth, columns))


def sum_dtype(depth: int, lut: Integers) -> torch.dtype:
    return torch.int32 if depth * np.abs(lut).max() < 2**31 else torch.int64


def assert_exact(lut: Integers, rows: int, groups: int, depth: int, columns: int, seed: int = 0) -> LowRankProduct:
    x, w = random_codes(seed, lut, rows, groups, depth, columns)
    product = product_of(lut, w)
    out = product(code_tensor(x, len(lut)))
    assert product.report.is_exact and product.report.sum_error_bound == 0
    assert out.shape == (rows, groups, columns) and out.dtype == sum_dtype(depth, lut)
    assert np.array_equal(out.numpy(), definition(x, w, lut))
    return product


sizes = st.integers(0, 4)


@settings(max_examples=120, deadline=None)
@given(
    shape=st.tuples(sizes, sizes, st.integers(0, 60), sizes),
    bits=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    rank=st.integers(0, 5),
    largest=st.sampled_from([1, 4, 100, 1000, 9000]),
    seed=st.integers(0, 2**32),
)
@example(shape=(0, 0, 0, 0), bits=(8, 9), rank=2, largest=4, seed=0)
@example(shape=(2, 3, 0, 4), bits=(8, 9), rank=2, largest=4, seed=0)
@example(shape=(2, 1, 40, 3), bits=(4, 4), rank=4, largest=9000, seed=0)  # needs float64
def test_equals_the_definition(
    shape: tuple[int, int, int, int], bits: tuple[int, int], rank: int, largest: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(-largest, largest + 1, (2 ** bits[0], rank))
    b = rng.integers(-largest, largest + 1, (rank, 2 ** bits[1]))
    product = assert_exact(a @ b, *shape, seed)
    assert product.report.rank <= rank


def test_the_naive_loop_agrees() -> None:
    lut = generate("drum4u").table.astype(np.int64)
    x, w = random_codes(0, lut, 4, 1, 20, 3)
    out = product_of(lut, w)(code_tensor(x, 256))
    assert np.array_equal(out[:, 0].numpy(), naive_lut_matmul(x[:, 0], w[0], lut))


@pytest.mark.parametrize("name", list(FORMATS))
def test_generated_circuits(name: str) -> None:
    for multiplier in map(generate, ("exact8u", "reduced5u", "trunc6u", "trunc_c8u", "bam_h2_v8u", "drum4u")):
        product = assert_exact(FORMATS[name].table(multiplier).astype(np.int64), 3, 1, 300, 4)
        assert product.report.rank <= 8 and product.report.dtype == torch.float32


def test_signed_circuits() -> None:
    for multiplier in map(generate, ("exact8s", "reduced5s", "trunc6s", "bam_h2_v8s", "drum4s", "booth_t4s")):
        assert_exact(multiplier.table.astype(np.int64), 3, 2, 300, 4)


@pytest.mark.parametrize("depth", [257, 258, 259, 516, 517, 2000])
@pytest.mark.parametrize("rank", [1, 3])
def test_long_sums_of_extreme_products_do_not_round(depth: int, rank: int) -> None:
    values = np.arange(256)
    lut = np.multiply.outer(values, values) - (rank > 1) * np.multiply.outer(values % 4 > 2, values % 2)
    x, w = np.full((2, 1, depth), 255), np.full((1, depth, 2), 255)
    x[1, 0, -1], w[0, 0, 1] = 254, 253
    out = product_of(lut, w)(code_tensor(x, 256))
    assert np.array_equal(out.numpy(), definition(x, w, lut))


@pytest.mark.parametrize(
    ("depth", "entry", "dtype"),
    [(1, 2**31 - 1, torch.int32), (2, 2**31 - 1, torch.int64), (2, 2**30 - 1, torch.int32), (5, -(2**31), torch.int64)],
)
def test_result_widens_where_a_sum_could_overflow(depth: int, entry: int, dtype: torch.dtype) -> None:
    lut, codes = torch.full((4, 4), entry, dtype=torch.int32), torch.full((1, depth, 1), 3, dtype=torch.uint8)
    out = LowRankProduct(codes, lut)(codes.transpose(1, 2))
    assert out.dtype == dtype and out.item() == depth * entry


@pytest.mark.parametrize("levels", [16, 256, 512])
@pytest.mark.parametrize("signed", [False, True])
def test_activations_that_are_their_own_factor_are_cast(levels: int, signed: bool) -> None:
    values = np.arange(levels)
    if signed:
        values = (values + levels // 2) % levels - levels // 2
    lut = np.multiply.outer(values, np.arange(-32, 32))
    product = assert_exact(lut, 3, 2, 9, 4)
    assert product.report.rank == 1
    x, w = random_codes(1, lut, 5, 2, 9, 4)
    for dtype in (torch.uint8, torch.int16, torch.int32, torch.int64)[levels > 256 :]:
        out = product_of(lut, w)(torch.from_numpy(x).to(dtype))
        assert np.array_equal(out.numpy(), definition(x, w, lut))


def test_layout_in_memory_does_not_matter() -> None:
    for lut in (generate("trunc6u").table.astype(np.int64), np.multiply.outer(np.arange(256), np.arange(64))):
        x, w = random_codes(0, lut, 5, 3, 7, 4)
        strided = code_tensor(w, 256).transpose(0, 2).contiguous().transpose(0, 2)
        product = LowRankProduct(strided, torch.from_numpy(lut).int())
        sliced = code_tensor(x, 256).repeat_interleave(2, 2)[:, :, ::2]
        assert np.array_equal(product(sliced).numpy(), definition(x, w, lut))
        assert np.array_equal(product(sliced.transpose(0, 2).contiguous().transpose(0, 2)).numpy(), definition(x, w, lut))


def test_many_rows_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(__import__("dse.kernels._low_rank", fromlist=["_CHUNK"]))["_CHUNK"], "cpu", 100)
    assert_exact(generate("trunc6u").table.astype(np.int64), 23, 2, 5, 3)


def test_memory_is_that_of_both_factors() -> None:
    lut = generate("trunc6u").table.astype(np.int64)
    product = product_of(lut, random_codes(0, lut, 1, 2, 9, 4)[1])
    rank = product.report.rank
    assert product.nbytes == 4 * rank * (256 + 2 * 9 * 4)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.tuples(st.integers(2, 6), st.integers(2, 7)),
    entries=st.sampled_from([(0, 2), (-65025, 65026), (2**31 - 3, 2**31), (-(2**31), 2**31), (-(2**19), 2**19)]),
    depth=st.integers(0, 80),
    max_rank=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_approximate_sums_keep_to_the_bound(
    bits: tuple[int, int], entries: tuple[int, int], depth: int, max_rank: int, seed: int
) -> None:
    lut = np.random.default_rng(seed).integers(*entries, (2 ** bits[0], 2 ** bits[1]))
    x, w = random_codes(seed, lut, 4, 1, depth, 3)
    product = product_of(lut, w, max_rank)
    out = product(code_tensor(x, len(lut)))
    error = np.abs(out.numpy() - definition(x, w, lut)).max(initial=0)
    assert error <= product.report.sum_error_bound
    assert out.dtype == sum_dtype(depth, lut)
    assert product.report.rank <= max_rank


def test_report_of_an_approximated_circuit() -> None:
    lut = generate("mitchell8u").table.astype(np.int64)
    x, w = random_codes(0, lut, 20, 1, 50, 8)
    product = product_of(lut, w, 6)
    report = product.report
    assert (report.rank, report.is_exact, report.dtype) == (6, False, torch.float64)
    assert 0 < report.mean_abs_residual < report.max_abs_residual
    assert 50 * report.max_abs_residual < report.sum_error_bound < 50 * report.max_abs_residual + 0.51
    error = np.abs(product(code_tensor(x, 256)).numpy() - definition(x, w, lut))
    assert 0 < error.max() <= report.sum_error_bound


def test_refuses_a_rank_below_one() -> None:
    with pytest.raises(InputError, match="max_rank"):
        LowRankProduct(torch.zeros((1, 1, 1), dtype=torch.uint8), torch.zeros((4, 4), dtype=torch.int32), max_rank=0)


@pytest.fixture
def reduced_precision() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_float64_where_float32_may_be_rounded(reduced_precision: None) -> None:
    product = assert_exact(generate("reduced5u").table.astype(np.int64), 3, 1, 300, 4)
    assert product.report.dtype == torch.float64
    assert why_not(torch.from_numpy(generate("reduced5u").table.copy()), CPU) is not None


class TestChoice:
    """Where the engine is chosen unasked."""

    @staticmethod
    def lut(values: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int32).copy())

    def test_on_the_cpu_where_activations_need_no_look_up(self) -> None:
        values = np.arange(256)
        for name in ("u8", "sm8"):
            assert why_not(self.lut(FORMATS[name].exact), CPU) is None
        assert why_not(self.lut(np.multiply.outer(values, values // 8 * 8)), CPU) is None
        assert why_not(self.lut(np.multiply.outer((values + 128) % 256 - 128, values)), CPU) is None
        assert why_not(self.lut(np.zeros((256, 256))), CPU) is None

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (np.multiply.outer(np.arange(256) // 8 * 8, np.arange(256)), "replacing the activations"),
            (generate("trunc6u").table, "no exact integer factors of rank 1"),
            (np.random.default_rng(0).integers(0, 9, (256, 256)), "no exact integer factors of rank 1"),
            (np.multiply.outer(np.arange(256), np.full(4, 2**22)), "float64"),
        ],
    )
    def test_not_on_the_cpu(self, table: NDArray[np.integer], message: str) -> None:
        assert message in str(why_not(self.lut(table), CPU))

    def test_on_gpus_up_to_eight_columns(self) -> None:
        assert why_not(self.lut(generate("trunc6u").table), CUDA) is None
        assert why_not(self.lut(generate("drum4u").table), CUDA) is None
        assert "rank 8" in str(why_not(self.lut(generate("mitchell8u").table), CUDA))
        assert "float64" in str(why_not(self.lut(np.multiply.outer(np.arange(4), [0, 10**6 + 1, 1, 1])), CUDA))
        rng = np.random.default_rng(0)
        wide = rng.integers(-(2**14), 2**14, (256, 8)) @ rng.integers(-1, 2, (8, 256))
        assert "16 columns in float16" in str(why_not(self.lut(wide), CUDA))

    def test_not_elsewhere(self) -> None:
        assert "meta" in str(why_not(self.lut(np.zeros((4, 4))), torch.device("meta")))


class TestTensorCores:
    """What can be told of them without a GPU."""

    @settings(max_examples=60, deadline=None)
    @given(
        rank=st.integers(0, 4),
        largest=st.tuples(st.sampled_from([1, 2048, 5000, 65504]), st.sampled_from([1, 2048, 5000, 65504])),
        seed=st.integers(0, 2**32),
    )
    def test_pieces_fit_float16_and_multiply_to_the_same(self, rank: int, largest: tuple[int, int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        a = rng.integers(-largest[0], largest[0] + 1, (16, rank))
        b = rng.integers(-largest[1], largest[1] + 1, (rank, 8))
        pieces = in_halves(a, b)
        assert pieces is not None
        assert np.array_equal(pieces[0] @ pieces[1], a @ b)
        assert rank <= len(pieces[1]) <= rank * (1 + (largest[0] > 2048)) * (1 + (largest[1] > 2048))
        for piece in pieces:
            assert np.array_equal(piece.astype(np.float16).astype(np.int64), piece)

    def test_entries_beyond_float16(self) -> None:
        assert in_halves(np.array([[65505]]), np.array([[1]])) is None
        assert in_halves(np.array([[1]]), np.array([[-65505]])) is None

    def test_a_device_is_trusted_only_after_a_trial(self) -> None:
        assert not is_trusted(CPU)

    def test_settings_survive_a_failure(self) -> None:
        settings = torch.backends.cuda.matmul
        before = settings.allow_fp16_reduced_precision_reduction
        x = torch.ones((1, 2, 2), dtype=torch.float16)
        with pytest.raises(NotImplementedError):  # there is no such product on the CPU
            half_bmm(x, x)
        assert settings.allow_fp16_reduced_precision_reduction == before

    @pytest.mark.parametrize("trusted", [False, True])
    def test_plan(self, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
        monkeypatch.setattr(_low_rank_plan, "is_trusted", lambda device: trusted)
        rng = np.random.default_rng(0)
        table = rng.integers(-5000, 5000, (64, 2)) @ rng.integers(-9, 10, (2, 64))
        chosen = plan(factor(table), CUDA)
        assert chosen.dtype == (torch.float16 if trusted else torch.float32)
        assert np.array_equal(chosen.a @ chosen.b, table)
        assert np.array_equal(chosen.a.astype(np.float16), chosen.a)
        assert chosen.block is not None and chosen.block * reach(chosen.a, chosen.b) < 2**24

    def test_trials_stay_below_two_to_the_24(self) -> None:
        from dse.kernels._tensor_cores import _trials

        for x, w in _trials(CPU):
            assert x.shape == (1, 64, 256) and w.shape == (1, 256, 64)
            largest = torch.bmm(x.abs(), w.abs()).max()
            assert 2**15 < largest < 2**24
            for half in (x, w):
                assert torch.equal(half.half().double(), half)
            assert torch.equal(torch.bmm(x.float(), w.float()).double(), torch.bmm(x, w))

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_products_on_a_gpu(self) -> None:
        for multiplier in map(generate, ("trunc6u", "drum4u", "reduced5u")):
            lut = multiplier.table.astype(np.int64)
            x, w = random_codes(0, lut, 300, 2, 700, 40)
            product = LowRankProduct(code_tensor(w, 256).cuda(), torch.from_numpy(multiplier.table.copy()).cuda())
            assert np.array_equal(product(code_tensor(x, 256).cuda()).cpu().numpy(), definition(x, w, lut))
