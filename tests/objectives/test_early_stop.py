"""Early stopping: exact probabilities, how often a good design is stopped, and how early a bad one."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.exceptions import InputError
from dse.objectives import EarlyStop
from dse.objectives._early_stop import _at_most


@given(data=st.data(), total=st.integers(1, 60))
def test_the_hypergeometric_tail(data: st.DataObject, total: int) -> None:
    successes, draws = data.draw(st.integers(-2, total + 2)), data.draw(st.integers(1, total))
    right = data.draw(st.integers(0, draws))
    ways = [
        math.comb(max(successes, 0), r) * math.comb(max(total - successes, 0), draws - r)
        for r in range(right + 1)
        if 0 <= successes <= total
    ]
    if successes < 0:  # less than nothing is always reached
        expected = Fraction(1)
    else:
        expected = Fraction(sum(ways), math.comb(total, draws))
    assert _at_most(right, successes, draws, total) == pytest.approx(float(expected), rel=1e-9, abs=1e-300)


def test_the_tail_of_many_images() -> None:
    assert _at_most(4999, 10_000, 10_000, 20_000) == pytest.approx(0.5, abs=0.01)
    assert _at_most(90_000, 100_000, 100_000, 200_000) == pytest.approx(1, abs=1e-9)
    assert 0 < _at_most(9500, 50_000, 20_000, 100_000) < 1e-10


def looks(total: int, batch: int) -> list[int]:
    return list(range(batch, total, batch))


def stopped(right: np.ndarray, floors: np.ndarray, stop: EarlyStop, batch: int) -> np.ndarray:
    """Return after how many images each design `(P, N)` is stopped, N where it is not."""
    total = right.shape[1]
    after = np.full(len(right), total)
    for seen in reversed(looks(total, batch)):
        counts = right[:, :seen].sum(axis=1)
        lost = stop.hopeless(counts, floors, seen=seen, images=total, looks=len(looks(total, batch)))
        after[lost] = seen
    return after


@pytest.mark.parametrize("confidence", [0.99, 0.9, 0.5])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_design_at_its_floor_is_stopped_no_more_often_than_stated(confidence: float, share: float) -> None:
    """Bernoulli answers, held against what they are on all images: each design is just good enough."""
    right = np.random.default_rng(0).random((1000, 200)) < share
    floors = right.mean(axis=1)
    after = stopped(right, floors, EarlyStop(floors, confidence), batch=20)
    wrong = (after < 200).mean()
    assert wrong <= 1 - confidence + 3 * math.sqrt(confidence * (1 - confidence) / 1000)
    assert wrong > 0 or confidence == 0.99 or share > 0.9  # neither is the test so careful that it never stops


def test_a_hopeless_design_is_stopped_at_once_and_a_bad_one_soon() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((500, 1000)) < np.repeat([0.1, 0.6, 0.75, 0.79, 0.85], 100)[:, None]
    floors = np.full(500, 0.8)
    after = stopped(right, floors, EarlyStop(floors), batch=50).reshape(5, 100)
    assert (after[0] == 50).all()
    assert np.median(after[1]) <= 150 and np.median(after[2]) < 1000
    assert (after[4][right[400:].mean(axis=1) >= 0.8] == 1000).mean() >= 0.99


def test_what_can_no_longer_be_reached_is_stopped_whatever_the_confidence() -> None:
    stop = EarlyStop(np.zeros(0), confidence=1 - 1e-9)
    found = stop.hopeless(np.array([4, 5, 5, 5]), np.array([0.6, 0.6, 1.1, -np.inf]), seen=9, images=10, looks=9)
    assert found.tolist() == [True, False, True, False]
    assert stop.hopeless(np.zeros(0, dtype=np.int64), np.zeros(0), seen=1, images=2, looks=1).shape == (0,)


def test_a_floor_that_a_count_of_images_gave_is_that_count() -> None:
    stop = EarlyStop(np.zeros(0), confidence=1 - 1e-12)
    for total in (3, 7, 10, 49, 1000, 9999):
        for count in {2, total // 3 + 1, total - 1, total}:
            right, floor = np.array([count - 1, count - 2]), np.full(2, count / total)
            assert stop.hopeless(right, floor, seen=total - 1, images=total, looks=1).tolist() == [False, True]


def test_the_order_is_drawn_by_the_seed() -> None:
    stop = EarlyStop(np.zeros(1), seed=3)
    assert sorted(stop.order(20).tolist()) == list(range(20)) and stop.order(20).tolist() == stop.order(20).tolist()
    assert stop.order(20).tolist() != EarlyStop(np.zeros(1), seed=4).order(20).tolist()


@pytest.mark.parametrize(
    ("floors", "confidence", "message"),
    [
        (np.zeros((2, 2)), 0.9, r"floors: expected \(P,\)"),
        (np.array([0.5, np.nan]), 0.9, "floors: expected .* without NaN"),
        (np.zeros(2), 1.0, "confidence: expected above 0 and below 1, got 1.0"),
        (np.zeros(2), 0.0, "confidence"),
        (np.zeros(2), float("nan"), "confidence"),
    ],
)
def test_what_is_refused(floors: np.ndarray, confidence: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        EarlyStop(floors, confidence)


def test_some_images_between_looks() -> None:
    with pytest.raises(InputError, match="every: expected at least 1 image, got 0"):
        EarlyStop(np.zeros(2), every=0)
