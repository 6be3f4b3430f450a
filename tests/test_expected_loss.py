"""The loss that a divergence lets expect, against brute force and on losses of which the truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dse.expected_loss import ExpectedLoss
from dse.types import Floats


def least_squares(losses: list[float]) -> list[float]:
    """Return the rising sequence nearest to some losses by trying all ways to cut them into runs of one value."""
    best: tuple[float, list[float]] | None = None
    count = len(losses)
    for cuts in itertools.product((False, True), repeat=count - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), count]
        values = [v for a, b in itertools.pairwise(edges) for v in [float(np.mean(losses[a:b]))] * (b - a)]
        if values == sorted(values):
            error = float(sum((v - loss) ** 2 for v, loss in zip(values, losses, strict=True)))
            best = min(best, (error, values)) if best else (error, values)
    assert best is not None
    return best[1]


@pytest.mark.parametrize("seed", range(5))
def test_centres_of_the_rising_steps_nearest_to_the_losses_are_joined(seed: int) -> None:
    rng = np.random.default_rng(seed)
    divergence, loss = np.sort(rng.random(8)), rng.normal(np.linspace(0, 1, 8), 0.5)
    shuffled = rng.permutation(8)
    expected = ExpectedLoss(divergence[shuffled], loss[shuffled])
    steps = np.maximum(least_squares(loss.tolist()), 0)
    centres = np.array([divergence[steps == value].mean() for value in np.unique(steps)])
    assert expected(centres) == pytest.approx(np.unique(steps))
    inner = divergence[(divergence >= centres[0]) & (divergence <= centres[-1])]
    assert (np.diff(expected(inner)) > 0).all()  # none within a step is as good as another


def test_between_and_beyond_the_designs_and_where_figures_are_missing() -> None:
    expected = ExpectedLoss(np.array([0.1, 0.3, np.nan, 0.2]), np.array([1.0, 3.0, 50.0, np.nan]))
    found = expected(np.array([0.2, 0.0, 9.0, np.nan]))
    assert found.tolist() == pytest.approx([2, 0, 3, np.nan], nan_ok=True)  # who does not diverge loses nothing
    assert expected(np.zeros(0)).shape == (0,) and np.isnan(expected(np.array([np.nan]))).all()
    with pytest.raises(ValueError, match="got none"):
        ExpectedLoss(np.array([np.nan]), np.array([1.0]))


def answers(rng: np.random.Generator, rates: Floats, images: int) -> tuple[Floats, Floats]:
    """Return measured losses and divergences of designs that truly lose 100 * rate pp, on so many images."""
    lost = rng.random((len(rates), images)) < 0.05 + rates[:, None]
    gained = rng.random((len(rates), images)) < 0.05
    per_image = rng.gamma(1.0, rates[:, None], (len(rates), images))
    return 100 * (lost.mean(axis=1) - gained.mean(axis=1)), per_image.mean(axis=1)


def test_of_many_designs_the_chosen_one_is_less_of_a_lucky_one() -> None:
    """Where the divergence's mean goes with the true loss, choosing by what it lets expect errs less than by the loss."""
    rng, rates = np.random.default_rng(0), np.linspace(0.0, 0.05, 60)
    errors = []
    for _ in range(30):
        loss, divergence = answers(rng, rates, 1000)
        expected = ExpectedLoss(divergence, loss)(divergence)
        within = [int(np.flatnonzero(by <= 1.0).max()) for by in (loss, expected)]  # later designs are cheaper
        errors.append([100 * rates[chosen] - 1.0 for chosen in within])
    by_loss, by_expected = np.mean(errors, axis=0)
    assert by_loss > 0.5 and abs(by_expected) < 0.25


def test_parts_count_by_their_images() -> None:
    """Two designs on 300 images against four on 100: the weighted mean where all diverge alike."""
    parts = [(np.full(2, 0.5), np.array([1.0, 3.0]), 300), (np.full(4, 0.5), np.array([9.0, 11.0, 9.0, 11.0]), 100)]
    assert ExpectedLoss.pooled(parts)(np.array([0.5])) == pytest.approx([(2 * 300 + 10 * 100) / 400])
    nothing = (np.zeros(0), np.zeros(0), 100)
    assert ExpectedLoss.pooled([*parts[:1], nothing])(np.array([0.5])) == pytest.approx([2.0])
