"""Friedman's and Nemenyi's tests against Demsar 2006."""

from __future__ import annotations

import numpy as np
import pytest

from dse.comparison._ranks import critical_value, friedman

# Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", table 5 (a), k = 2 to 10
Q_05 = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
Q_10 = (1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920)

# the same paper, table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets
AUC = (
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975),
    (0.957, 0.978, 0.946, 0.970),
)


@pytest.mark.parametrize("k", range(2, 11))
def test_critical_values_are_the_published_ones(k: int) -> None:
    assert critical_value(k) == pytest.approx(Q_05[k - 2], abs=1.5e-3)
    assert critical_value(k, 0.10) == pytest.approx(Q_10[k - 2], abs=1.5e-3)


def test_demsars_example() -> None:
    found = friedman(AUC, larger_is_better=True)
    assert found.mean_ranks.tolist() == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=1e-3)
    n, k = 14, 4
    plain = 12 * n / (k * (k + 1)) * (float((found.mean_ranks**2).sum()) - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=0.01)  # the paper's figure, without the correction for ties
    assert plain < found.chi2 < 1.15 * plain
    assert found.critical_difference == pytest.approx(1.25, abs=0.01)


def test_nemenyi_agrees_with_the_critical_difference() -> None:
    blocks = np.arange(12)[:, None] + np.array([0.0, 10.0, 20.0, 20.5]) + np.random.default_rng(0).normal(0, 6, (12, 4))
    found = friedman(blocks, larger_is_better=False)
    apart = np.abs(np.subtract.outer(found.mean_ranks, found.mean_ranks))
    assert ((found.post_hoc < 0.05) == (apart > found.critical_difference)).all()
    assert (found.post_hoc < 0.05).any() and (found.post_hoc[~np.eye(4, dtype=bool)] > 0.05).any()
    assert found.post_hoc.diagonal().tolist() == [1, 1, 1, 1]


def test_which_way_is_better() -> None:
    figures = [[1.0, 2.0, 3.0]] * 4
    assert friedman(figures, larger_is_better=True).mean_ranks.tolist() == [3, 2, 1]
    assert friedman(figures, larger_is_better=False).mean_ranks.tolist() == [1, 2, 3]


def test_equal_methods_have_p_1() -> None:
    found = friedman([[2.0, 2.0, 2.0], [3.0, 3.0, 3.0]], larger_is_better=True)
    assert found.p == 1 and found.chi2 == 0 and (found.post_hoc == 1).all()
