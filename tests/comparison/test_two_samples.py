"""Rank tests against scipy, enumeration and published examples."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from dse.comparison._two_samples import a12, holm, magnitude, mann_whitney, wilcoxon


def enumerated(difference: np.ndarray) -> float:
    """Return the two-sided p of the signed-rank test by trying all signs."""
    ranks = stats.rankdata(np.abs(difference))
    seen = ranks[difference > 0].sum()
    sums = np.array([ranks[np.array(signs, dtype=bool)].sum() for signs in product((0, 1), repeat=len(ranks))])
    return float(min(1.0, 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean())))


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_is_exact_with_and_without_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    smooth, tied = rng.normal(0.5, 1, 11), rng.integers(1, 4, 9) * rng.choice([-1, 1], 9)
    assert wilcoxon(smooth, np.zeros(11)).p == pytest.approx(stats.wilcoxon(smooth, method="exact").pvalue)
    assert wilcoxon(tied, np.zeros(9)).p == pytest.approx(enumerated(tied))


def test_wilcoxon_of_darwins_plants() -> None:
    # the example of scipy's documentation: differences in height of cross- and self-fertilised plants (Darwin 1876)
    plants = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
    assert wilcoxon(plants, np.zeros(15)).p == pytest.approx(0.041259765625)


def test_wilcoxon_leaves_pairs_without_a_difference_out() -> None:
    assert wilcoxon([1, 2, 3, 4, 5], [1, 2, 2, 2, 2]).p == pytest.approx(enumerated(np.array([1, 2, 3])))


def test_identical_figures_have_p_1() -> None:
    figures = [0.1 + 0.2, 0.4, 0.5]
    found = wilcoxon(figures, [0.3, 0.4, 0.5])  # 0.1 + 0.2 differs from 0.3 in the last bit
    assert found.p == 1 and "all pairs equal" in found.name
    assert mann_whitney([2.0, 2.0], [2.0, 2.0, 2.0]).p == 1


def test_smallest_p() -> None:
    assert wilcoxon([2, 3, 4], [1, 1, 1]).p == wilcoxon([2, 3, 4], [1, 1, 1]).smallest_p == 0.25
    assert wilcoxon(range(1, 11), [0] * 10).smallest_p == pytest.approx(2 / 1024)
    found = mann_whitney([4, 5, 6], [1, 2, 3])
    assert found.p == found.smallest_p == pytest.approx(0.1)


def test_many_pairs_use_the_normal_approximation() -> None:
    rng = np.random.default_rng(0)
    difference = rng.normal(0.2, 1, 60)
    found = wilcoxon(difference, np.zeros(60))
    assert "normal" in found.name
    assert found.p == pytest.approx(stats.wilcoxon(difference, method="asymptotic").pvalue)


def test_mann_whitney_with_ties_against_enumeration() -> None:
    x, y = np.array([1, 2, 2, 5]), np.array([2, 3, 5, 6, 6])
    both = np.concatenate([x, y])
    ranks = stats.rankdata(both)
    sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(9), 4)])
    seen = ranks[:4].sum()
    expected = 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean())
    assert mann_whitney(x, y).p == pytest.approx(expected)


def test_holm_against_a_hand_computation() -> None:
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04 raised to the one before
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert len(holm([])) == 0


def test_a12_against_counting() -> None:
    x, y = [3, 5, 5, 7], [1, 5, 6]
    wins = sum((a > b) + 0.5 * (a == b) for a in x for b in y)
    assert a12(x, y) == pytest.approx(wins / 12)
    assert a12(x, y) + a12(y, x) == pytest.approx(1)
    ranks = stats.rankdata([*x, *y])[:4]
    assert a12(x, y) == pytest.approx((ranks.sum() / 4 - 5 / 2) / 3)  # the paper's form, by rank sums


@pytest.mark.parametrize(
    ("effect", "word"),
    [
        (0.5, "negligible"),
        (0.559, "negligible"),
        (0.56, "small"),
        (0.36, "medium"),
        (0.64, "medium"),
        (0.71, "large"),
        (0, "large"),
    ],
)
def test_magnitudes_of_vargha_and_delaney(effect: float, word: str) -> None:
    assert magnitude(effect) == word
