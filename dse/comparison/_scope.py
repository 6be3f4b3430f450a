"""Figures put side by side: one problem, or all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dse.comparison._indicators import BY_KEY, INDICATORS, Indicator, Measured
from dse.comparison._ranks import Friedman, friedman
from dse.comparison._two_samples import Test, a12, holm, magnitude, mann_whitney, wilcoxon

ALL = "all problems"
Block = tuple[str, int]  # problem and seed
Cells = Mapping[str, Mapping[Block, float]]  # method -> block -> figure


@dataclass(frozen=True)
class Pair:
    """Two methods and one indicator."""

    scope: str  # name of a problem, or ALL
    indicator: str  # key of INDICATORS
    first: str
    second: str
    n: tuple[int, int]  # figures of each method in the test
    left_out: int  # figures that the test could not pair
    better: int | None  # blocks in which the first method is better; None where they are not paired
    test: Test
    p_holm: float  # corrected for all pairs of this scope and indicator
    a12: float  # probability that the first method is better, ties counted half; mean over problems
    magnitude: str


@dataclass(frozen=True)
class Ranking:
    """All methods and one indicator."""

    scope: str
    indicator: str
    methods: tuple[str, ...]  # (k,)
    result: Friedman


def cells(measured: Sequence[Measured], indicator: str) -> dict[str, dict[Block, float]]:
    """Return an indicator's figure of every method, problem and seed."""
    found: dict[str, dict[Block, float]] = {}
    for m in measured:
        if indicator in m.figures:
            found.setdefault(m.series.method, {})[m.problem, m.series.seed] = m.figures[indicator]
    return found


def pairs(scope: str, measured: Sequence[Measured], methods: Sequence[str]) -> list[Pair]:
    """Test every pair of methods in every indicator, where both have at least two figures."""
    found = []
    for indicator in INDICATORS:
        table = cells(measured, indicator.key)
        tested = [(a, b, *_test(table[a], table[b])) for a, b in combinations([m for m in methods if m in table], 2)]
        kept = [(a, b, blocks, test) for a, b, blocks, test in tested if test is not None]
        adjusted = holm([test.p for *_, test in kept])
        for (a, b, blocks, test), p in zip(kept, adjusted.tolist(), strict=True):
            found.append(_pair(scope, indicator, a, b, table, blocks, test, p))
    return found


def _test(a: Mapping[Block, float], b: Mapping[Block, float]) -> tuple[list[Block] | None, Test | None]:
    """Choose the test: of pairs where the methods share their blocks, or must for want of a common problem.

    Returns:
        The blocks that are paired, None where none are; the test, None where there are too few figures.
    """
    shared = sorted(set(a) & set(b))
    one_problem = len({problem for problem, _ in (*a, *b)}) == 1
    if (a.keys() != b.keys() and one_problem) or len(shared) < 2:
        few = min(len(a), len(b)) < 2 or not one_problem
        return None, None if few else mann_whitney(list(a.values()), list(b.values()))
    return shared, wilcoxon([a[block] for block in shared], [b[block] for block in shared])


def _pair(
    scope: str,
    indicator: Indicator,
    first: str,
    second: str,
    table: Cells,
    blocks: list[Block] | None,
    test: Test,
    p_holm: float,
) -> Pair:
    a, b = table[first], table[second]
    n = (len(a), len(b)) if blocks is None else (len(blocks), len(blocks))
    effect = _effect(a, b, indicator.larger_is_better)
    sign = 1 if indicator.larger_is_better else -1
    better = None if blocks is None else sum(round(sign * (a[block] - b[block]), 12) > 0 for block in blocks)
    left_out = len(a) + len(b) - sum(n)
    return Pair(scope, indicator.key, first, second, n, left_out, better, test, p_holm, effect, magnitude(effect))


def _effect(a: Mapping[Block, float], b: Mapping[Block, float], larger_is_better: bool) -> float:
    """Return the mean over the problems of both methods of the A12 of `a` being better."""
    effects = []
    for problem in sorted({p for p, _ in a} & {p for p, _ in b}):
        x, y = ([v for (p, _), v in c.items() if p == problem] for c in (a, b))
        effects.append(a12(x, y) if larger_is_better else a12(y, x))
    return float(np.mean(effects))


def rankings(scope: str, measured: Sequence[Measured], methods: Sequence[str]) -> list[Ranking]:
    """Rank three or more methods in the blocks that all of them have, at least two."""
    found = []
    for key in BY_KEY:
        table = cells(measured, key)
        present = tuple(m for m in methods if m in table)
        blocks = sorted(set.intersection(*(set(table[m]) for m in present))) if present else []
        if len(present) >= 3 and len(blocks) >= 2:
            figures = [[table[m][block] for m in present] for block in blocks]
            result = friedman(figures, larger_is_better=BY_KEY[key].larger_is_better)
            found.append(Ranking(scope, key, present, result))
    return found
