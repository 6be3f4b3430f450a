"""Error figures against a scalar count and against the published ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import error_metrics, load_library
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox


def test_scalar_count() -> None:
    rng = np.random.default_rng(0)
    exact = np.multiply.outer(np.arange(-4, 4), np.arange(-4, 4))
    table = exact + rng.integers(-3, 4, exact.shape)
    errors = [int(a) - int(e) for a, e in zip(table.flat, exact.flat, strict=True)]
    relative = [abs(d) / abs(int(e)) for d, e in zip(errors, exact.flat, strict=True) if e]
    mean = sum(errors) / 64
    found = error_metrics(table, exact)
    assert found.mae == pytest.approx(sum(map(abs, errors)) / 64)
    assert found.wce == max(map(abs, errors))
    assert found.mean_error == pytest.approx(mean)
    assert found.std_error == pytest.approx(math.sqrt(sum((d - mean) ** 2 for d in errors) / 64))
    assert found.mre == pytest.approx(sum(relative) / len(relative))
    assert found.error_probability == sum(d != 0 for d in errors) / 64


def test_sign_is_approximate_minus_exact() -> None:
    assert error_metrics(np.array([[3]]), np.array([[5]])).mean_error == -2


def test_unsigned_storage_does_not_wrap() -> None:
    assert error_metrics(np.array([[3]], dtype=np.uint16), np.array([[5]], dtype=np.uint16)).mae == 2


def test_no_nonzero_product() -> None:
    assert error_metrics(np.array([[1]]), np.array([[0]])).mre == 0


@pytest.mark.parametrize(("one", "other"), [((2, 2), (2, 3)), ((0, 2), (0, 2))])
def test_refuses_shapes(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="one shape"):
        error_metrics(np.zeros(one, dtype=int), np.zeros(other, dtype=int))


@needs_evoapprox
@pytest.mark.parametrize("signed", [False, True])
def test_published_figures(signed: bool) -> None:
    # load_library compares mae, wce, mean_error and std_error of every circuit with the published CSV.
    library = load_library(FOLDER, signed=signed)
    assert len(library) == (13 if signed else 36)
    assert library[0].errors.wce == 0


@needs_evoapprox
@pytest.mark.parametrize(
    ("name", "percent"),
    [("Y48", 0.0053), ("JQQ", 2.64), ("2AC", 1.25), ("185Q", 4.16), ("QKX", 21.95), ("17C8", 57.81), ("199Z", 100.0)],
)
def test_published_relative_error(name: str, percent: float) -> None:
    found = load_library(FOLDER / "mul8u.npz")[f"mul8u_{name}"].errors.mre
    assert 100 * found == pytest.approx(percent, rel=5e-3)
