"""Two methods against each other: rank tests, the correction for many of them, and the size of the effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.stats import PermutationMethod

from dse.types import Floats

_MOST_PERMUTATIONS = 10_000  # enumerated for an exact p of tied figures that are not paired
_MOST_EXACT = 50  # values per method of which the exact distribution is computed
_DIGITS = 12  # decimals kept: figures of order 1 that differ by rounding only are ties
_MAGNITUDES = ((0.21, "large"), (0.14, "medium"), (0.06, "small"))  # of |A12 - 0.5|


@dataclass(frozen=True)
class Test:
    """The outcome of a rank test, two-sided."""

    __test__ = False  # no test case of pytest's

    name: str
    p: float
    smallest_p: float  # that so many values can give at all


def wilcoxon(first: Sequence[float], second: Sequence[float]) -> Test:
    """Test whether paired figures differ: Wilcoxon's signed-rank test (1945, "Individual comparisons by ranking methods").

    Pairs without a difference are left out, as in the paper; without any other p is 1. p is exact up to 50 pairs, also with
    ties, else of the normal approximation.
    """
    difference = np.round(np.subtract(first, second), _DIGITS)
    smallest = min(1.0, 2.0 ** (1 - len(difference)))
    rest = difference[difference != 0]
    if len(rest) == 0:
        return Test("Wilcoxon signed-rank, all pairs equal", 1.0, smallest)
    if len(rest) <= _MOST_EXACT:
        return Test("Wilcoxon signed-rank, exact", _signed_rank_p(rest), smallest)
    return Test("Wilcoxon signed-rank, normal approximation", _p(stats.wilcoxon(rest, method="asymptotic")), smallest)


def _signed_rank_p(difference: Floats) -> float:
    """Return the exact two-sided p of differences `(n,)`, none 0: each of the 2^n signs of their ranks is equally likely.

    `scipy.stats.wilcoxon` is exact without ties only, or enumerates signs (0.8 s for ten pairs); this counts them.
    """
    ranks = np.rint(2 * stats.rankdata(np.abs(difference))).astype(np.int64)  # doubled: ties have half ranks
    ways = np.zeros(ranks.sum() + 1)  # of reaching each sum of positive ranks
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank].copy()
    reached = ranks[difference > 0].sum()
    return float(min(1.0, 2 * min(ways[: reached + 1].sum(), ways[reached:].sum()) / 2.0 ** len(ranks)))


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> Test:
    """Test whether unpaired figures differ: Mann and Whitney's U (1947, "On a test of whether one of two random variables
    is stochastically larger than the other").

    p is exact up to 50 values each without ties and up to 10,000 arrangements with them, else of the normal approximation
    corrected for ties.
    """
    x, y = np.round(first, _DIGITS), np.round(second, _DIGITS)
    arrangements = math.comb(len(x) + len(y), len(x))
    smallest, both = min(1.0, 2 / arrangements), np.concatenate([x, y])
    if (both == both[0]).all():
        return Test("Mann-Whitney U, all equal", 1.0, smallest)
    tied = len(np.unique(both)) < len(both)
    if not tied and max(len(x), len(y)) <= _MOST_EXACT:
        return Test("Mann-Whitney U, exact", _p(stats.mannwhitneyu(x, y, method="exact")), smallest)
    if arrangements <= _MOST_PERMUTATIONS:
        method = PermutationMethod(n_resamples=_MOST_PERMUTATIONS)
        return Test("Mann-Whitney U, exact", _p(stats.mannwhitneyu(x, y, method=method)), smallest)
    return Test("Mann-Whitney U, normal approximation", _p(stats.mannwhitneyu(x, y, method="asymptotic")), smallest)


def holm(p: Sequence[float]) -> Floats:
    """Adjust p values for their number, so that all claims hold together.

    Holm's step-down procedure (1979, "A simple sequentially rejective multiple test procedure"): the i-th smallest of m is
    multiplied by m - i + 1, and none may be below the one before.

    Returns:
        Adjusted p values (m,), at most 1, in the order given.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return adjusted


def a12(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the probability that a value of `first` exceeds one of `second`, ties counted half.

    `A12 = (#(x > y) + #(x = y) / 2) / (m n)`, Vargha and Delaney's measure of stochastic superiority (2000, "A critique and
    improvement of the CL common language effect size statistics of McGraw and Wong").
    """
    difference = np.round(np.subtract.outer(np.asarray(first), np.asarray(second)), _DIGITS)
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def magnitude(effect: float) -> str:
    """Return the word for an A12: Vargha and Delaney's bounds are 0.56 (small), 0.64 (medium) and 0.71 (large)."""
    distance = round(abs(effect - 0.5), _DIGITS)
    return next((word for bound, word in _MAGNITUDES if distance >= bound), "negligible")


def _p(result: object) -> float:
    return min(1.0, float(result.pvalue))  # type: ignore[attr-defined]
