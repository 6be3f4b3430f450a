"""What a reader must know beside the numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dse.comparison._comparison import Comparison
from dse.comparison._estimates import CONFIDENCE, RESAMPLES, SEED
from dse.comparison._problem import Problem
from dse.comparison._scope import ALL
from dse.comparison._series import ENDED

_SIGNIFICANT = 0.05
_ENOUGH = 6  # values whose range holds the median more often than 95 % of the time


def notes(comparison: Comparison) -> tuple[str, ...]:
    """Return one sentence or two for each thing that bears on how far the numbers can be trusted."""
    return (
        *(f"UNEQUAL: {line}." for line in comparison.unequal),
        *_little(comparison),
        *_alike(comparison),
        *_ended(comparison),
        *_failed(comparison),
        *_tested(comparison),
        *_commits(comparison),
        *map(reference_note, comparison.problems),
        *_conventions(comparison),
    )


def reference_note(problem: Problem) -> str:
    """Say what the figures of a problem are held against."""
    bounds = ", ".join(
        f"{column} {low:.4g} to {high:.4g}"
        for column, low, high in zip(problem.columns, problem.ideal.tolist(), problem.reference.tolist(), strict=True)
    )
    return (
        f"{problem.name}: the reference front has {len(problem.front)} designs, what no design of any series dominates "
        f"within the reference point, and hypervolume {problem.front_hypervolume:.4g}. IGD+ and epsilon are scaled from its "
        f"ideal (0) to the reference point (1): {bounds}."
    )


def _alike(comparison: Comparison) -> Iterator[str]:
    for problem in comparison.problems:
        for method in comparison.methods:
            series = [s.objectives for s in problem.series if s.method == method]
            if len(series) > 1 and all(np.array_equal(s, series[0], equal_nan=True) for s in series):
                yield (
                    f"{problem.name}: all {len(series)} series of {method} are the same, whatever the seed. They are one "
                    "observation, repeated: tests that pair it with others say how these vary, not how it would."
                )


def _little(comparison: Comparison) -> Iterator[str]:
    if len(comparison.methods) == 1:
        yield "One method: its figures are described, there is nothing to test."
    for problem in comparison.problems:
        counts = {m: sum(s.method == m for s in problem.series) for m in comparison.methods}
        counts = {m: n for m, n in counts.items() if n}
        if set(counts.values()) == {1}:
            yield f"{problem.name}: one series per method, so its figures have no interval and no test."
        elif len(set(counts.values())) > 1:
            listed = ", ".join(f"{m} {n}" for m, n in counts.items())
            yield f"{problem.name}: the methods have different numbers of series: {listed}."
        least = min((n for n in counts.values() if n > 1), default=_ENOUGH)
        if least < _ENOUGH:
            yield (
                f"{problem.name}: between the least and the most of {least} values the true median lies "
                f"{_coverage(least):.0%} of the time, so intervals said to be of 95 % are of no more than that."
            )
    yield from _smallest(comparison)


def _coverage(n: int) -> float:
    """Return how often the range of `n` values holds the median of what they are drawn from: it does not if all are on one
    side of it."""
    return 1 - 2.0 ** (1 - n)


def _smallest(comparison: Comparison) -> Iterator[str]:
    """Say where so few series cannot be significant, whatever they are."""
    seen = {}
    for pair in comparison.pairs:
        count = sum(p.scope == pair.scope and p.indicator == pair.indicator for p in comparison.pairs)
        seen[pair.scope, pair.n, pair.test.smallest_p] = count
    for (scope, n, smallest), count in seen.items():
        size = f"n = {n[0]}" if n[0] == n[1] else f"n = {n[0]} and {n[1]}"
        if smallest >= _SIGNIFICANT:
            yield (
                f"{scope}: with {size} the smallest possible p is {smallest:.3g}; no test of a pair can be significant "
                "at 0.05, and Nemenyi's p, which is for many blocks, means little."
            )
        elif smallest * count >= _SIGNIFICANT:
            yield (
                f"{scope}: with {size} the smallest possible p is {smallest:.3g}, and {min(1.0, smallest * count):.3g} when "
                f"corrected for {count} pairs; none can be significant at 0.05 then."
            )


def _ended(comparison: Comparison) -> Iterator[str]:
    for method in comparison.methods:
        mine = [m.series for m in comparison.measured if m.series.method == method]
        early = [s for s in mine if s.stopped in ENDED]
        if early:
            least, most = min(len(s.objectives) for s in early), max(len(s.objectives) for s in early)
            spent = f"{least}" if least == most else f"{least} to {most}"
            why = ", ".join(sorted({s.stopped for s in early}))
            yield (
                f"{method}: {len(early)} of {len(mine)} series ended of their own accord ({why}) after {spent} of "
                f"{early[0].budget} evaluations. They had the same budget; their curves are continued at the last value."
            )


def _failed(comparison: Comparison) -> Iterator[str]:
    for method in comparison.methods:
        mine = [m.series for m in comparison.measured if m.series.method == method]
        failed, total = sum(int((~s.scored).sum()) for s in mine), sum(len(s.objectives) for s in mine)
        if failed:
            yield f"{method}: {failed} of {total} designs failed; each cost an evaluation and is in no front."
        for s in mine:
            if not s.counted.any():
                what = "is within the bound on the loss" if s.scored.any() else "was scored"
                yield f"{method}, seed {s.seed} ({s.run}): no design {what}; it counts as the reference point."


def _tested(comparison: Comparison) -> Iterator[str]:
    if any(m.volume_test is None for m in comparison.measured):
        yield "front.csv lacks some objectives on test images; those runs have no hypervolume there."
    left = sorted({(p.scope, p.left_out) for p in comparison.pairs if p.left_out})
    for scope, count in left:
        yield f"{scope}: {count} figures of a pair of methods have no partner of the same problem and seed and are left out."


def _commits(comparison: Comparison) -> Iterator[str]:
    commits = {run.label: run.commit for run in comparison.runs}
    if len(set(commits.values())) > 1:
        listed = ", ".join(f"{label} {commit[:12] if commit else 'none'}" for label, commit in commits.items())
        yield f"The runs were made from different commits: {listed}."


def _conventions(comparison: Comparison) -> Iterator[str]:
    yield (
        "Hypervolume shares are of the reference front's hypervolume, on test images of the same one. "
        "All indicators but those named so are of the search images, which the methods have seen. Test images show what "
        "their final fronts keep; designs chosen for a lucky score on the search images lose it there."
    )
    yield (
        f"Intervals: {100 * CONFIDENCE:g} % bootstrap of the median, {RESAMPLES} resamples, seed {SEED}, BCa where it is "
        "defined and percentiles elsewhere. Counts of evaluations: percentiles; '>' marks a bound where too few series "
        "reached the target."
    )
    if comparison.pairs:
        yield (
            "Pairs: Wilcoxon's signed-rank test where two methods share their seeds, Mann and Whitney's otherwise, "
            "two-sided, corrected by Holm for the pairs of one problem and indicator. A12 is the probability that the first "
            "method is better (0.5: no difference; small from 0.56 or 0.44, medium from 0.64 or 0.36, large from 0.71 or "
            "0.29)."
        )
    if comparison.rankings:
        yield (
            "Ranks: Friedman's p is that of the chi-squared distribution, approximate for few blocks; methods whose mean "
            "ranks are further apart than the critical difference differ at 0.05 (Nemenyi)."
        )
    if len(comparison.problems[0].columns) > 2:
        yield "Attainment surfaces are drawn for two objectives only."
    if any(p.scope == ALL for p in comparison.pairs):
        yield (
            "All problems: blocks are pairs of problem and seed. Seeds of one problem repeat the search and not the "
            "problem, so these p values speak of the problems compared here and not of others; A12 is the mean "
            "over the problems."
        )
