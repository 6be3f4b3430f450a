"""Factors of tables: integers whose product is the table wherever few suffice, else a stated residual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.kernels._factors import Factors, exact_factors, factor
from dse.kernels._lattice import lattice_factors
from dse.multipliers import Multiplier, MultiplierLibrary, generate, load_library
from dse.operands import FORMATS
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox

Integers = NDArray[np.int64]


def planted(seed: int, rows: int, columns: int, rank: int, largest: int) -> tuple[Integers, Integers]:
    """Return random integer factors `(rows, rank)` and `(rank, columns)`."""
    rng = np.random.default_rng(seed)
    return rng.integers(-largest, largest + 1, (rows, rank)), rng.integers(-largest, largest + 1, (rank, columns))


def rank_of(table: NDArray[np.integer]) -> int:
    return int(np.linalg.matrix_rank(table.astype(np.float64)))


def rank_modulo(table: NDArray[np.integer], limit: int, prime: int = 2**31 - 1) -> int:
    """Return the rank modulo a prime, or `limit` if that is less: never above the true rank, below it only by bad luck."""
    rest, rank = table.astype(np.int64) % prime, 0
    while rest.any() and rank < limit:
        i, j = (int(index[0]) for index in np.nonzero(rest))
        row = rest[i] * pow(int(rest[i, j]), -1, prime) % prime
        rest = (rest - np.multiply.outer(rest[:, j], row) % prime) % prime
        rest = np.delete(rest, i, axis=0)
        rank += 1
    return rank


def assert_exact(factors: Factors, table: NDArray[np.integer]) -> None:
    assert factors.is_exact and factors.a.dtype == factors.b.dtype == np.int64
    assert np.array_equal(factors.a @ factors.b, table)
    assert (factors.max_abs_residual, factors.mean_abs_residual, factors.sum_error_bound(1000)) == (0, 0, 0)


@settings(max_examples=80, deadline=None)
@given(
    x_bits=st.integers(2, 9),
    w_bits=st.integers(2, 9),
    rank=st.integers(0, 6),
    largest=st.sampled_from([1, 2, 7, 30, 255, 4000]),
    seed=st.integers(0, 2**32),
)
def test_planted_integer_factors_are_found(x_bits: int, w_bits: int, rank: int, largest: int, seed: int) -> None:
    a, b = planted(seed, 2**x_bits, 2**w_bits, rank, largest)
    table = a @ b
    factors = factor(table)
    assert_exact(factors, table)
    assert factors.rank <= rank
    if rank_of(a) == rank_of(b) == rank:
        assert factors.rank == rank
    assert factors.reach <= 8 * max(1, rank) * np.abs(table).max(initial=0)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rank=st.integers(0, 8),
    largest=st.sampled_from([1, 5, 255, 2**14]),
    seed=st.integers(0, 2**32),
)
def test_lattice_alone_finds_them_too(shape: tuple[int, int], rank: int, largest: int, seed: int) -> None:
    a, b = planted(seed, *shape, rank, largest)
    pair = lattice_factors(a @ b, 8)
    assert pair is not None
    assert np.array_equal(pair[0] @ pair[1], a @ b)
    assert len(pair[1]) == rank_of(a @ b)


def test_a_table_without_pivots_that_divide_goes_to_the_lattice() -> None:
    table = np.array([[2, 3], [5, 7]])[np.arange(8) % 2][:, np.arange(16) % 2]
    assert_exact(factor(table), table)
    assert factor(table).rank == 2
    assert factor(table).reach <= 14


def test_dependent_rows_shrink_the_lattice() -> None:
    table = np.array([[6, 0], [4, 0], [0, 15], [0, 10]])  # bases of the rows' multiples, by Euclid: (2, 0) and (0, 5)
    pair = lattice_factors(table, 2)
    assert pair is not None
    assert sorted(np.abs(pair[1]).tolist()) == [[0, 5], [2, 0]]


def test_rank_is_exceeded() -> None:
    table = np.eye(8, dtype=np.int32)
    assert exact_factors(table, 7) is None
    assert exact_factors(2 * table, 7) is None
    assert lattice_factors(table.astype(np.int64), 7) is None
    assert_exact(factor(table, max_rank=8), table)


def test_extreme_entries() -> None:
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    signs = np.multiply.outer([1, -1, 0, 1], [1, 0, 1, -1])
    for table in (np.full((4, 8), high), np.full((4, 8), low), signs * high, np.array([[low, high], [high, low]])):
        assert_exact(factor(table.astype(np.int32)), table)


def test_residual_is_that_of_the_product() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(-1000, 1000, (32, 64))
    previous = np.inf
    for rank in (1, 5, 31):
        factors = factor(table, max_rank=rank)
        residual = np.abs(factors.a @ factors.b - table)
        assert not factors.is_exact and factors.rank == rank
        assert factors.max_abs_residual == residual.max() and factors.mean_abs_residual == residual.mean()
        assert 10 * factors.max_abs_residual <= factors.sum_error_bound(10) <= 10 * factors.max_abs_residual + 0.51
        assert factors.mean_abs_residual < previous
        previous = factors.mean_abs_residual
    assert_exact(factor(table, max_rank=32), table)


def test_reach() -> None:
    factors = factor(np.multiply.outer(np.arange(256), np.arange(256)))
    assert factors.reach == 255 * 255


@pytest.mark.parametrize("max_rank", [0, -1])
def test_refuses(max_rank: int) -> None:
    with pytest.raises(InputError, match=f"max_rank: expected at least 1 .* got {max_rank}"):
        factor(np.zeros((4, 4), dtype=np.int32), max_rank=max_rank)


def served(library: MultiplierLibrary) -> list[tuple[str, Multiplier]]:
    """Return every operand format with the multipliers it can use."""
    return [(name, m) for name in FORMATS for m in library if name == "s8" or not m.x_signed]


@pytest.mark.parametrize("sign", "us")
def test_circuits_without_some_products_have_low_rank(sign: str) -> None:
    stems = ("exact8", "reduced5", "trunc2", "trunc6", "trunc10", "bam_h1_v3", "bam_h2_v6", "bam_h4_v9", "drum3", "drum6")
    library = MultiplierLibrary([generate(f"{stem}{sign}") for stem in stems])
    for name, multiplier in served(library):
        table = FORMATS[name].table(multiplier)
        factors = exact_factors(table, 8)
        assert factors is not None
        assert_exact(factors, table)
        assert factors.reach <= 1.25 * np.abs(table).max()


def test_separable_circuits_have_rank_one() -> None:
    """DRUM and reduced width round each operand by itself: one column, where their error alone has two."""
    for multiplier in map(generate, ("drum4u", "drum6u", "reduced5u", "reduced3s")):
        assert factor(multiplier.table).rank == 1
        assert factor(multiplier.error).rank == 2


def test_the_exact_product_is_one_column_which_is_the_code() -> None:
    factors = factor(np.multiply.outer(np.arange(256), np.arange(-256, 256)))
    assert np.array_equal(factors.a[:, 0], np.arange(256)) and np.array_equal(factors.b[0], np.arange(-256, 256))


def test_mitchell_is_approximated() -> None:
    """Logarithms of every leading one: rank 128."""
    table = generate("mitchell8u").table
    assert exact_factors(table, 8) is None
    factors = factor(table, max_rank=4)
    assert not factors.is_exact and factors.rank == 4
    assert np.abs(factors.a @ factors.b - table).max() == factors.max_abs_residual > 0


@needs_evoapprox
def test_ranks_of_the_published_errors() -> None:
    """Of the 35 approximate unsigned tables the error's rank is at most 6 for 11, 11 for 19, 22 for 24, above 100 for 5."""
    library = load_library(FOLDER, signed=False)
    errors = [m.error for m in library if not m.is_exact]
    found = [exact_factors(error, 22) for error in errors]
    ranks = [rank_modulo(error, 101) for error in errors]
    for factors, rank, error in zip(found, ranks, errors, strict=True):
        assert (factors is not None) == (rank <= 22)
        if factors is not None:
            assert_exact(factors, error)
            assert factors.rank == rank
    assert [sum(rank <= limit for rank in ranks) for limit in (6, 11, 22, 100)] == [11, 19, 24, 30]
    assert len(errors) == 35


@needs_evoapprox
def test_ranks_of_the_published_tables() -> None:
    """All thirteen signed tables need five columns at most, 13 of the 36 unsigned ones eight."""
    unsigned = load_library(FOLDER, signed=False)
    signed = load_library(FOLDER, signed=True)
    for name, multiplier in served(signed):
        table = FORMATS[name].table(multiplier)
        factors = factor(table, max_rank=5)
        assert_exact(factors, table)
        assert factors.reach <= 1.25 * np.abs(table).max()
    assert sum(exact_factors(m.table, 8) is not None for m in unsigned) == 13
