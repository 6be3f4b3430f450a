"""Several methods together: Friedman's test over blocks, and which of them differ in mean rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from dse.types import Floats

_DIGITS = 12  # decimals kept: figures of order 1 that differ by rounding only are ties
LEVEL = 0.05  # of the critical difference


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of k methods in n blocks."""

    blocks: int
    chi2: float
    p: float  # of the chi-squared distribution with k - 1 degrees of freedom
    mean_ranks: Floats  # (k,) 1 is the best
    critical_difference: float  # of two mean ranks, at LEVEL
    post_hoc: Floats  # (k, k) Nemenyi's p of each pair


def friedman(figures: ArrayLike, *, larger_is_better: bool) -> Friedman:
    """Test whether methods differ in rank (Friedman 1937, "The use of ranks to avoid the assumption of normality").

    Post hoc are Nemenyi's p values, as in Demsar 2006, "Statistical comparisons of classifiers over multiple data sets",
    sec. 3.2.2: mean ranks R_i differ at a level if they are further apart than q sqrt(k (k + 1) / (6 n)), with q the
    quantile of the Studentized range of k means, divided by sqrt(2).

    Args:
        figures: `(n, k)` of n >= 2 blocks (problem and seed) and k >= 3 methods.
        larger_is_better: Which way is better.
    """
    values = np.round(np.asarray(figures, dtype=float), _DIGITS)
    n, k = values.shape
    ranks = stats.rankdata(-values if larger_is_better else values, axis=1)
    mean_ranks = ranks.mean(axis=0)
    if (ranks == ranks[0, 0]).all():
        chi2, p = 0.0, 1.0  # all methods equal in every block: the statistic is 0 / 0
    else:
        chi2, p = map(float, stats.friedmanchisquare(*values.T))
    return Friedman(
        blocks=n,
        chi2=chi2,
        p=p,
        mean_ranks=mean_ranks,
        critical_difference=critical_value(k) * _spread(n, k),
        post_hoc=_nemenyi(mean_ranks, n),
    )


def critical_value(k: int, level: float = LEVEL) -> float:
    """Return the q of Nemenyi's test of k methods: Demsar 2006, table 5 (a)."""
    return float(stats.studentized_range.ppf(1 - level, k, np.inf) / np.sqrt(2))


def _nemenyi(mean_ranks: Floats, n: int) -> Floats:
    k = len(mean_ranks)
    apart = np.abs(np.subtract.outer(mean_ranks, mean_ranks)) / _spread(n, k)
    return np.clip(stats.studentized_range.sf(apart * np.sqrt(2), k, np.inf), 0.0, 1.0)


def _spread(n: int, k: int) -> float:
    return float(np.sqrt(k * (k + 1) / (6 * n)))
