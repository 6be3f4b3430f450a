"""What each rung is worth: how it ranks designs, held against the top rung, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from dse.exceptions import InputError
from dse.objectives import Evaluated
from dse.types import Floats, Population

_FEWEST = 3  # designs, for a correlation
_RESAMPLED = 1000
_LEVEL = 0.95


@dataclass(frozen=True)
class RungScores:
    """What one rung says of P designs, and what it took."""

    rung: str  # such as lut-250
    figure: str  # what it ranks by: proxy, accuracy or kl
    scores: Floats  # (P,) larger is worse; NaN where a design failed
    ms: float  # per design


@dataclass(frozen=True)
class Correlation:
    """Rank correlations of one rung with the top one over some designs; None where they cannot be computed."""

    designs: int
    spearman: float | None
    low: float | None  # percentile interval of spearman, 95 %, over designs drawn again
    high: float | None
    kendall: float | None  # tau-b


@dataclass(frozen=True)
class LadderRow:
    """One rung against one figure of the top rung."""

    rung: str
    figure: str
    target: str  # accuracy_loss_pp or kl, of the top rung
    ms: float  # per design
    every: Correlation  # over all designs
    near: Correlation  # over the half nearest to the front


def ladder_rows(
    rungs: Sequence[RungScores], targets: Mapping[str, Floats], energy: Floats, *, seed: int = 0
) -> list[LadderRow]:
    """Correlate every rung with every figure of the top rung.

    The half near the front is chosen by the first target: the designs whose figure exceeds the best one at no more energy
    by least. Being chosen by the target narrows its range, so correlations there are smaller by nature; rungs compare with
    each other.

    Args:
        rungs: What the rungs say, `(P,)` each.
        targets: Figures of the top rung by name, `(P,)` each, larger is worse; NaN where a design failed.
        energy: Relative energy of the designs `(P,)`.
        seed: Of the intervals' resampling.

    Raises:
        InputError: If lengths differ or there is no target.
    """
    if not targets or any(len(v) != len(energy) for v in (*targets.values(), *(rung.scores for rung in rungs))):
        raise InputError(f"ladder: expected targets and rungs of {len(energy)} designs each, one of each energy")
    close = near_front(energy, next(iter(targets.values())))
    rows = []
    for name, target in targets.items():
        for rung in rungs:
            whole = correlation(rung.scores, target, seed=seed)
            half = correlation(rung.scores[close], target[close], seed=seed)
            rows.append(LadderRow(rung.rung, rung.figure, name, rung.ms, whole, half))
    return rows


LADDER_COLUMNS = (
    "rung",
    "figure",
    "target",
    "ms",
    *(f"{prefix}{key}" for prefix in ("", "near_") for key in ("designs", "spearman", "low", "high", "kendall")),
)


def ladder_table(rows: Sequence[LadderRow]) -> list[list[object]]:
    """Return the rows of `LADDER_COLUMNS`: what ladder.csv holds."""
    return [
        [row.rung, row.figure, row.target, row.ms]
        + [v for c in (row.every, row.near) for v in (c.designs, c.spearman, c.low, c.high, c.kendall)]
        for row in rows
    ]


def near_front(energy: Floats, loss: Floats) -> NDArray[np.bool_]:
    """Return which half (rounded up) of the designs that did not fail exceeds the front's loss at its energy by least."""
    valid = np.isfinite(loss)
    best = np.array([loss[valid & (energy <= e)].min(initial=np.inf) for e in energy])
    excess = np.where(valid, loss - best, np.inf)
    chosen = np.zeros(len(loss), dtype=bool)
    chosen[np.argsort(excess, kind="stable")[: math.ceil(valid.sum() / 2)]] = True
    return chosen


def correlation(scores: Floats, target: Floats, *, seed: int = 0) -> Correlation:
    """Return how alike two figures rank designs, `(P,)` each; designs with NaN in either are left out.

    Spearman's rho, with the percentile bootstrap over designs (Efron 1979), and Kendall's tau-b.
    """
    both = np.isfinite(scores) & np.isfinite(target)
    a, b = scores[both], target[both]
    if len(a) < _FEWEST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(len(a), None, None, None, None)
    drawn = np.random.default_rng(seed).integers(0, len(a), (_RESAMPLED, len(a)))
    resampled = _spearman(a[drawn], b[drawn])
    low, high = np.quantile(resampled[np.isfinite(resampled)], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    rho = float(_spearman(a[None], b[None])[0])
    return Correlation(len(a), rho, float(low), float(high), float(kendalltau(a, b).statistic))


def _spearman(a: Floats, b: Floats) -> Floats:
    """Return Spearman's rho of the rows of two arrays `(R, P)` -> `(R,)`; NaN for a row without variation."""
    x, y = (rankdata(values, axis=1) for values in (a, b))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    rho: Floats = np.where(spread > 0, (x * y).sum(axis=1) / np.where(spread > 0, spread, 1.0), np.nan)
    return rho


def timed_figures(rung: str, evaluate: Callable[[Population], Evaluated], population: Population) -> list[RungScores]:
    """Return what a simulated rung says of designs by accuracy and by divergence; the first design warms it up.

    Both figures come from one evaluation, which is what `ms` says.
    """
    evaluate(population[:1])
    start = time.perf_counter()
    found = evaluate(population)
    ms = 1000 * (time.perf_counter() - start) / max(1, len(population))
    loss, kl = (np.array([f.get(key, np.nan) for f in found.figures]) for key in ("accuracy", "kl"))
    return [RungScores(rung, "accuracy", -loss, ms), RungScores(rung, "kl", kl, ms)]


def timed_proxy(rung: str, score: Callable[[Population], Floats], population: Population) -> RungScores:
    """Return what a closed form says of designs."""
    start = time.perf_counter()
    scores = score(population)
    return RungScores(rung, "proxy", scores, 1000 * (time.perf_counter() - start) / max(1, len(population)))
