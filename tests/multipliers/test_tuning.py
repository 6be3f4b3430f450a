"""Weight tuning against brute force and the published figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dse.circuits.families import drum
from dse.exceptions import InputError
from dse.multipliers import error_metrics, fit_weights, from_netlist, generate, load_library, tune_weights, tuned
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox

# MAE after tuning and codes moved (methods.md 3.7).
PUBLISHED = {
    "JQQ": (504.89, 88),
    "GS2": (31.31, 32),
    "2HH": (37.07, 0),
    "185Q": (111.18, 74),
    "L40": (647.69, 178),
    "17KS": (355.25, 57),
    "YX7": (2701.11, 238),
    "QKX": (2760.46, 249),
    "17QU": (4982.54, 57),
    "199Z": (16256.25, 0),
}


def brute_force(table: NDArray[Any], wanted: NDArray[Any], share: list[int]) -> list[int]:
    codes = []
    for w in range(table.shape[1]):
        cost = []
        for other in range(table.shape[1]):
            cost.append(sum(s * abs(int(wanted[x, w]) - int(table[x, other])) for x, s in enumerate(share)))
        codes.append(w if cost[w] == min(cost) else cost.index(min(cost)))
    return codes


@pytest.mark.parametrize("seed", range(4))
def test_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = np.multiply.outer(np.arange(16), np.arange(8))
    table = rng.permutation(np.clip(wanted + rng.integers(-9, 10, wanted.shape), 0, None) // 4 * 4, axis=1)
    share = rng.integers(0, 5, 16)
    assert tune_weights(table, wanted).tolist() == brute_force(table, wanted, [1] * 16)
    found = tune_weights(table, wanted, x_weights=share.astype(float))
    assert found.dtype == np.int64 and found.tolist() == brute_force(table, wanted, share.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_least_squares_are_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = np.arange(-8, 8), rng.permutation(np.arange(-5, 6))
    table = np.multiply.outer(x, w) + rng.integers(-9, 10, (16, 11)) // 4 * 4
    table[:, 3] = table[:, 5]  # a tie between columns
    share = rng.integers(0, 5, 16)
    expected = []
    for value, kept in zip(w.tolist(), range(11), strict=True):
        cost = []
        for column in range(11):
            rows = zip(share.tolist(), x.tolist(), table[:, column].tolist(), strict=True)
            cost.append(sum(p * (a * value - b) ** 2 for p, a, b in rows))
        expected.append(kept if cost[kept] == min(cost) else cost.index(min(cost)))
    found = fit_weights(table, x, w, share.astype(float))
    assert found.dtype == np.int64 and found.tolist() == expected
    assert fit_weights(table, x, w, share / share.sum()).tolist() == expected


def test_ties_of_least_squares_hold_against_rounding() -> None:
    x, w = np.arange(256), np.arange(256)
    table = np.multiply.outer(x, w // 8 * 8)  # eight equal columns each
    share = np.random.default_rng(0).random(256)
    found = fit_weights(table, x, w, share)
    assert set(found[w % 8 < 4] - w[w % 8 < 4]) == {0}  # the own column is as good as its equals
    assert (found[(w % 8 > 4) & (w < 248)] % 8 == 0).all()  # the first of the eight next ones


def test_ties() -> None:
    wanted = np.array([[0, 5, 9, 9]])
    assert tune_weights(np.array([[9, 4, 6, 9]]), wanted).tolist() == [1, 1, 0, 3]


def test_exact_and_signed_are_unharmed() -> None:
    assert tune_weights(generate("exact8u").table, generate("exact8u").exact).tolist() == list(range(256))
    crude = generate("bam_h3_v7s")
    assert tuned(crude).errors.mae < crude.errors.mae


def test_tuned_multiplier() -> None:
    crude = from_netlist(drum(3, bits=6), name="drum3u_6bit")
    better = tuned(crude)
    codes = tune_weights(crude.table, crude.exact)
    assert np.array_equal(better.table, crude.table[:, codes])
    assert (better.name, better.power_mw, better.x_bits) == (crude.name, crude.power_mw, 6)
    assert better.origin.startswith(crude.origin) and better.origin.endswith("weights tuned (ALWANN)")
    assert better.errors.mae == error_metrics(better.table, crude.exact).mae <= crude.errors.mae


@needs_evoapprox
@pytest.mark.parametrize("name", PUBLISHED)
def test_published(name: str) -> None:
    multiplier = load_library(FOLDER / "mul8u.npz")[f"mul8u_{name}"]
    moved = np.count_nonzero(tune_weights(multiplier.table, multiplier.exact) != np.arange(256))
    assert (round(tuned(multiplier).errors.mae, 2), moved) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("table", "x_weights", "message"),
    [
        (np.zeros((4, 3), dtype=int), None, "two tables of one shape"),
        (np.zeros(4, dtype=int), None, "two tables of one shape"),
        (np.zeros((4, 4), dtype=int), np.ones(3), r"x_weights must be \(4,\)"),
        (np.zeros((4, 4), dtype=int), np.zeros(4), "not all zero"),
        (np.zeros((4, 4), dtype=int), np.array([1.0, -1, 1, 1]), ">= 0"),
        (np.zeros((4, 4), dtype=int), np.array([1.0, np.nan, 1, 1]), "finite"),
    ],
)
def test_refuses(table: Any, x_weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tune_weights(table, np.zeros((4, 4), dtype=int), x_weights=x_weights)
    if x_weights is not None:
        with pytest.raises(InputError, match=message):
            fit_weights(table, np.arange(4), np.arange(4), x_weights)
