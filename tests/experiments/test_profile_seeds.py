"""The pure parts of the script behind `results/cifar10/profile_seeds/`."""

from __future__ import annotations

import numpy as np
import pytest

from dse.search import History
from experiments.cifar10.profile_seeds import FLAT, UNSEEDED, paired, reached, rows, shares


def history(*points: tuple[float, float]) -> History:
    return History(np.arange(len(points), dtype=np.int64)[:, None], np.array(points), "budget")


def test_shares_are_of_all_designs_met_and_failures_add_nothing() -> None:
    nan = float("nan")
    curves = shares(
        {"a": [history((0.5, 5.0), (nan, nan), (0.5, 0.0))], "b": [history((0.0, 5.0))]}, np.array([1.0, 10.0]), 4
    )
    # together (0.5, 0) and (0, 5): 5 + 2.5
    assert curves["a"][0] == pytest.approx(np.array([2.5, 2.5, 5, 5]) / 7.5)
    assert curves["b"][0] == pytest.approx(np.array([5, 5, 5, 5]) / 7.5)


def test_when_a_level_is_reached() -> None:
    curve = np.array([0.1, 0.4, 0.4, 0.9])
    assert [reached(curve, level) for level in (0.0, 0.4, 0.5, 1.0)] == [1, 2, 4, float("inf")]


def test_five_pairs_can_show_no_more_than_this() -> None:
    a = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert paired(a, a) == "1.000"
    assert paired(a + [0.1, 0.2, 0.3, 0.4, 0.5], a) == f"{2 / 2**5:.3f}"
    assert paired(np.full(5, 0.2), np.full(5, 0.1)) == ""  # one pair, five times


def test_rows() -> None:
    unseeded = np.array([[0.1, 0.2, 0.4], [0.1, 0.3, 0.6]])
    flat = unseeded + np.array([[0.1], [0.2]])
    cells = dict((row[0], row[1:]) for row in rows({FLAT: flat, UNSEEDED: unseeded}, population=2))
    assert cells[f"`{UNSEEDED}`"] == [
        "25.00 (20.00 .. 30.00)", "", "0.500", "50.00 (40.00 .. 60.00)", "", "0.500", "more than half never"
    ]  # fmt: skip
    assert cells[f"`{FLAT}`"][0] == "40.00 (30.00 .. 50.00)" and cells[f"`{FLAT}`"][2] == ""
    assert cells[f"`{FLAT}`"][-1] == "2.5"  # 0.5 is reached at the third and at the second evaluation
