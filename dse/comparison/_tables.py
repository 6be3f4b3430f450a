"""The comparison as tables."""

from __future__ import annotations

from dataclasses import replace

from dse.comparison._comparison import Comparison
from dse.comparison._indicators import BY_KEY, Measured
from dse.comparison._table import Cell, Table
from dse.comparison._targets import evaluations_to

_LABELS = {key: indicator.label for key, indicator in BY_KEY.items()}
_LABELS |= {"volume": "hypervolume", "volume_test": "hypervolume on test images"}


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the tables that have rows: medians, targets, pairs, ranks, and the figures of every series."""
    made = (_medians(comparison), _targets(comparison), _pairs(comparison), _ranks(comparison), _series(comparison))
    return tuple(replace(table, unequal=comparison.unequal) for table in made if table.rows)


def _medians(comparison: Comparison) -> Table:
    rows = [
        (m.scope, _LABELS[m.indicator], m.method, m.estimate.n, m.estimate.median, m.estimate.low, m.estimate.high)
        for m in comparison.medians
    ]
    header = ("problem", "indicator", "method", "series", "median", "95 % low", "95 % high")
    return Table("medians", "Final indicators: medians and bootstrap intervals", header, tuple(rows))


def _targets(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for r in comparison.reached:
        t = r.timing
        ends = (_time(t.median, t.median_censored), _time(t.low, t.low_censored), _time(t.high, t.high_censored))
        reached = f"{t.reached} of {t.n}"
        rows.append((r.scope, r.target.label, r.volume, r.method, reached, *ends))
    header = ("problem", "target", "hypervolume", "method", "reached by", "median", "95 % low", "95 % high")
    return Table("targets", "Evaluations to reach a target", header, tuple(rows))


def _time(count: float | None, censored: bool) -> Cell:
    """Return a count of evaluations, '>count' where the true one is only known to be larger."""
    if count is None:
        return None
    whole: Cell = int(count) if count == int(count) else count
    return f">{whole}" if censored else whole


def _pairs(comparison: Comparison) -> Table:
    nemenyi = _nemenyi(comparison)
    rows: list[tuple[Cell, ...]] = []
    for p in comparison.pairs:
        better = None if p.better is None else f"{p.better} of {p.n[0]}"
        n = f"{p.n[0]}" if p.n[0] == p.n[1] else f"{p.n[0]} and {p.n[1]}"
        figures = (p.test.p, p.p_holm, p.test.smallest_p, p.a12, p.magnitude)
        post_hoc = nemenyi.get((p.scope, p.indicator, p.first, p.second))
        rows.append((p.scope, _LABELS[p.indicator], p.first, p.second, n, better, p.test.name, *figures, post_hoc))
    header = ("problem", "indicator", "method", "against", "series", "better in", "test")
    more = ("p", "p (Holm)", "least p possible", "A12", "effect", "p (Nemenyi)")
    return Table("pairs", "Methods in pairs", (*header, *more), tuple(rows))


def _nemenyi(comparison: Comparison) -> dict[tuple[str, str, str, str], float]:
    return {
        (r.scope, r.indicator, first, second): float(r.result.post_hoc[i, j])
        for r in comparison.rankings
        for i, first in enumerate(r.methods)
        for j, second in enumerate(r.methods)
    }


def _ranks(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for r in comparison.rankings:
        f = r.result
        for method, rank in zip(r.methods, f.mean_ranks.tolist(), strict=True):
            figures = (f.blocks, f.chi2, f.p, f.critical_difference)
            rows.append((r.scope, _LABELS[r.indicator], method, rank, *figures))
    header = ("problem", "indicator", "method", "mean rank", "blocks", "Friedman chi2", "p", "critical difference")
    return Table("ranks", "Mean ranks (1 is best), Friedman's test, and Nemenyi's critical difference", header, tuple(rows))


def _series(comparison: Comparison) -> Table:
    rows = [_series_row(comparison, m) for m in comparison.measured]
    header = ("problem", "method", "seed", "run", "budget", "evaluated", "failed", "stopped", "hypervolume")
    shares = tuple(i.label for i in BY_KEY.values())
    reached = "evaluations to the baseline's median final hypervolume"
    return Table("series", "Every series", (*header, "hypervolume on test images", *shares, reached), tuple(rows))


def _series_row(comparison: Comparison, m: Measured) -> tuple[Cell, ...]:
    s = m.series
    failed = int((~s.scored).sum())
    target = [r.volume for r in comparison.reached if r.scope == m.problem and r.target.key == "baseline"]
    volume = target[0] if target else None
    time = None if volume is None else evaluations_to(m.curve, volume)
    reached: Cell = None if volume is None else f">{s.budget}" if time is None else time
    figures = (m.volume, m.volume_test, *(m.figures.get(key) for key in BY_KEY))
    return (m.problem, s.method, s.seed, s.run, s.budget, len(s.objectives), failed, s.stopped, *figures, reached)
