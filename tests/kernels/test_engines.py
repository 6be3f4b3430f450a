"""One conformance suite for all engines: bit-exact whatever the operands, and one clear line where they cannot be used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dse.exceptions import InputError
from dse.kernels import ENGINE_VARIABLE, ENGINES, LutProduct, LutTable, engine_name, lut_matmul
from tests.kernels.products import KINDS, by_indexing, code_tensor, random_table, table_tensor

EXACT = [name for name in ENGINES if name != "low-rank" and ENGINES[name].missing() is None]


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(ENGINE_VARIABLE, raising=False)
    yield


@pytest.mark.parametrize("engine", EXACT)
@settings(max_examples=120, deadline=None)
@given(
    rows=st.one_of(st.integers(0, 5), st.integers(60, 70), st.integers(130, 140)),
    groups=st.integers(0, 3),
    depth=st.one_of(st.integers(0, 3), st.integers(8, 40)),
    columns=st.one_of(st.integers(0, 3), st.sampled_from([7, 8, 9, 15, 16, 17, 33, 40, 65])),
    bits=st.tuples(st.integers(2, 8), st.integers(2, 9)),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32),
)
@example(rows=64, groups=1, depth=3, columns=1, bits=(8, 9), kind="edge", seed=0)
@example(rows=129, groups=2, depth=40, columns=40, bits=(8, 8), kind="edge", seed=1)
def test_equals_the_definition(
    engine: str, rows: int, groups: int, depth: int, columns: int, bits: tuple[int, int], kind: str, seed: int
) -> None:
    if engine == "naive":
        rows, groups, depth = min(rows, 4), min(groups, 2), min(depth, 9)
    rng = np.random.default_rng(seed)
    lut = random_table(rng, kind, (2 ** bits[0], 2 ** bits[1]))
    x, w = rng.integers(0, 2 ** bits[0], (rows, groups, depth)), rng.integers(0, 2 ** bits[1], (groups, depth, columns))
    product = LutProduct(code_tensor(w, bits[1]), table_tensor(lut), engine=engine)
    out = product(code_tensor(x, bits[0]))
    assert product.engine == engine and product.nbytes >= 0
    reach = max(abs(int(lut.min())), abs(int(lut.max())))
    assert out.dtype == (torch.int32 if depth * reach < 2**31 else torch.int64)
    expected = by_indexing(x, w, lut) if groups else np.zeros((rows, 0, columns))
    assert out.shape == expected.shape and np.array_equal(out.numpy(), expected)


@pytest.mark.parametrize("engine", [name for name in EXACT if name != "naive"])
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_threads_do_not_matter(engine: str, threads: int) -> None:
    rng = np.random.default_rng(threads)
    lut = random_table(rng, "products", (256, 512))
    x, w = rng.integers(0, 256, (20_011, 2, 9)), rng.integers(0, 512, (2, 9, 33))
    product = LutProduct(code_tensor(w, 9), table_tensor(lut), engine=engine)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out = product(code_tensor(x, 8))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(out.numpy(), by_indexing(x, w, lut))


X, W = torch.zeros(2, 3, dtype=torch.uint8), torch.zeros(3, 4, dtype=torch.uint8)
LUT = table_tensor(random_table(np.random.default_rng(0), "edge", (16, 32)))  # without factors of low rank


def test_argument_and_environment_force_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LutProduct(W[None], LUT, engine="torch").engine == "torch"
    monkeypatch.setenv(ENGINE_VARIABLE, "naive")
    assert LutProduct(W[None], LUT).engine == "naive"
    assert LutProduct(W[None], LUT, engine="torch").engine == "torch"  # the argument is nearer than the environment
    monkeypatch.setenv(ENGINE_VARIABLE, "")
    assert LutProduct(W[None], LUT).engine != "naive"


def test_unknown_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="^engine: unknown engine 'torhc'; did you mean 'torch'"):
        lut_matmul(X, W, LUT, engine="torhc")
    monkeypatch.setenv(ENGINE_VARIABLE, "fast")
    with pytest.raises(InputError, match=f"^{ENGINE_VARIABLE}: unknown engine 'fast'"):
        lut_matmul(X, W, LUT)


def test_forced_engine_that_cannot_be_used_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.kernels._compiled.library", lambda: "not built: no compiler")
    native = ENGINES["native"]
    assert native.missing() == "not built: no compiler"
    with pytest.raises(InputError, match="^engine: 'native' cannot be used: not built: no compiler"):
        lut_matmul(X, W, LUT, engine="native")
    assert LutProduct(W[None], LUT).engine == "torch"  # and nobody notices where none is forced


@pytest.mark.skipif(ENGINES["native"].missing() is not None, reason="the compiled engine is not built")
def test_compiled_engine_leaves_wide_activations_to_others() -> None:
    table = LutTable(table_tensor(random_table(np.random.default_rng(0), "edge", (512, 16))))
    assert engine_name(None, table, torch.device("cpu")) == "torch"
    with pytest.raises(InputError, match="at most 8 bits, the table has 512 rows"):
        engine_name("native", table, torch.device("cpu"))
    assert engine_name(None, LutTable(LUT), torch.device("cpu")) == "native"


def test_a_table_is_a_copy() -> None:
    lut = torch.ones(4, 4, dtype=torch.int32)
    table = LutTable(lut)
    lut[:] = 7
    assert lut_matmul(X, W, table).unique().tolist() == [3]


def test_low_rank_is_chosen_where_it_is_exact_and_taken_at_its_word() -> None:
    x_values, w_values = np.arange(256), np.arange(-256, 256)
    exact = LutTable(table_tensor(np.multiply.outer(x_values, w_values)))
    assert engine_name(None, exact, torch.device("cpu")) == "low-rank"
    assert engine_name(None, LutTable(LUT), torch.device("cpu")) != "low-rank"
    noise = table_tensor(random_table(np.random.default_rng(0), "edge", (256, 256)))
    with pytest.raises(InputError, match="'low-rank' cannot be exact for this table: .* give max_rank"):
        lut_matmul(X, W, noise, engine="low-rank")
    product = LutProduct(W[None], noise, engine="low-rank", max_rank=8)
    assert product.report is not None and product(X[:, None]).shape == (2, 1, 4)
    assert LutProduct(W[None], noise, engine="torch").report is None
    with pytest.raises(InputError, match="only engine='low-rank' has one, got max_rank=8 with engine=None"):
        lut_matmul(X, W, noise, max_rank=8)


@pytest.mark.skipif(ENGINES["native"].missing() is not None, reason="the compiled engine is not built")
def test_whole_layers_are_left_to_the_compiled_engine() -> None:
    exact = LutTable(table_tensor(np.multiply.outer(np.arange(256), np.arange(256))))
    assert engine_name(None, exact, torch.device("cpu"), layer=True) == "native"
    assert engine_name("torch", exact, torch.device("cpu"), layer=True) == "torch"
