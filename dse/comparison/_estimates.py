"""Medians with bootstrap intervals, of figures and of times that may not have been reached."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dse.types import Floats

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 0  # of the resampling


@dataclass(frozen=True)
class Estimate:
    """A median and its interval."""

    n: int
    median: float
    low: float | None  # None for a single value
    high: float | None
    method: str  # "BCa", "percentile", "all equal" or "single value"


@dataclass(frozen=True)
class Timing:
    """The median number of evaluations to a target; a bound where too many series have not reached it."""

    n: int
    reached: int  # series that reached the target
    median: float
    median_censored: bool  # the true median is larger than `median`
    low: float | None  # None for a single value
    low_censored: bool
    high: float | None
    high_censored: bool


def median_interval(values: Sequence[float]) -> Estimate:
    """Return the median of `values` and its 95 % bootstrap interval.

    The interval is bias-corrected and accelerated (BCa: Efron 1987, "Better bootstrap confidence intervals"), by
    `scipy.stats.bootstrap`; where that is undefined (the jackknife of the median does not vary) it is the percentiles'.
    """
    data = np.asarray(values, dtype=float)
    median = float(np.median(data))
    if len(data) == 1:
        return Estimate(1, median, None, None, "single value")
    if (data == data[0]).all():
        return Estimate(len(data), median, median, median, "all equal")
    for method in ("BCa", "percentile"):
        low, high = _bootstrap(data, method)
        if np.isfinite([low, high]).all():
            break
    return Estimate(len(data), median, low, high, method)


def _bootstrap(data: Floats, method: str) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an undefined BCa says so by NaN as well
        found = stats.bootstrap(
            (data,),
            np.median,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(SEED),
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def median_time(times: Sequence[tuple[float | None, int]]) -> Timing:
    """Return the median of evaluation counts of which some are only known to exceed their series' budget.

    Where the two middle values of an even number are one count and one bound, the median exceeds the mean of count and
    budget. The interval is that of the percentiles of resampled medians, its ends order statistics of these (no mean is
    taken with an unknown value).

    Args:
        times: Evaluations to the target, None where it was not reached, and the budget, for each series.
    """
    known = np.array([np.inf if time is None else time for time, _ in times])
    least = np.array([budget if time is None else time for time, budget in times], dtype=float)
    median, reached = float(np.median(least)), int(np.isfinite(known).sum())
    censored = bool(np.isinf(np.median(known)))
    if len(known) == 1:
        return Timing(1, reached, median, censored, None, False, None, False)
    drawn = np.random.default_rng(SEED).integers(len(known), size=(RESAMPLES, len(known)))
    tails = (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2)
    true, bound = (np.quantile(np.median(v[drawn], axis=1), tails, method="inverted_cdf").tolist() for v in (known, least))
    unknown = [bool(np.isinf(end)) for end in true]
    return Timing(len(known), reached, median, censored, bound[0], unknown[0], bound[1], unknown[1])
