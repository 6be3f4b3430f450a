"""The pure parts of the script behind `results/cifar10/profiles/`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dse.nn.convert import quantize
from dse.nn.datasets import Part
from dse.robustness import RobustnessProfile, RobustnessSettings, settled
from experiments.cifar10.profiles import agreements, apart, by_layer, convergence, learn, thinned

SIGMA = np.array([0.1, 0.2, 0.3, 0.4])


def test_the_last_three_tenths_are_averaged_and_bounded() -> None:
    path = np.arange(20.0).reshape(10, 2)
    assert settled(path, 100.0).tolist() == [16, 17]
    assert settled(path, 16.5).tolist() == [16, 16.5]


def test_how_far_two_sigmas_are_apart() -> None:
    assert apart(SIGMA, SIGMA) == pytest.approx((0, 1))
    assert apart(SIGMA, 3 * SIGMA) == pytest.approx((1, 1))
    assert apart(SIGMA, SIGMA[[0, 1, 3, 2]]) == pytest.approx((2 * 0.1 / 0.35 / 4, 0.8))


def test_convergence_needs_equal_sigmas_from_all_starts_and_after_half_the_steps() -> None:
    sigmas = {
        (10, 0.1, 0): SIGMA,
        (10, 0.3, 0): 2 * SIGMA,  # has not come down yet
        (20, 0.1, 0): SIGMA,
        (20, 0.3, 0): SIGMA * 1.01,  # has, but 10 steps were not enough
        (40, 0.1, 0): SIGMA,
        (40, 0.3, 0): SIGMA,
        (40, 0.3, 1): SIGMA[::-1],  # another seed is noise, which convergence does not promise to remove
    }
    rows = convergence(sigmas)
    assert [row["converged"] for row in rows] == [False, False, True]
    assert rows[0]["start_difference"] == pytest.approx(2 / 3) and np.isnan(rows[0]["steps_difference"])
    assert rows[1]["steps_difference"] == pytest.approx(2 * 0.99 / 3.01)
    assert rows[2]["seed_rank"] == pytest.approx(-1) and rows[2]["start_rank"] == pytest.approx(1)


def test_a_learned_sigma_is_compared_as_it_is_and_by_the_balance_it_settles_at() -> None:
    counts, alpha = np.array([40, 30, 20, 10]), np.array([4.0, 1.0, 2.0, 8.0])
    learned = RobustnessProfile(("a", "b", "c", "d"), counts / alpha)  # where c / sigma is in proportion to alpha
    found = {
        (a, b, of): (rho, tau)
        for a, b, of, rho, _, tau in agreements(
            {"agn": learned, "fisher": RobustnessProfile.from_alpha(learned.layers, alpha)}, counts
        )
    }
    assert found["agn", "fisher", "cost"] == pytest.approx((1, 1))
    assert found["agn", "fisher", "equilibrium"] == pytest.approx((1, 1))
    # sigma: 10, 30, 10, 1.25 against 1 / sqrt(alpha): ranks 2.5, 4, 2.5, 1 and 2, 4, 3, 1
    assert found["agn", "fisher", "sigma"][0] == pytest.approx(np.corrcoef([2.5, 4, 2.5, 1], [2, 4, 3, 1])[0, 1])
    assert found["agn", "op count", "sigma"][0] == pytest.approx(np.corrcoef([2.5, 4, 2.5, 1], [4, 3, 2, 1])[0, 1])


def test_the_expected_sigma_is_where_the_slopes_balance() -> None:
    counts, alpha, settings = np.array([30, 10]), np.array([0.5, 0.001]), RobustnessSettings(strength=0.4, sigma_max=0.6)
    first, second = by_layer([SIGMA[:2], 3 * SIGMA[:2]], {"fisher": alpha}, counts, settings)
    assert first == pytest.approx([0.75, 0.2, 0.1, 0.3, 0.3])  # 2 * 0.5 * 0.3 = 0.4 * 0.75
    assert second == pytest.approx([0.25, 0.4, 0.2, 0.6, 0.6])  # would be 50, but nothing is earned beyond sigma_max


def test_what_has_been_learned_is_not_learned_again(tmp_path: Path) -> None:
    images = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    model = quantize(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), images)
    part, counts = Part(images, torch.arange(8) % 2), np.array([12, 8])
    settings = RobustnessSettings(steps=3, batch_size=4)
    first = learn(model, part, counts, settings, 0, tmp_path)
    assert first.shape == (3, 2)
    (file,) = tmp_path.iterdir()
    np.save(file, first + 1)
    assert np.array_equal(learn(model, part, counts, settings, 0, tmp_path), first + 1)
    assert not np.array_equal(learn(model, part, counts, settings, 1, tmp_path), first + 1)


def test_a_trajectory_keeps_its_ends() -> None:
    rows = list(thinned({(1000, 0.1, 0): np.linspace(1, 2, 1000)[:, None]}))
    assert len(rows) == 200 and rows[0] == [1000, 0.1, 0, 1, "1"] and rows[-1] == [1000, 0.1, 0, 1000, "2"]
