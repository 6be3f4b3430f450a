"""The comparison of several runs: everything that its tables, figures and files show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.comparison._equality import unequal
from dse.comparison._estimates import Estimate, Timing, median_interval, median_time
from dse.comparison._indicators import BY_KEY, Measured, measure
from dse.comparison._problem import Problem, make_problems
from dse.comparison._runs import Run, read_runs
from dse.comparison._scope import ALL, Pair, Ranking, cells, pairs, rankings
from dse.comparison._targets import Target, evaluations_to, targets
from dse.exceptions import InputError, unknown_name
from dse.report import KNOWN_METHODS

BASELINE = "alwann"


@dataclass(frozen=True)
class Median:
    """A method's median of one indicator, or of the hypervolume itself."""

    scope: str
    indicator: str  # key of INDICATORS, "volume" or "volume_test"
    method: str
    estimate: Estimate


@dataclass(frozen=True)
class Reached:
    """How soon the series of one method reached a target."""

    scope: str
    target: Target
    volume: float | None  # hypervolume to reach; None for all problems, of which each has its own
    method: str
    timing: Timing


@dataclass(frozen=True)
class Comparison:
    """Several methods on one or more problems."""

    runs: tuple[Run, ...]
    methods: tuple[str, ...]  # the package's own first
    baseline: str
    problems: tuple[Problem, ...]
    measured: tuple[Measured, ...]  # by problem, method and seed
    medians: tuple[Median, ...]
    reached: tuple[Reached, ...]
    pairs: tuple[Pair, ...]
    rankings: tuple[Ranking, ...]
    unequal: tuple[str, ...]  # what was not equal and let pass, one line each


def compare_runs(
    paths: Sequence[str | Path],
    *,
    baseline: str | None = None,
    reference: Sequence[float] | None = None,
    force: bool = False,
) -> Comparison:
    """Compare the methods of finished runs.

    Args:
        paths: Folders of runs.
        baseline: The method whose final hypervolume the others are timed against and whose attainment theirs is compared
            with; `alwann` where it was run, else the first.
        reference: Reference point (K,) of every problem, instead of the runs' own.
        force: Compare runs of unequal conditions; what differs stands in `unequal`.

    Raises:
        InputError: One line, for files that are missing or damaged, or conditions that are not equal.
    """
    if not paths:
        raise InputError("RUN: expected at least one folder of a finished run")
    runs = read_runs(paths)
    odd = unequal(runs)
    if odd and not force:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise InputError(f"{odd[0]}{more}; compare runs of equal conditions, or add --force to mark what differs")
    problems = make_problems(runs, reference)
    methods = _ordered({s.method for p in problems for s in p.series})
    if baseline is not None and baseline not in methods:
        raise unknown_name("method", baseline, methods)
    base = baseline or (BASELINE if BASELINE in methods else methods[0])
    measured = tuple(measure(problem, series) for problem in problems for series in problem.series)
    scopes = [(p.name, [m for m in measured if m.problem == p.name]) for p in problems]
    if len(problems) > 1:
        scopes.append((ALL, list(measured)))
    return Comparison(
        runs=runs,
        methods=methods,
        baseline=base,
        problems=problems,
        measured=measured,
        medians=tuple(m for name, part in scopes for m in _medians(name, part, methods)),
        reached=_reached(problems, measured, methods, base),
        pairs=tuple(pair for name, part in scopes for pair in pairs(name, part, methods)),
        rankings=tuple(ranking for name, part in scopes for ranking in rankings(name, part, methods)),
        unequal=odd,
    )


def _ordered(methods: set[str]) -> tuple[str, ...]:
    return (*(m for m in KNOWN_METHODS if m in methods), *sorted(methods - set(KNOWN_METHODS)))


def _medians(scope: str, measured: Sequence[Measured], methods: Sequence[str]) -> list[Median]:
    """Return the medians of a scope by indicator and method; volumes have a unit, and are of one problem each."""
    tables = {key: cells(measured, key) for key in BY_KEY}
    found = [
        Median(scope, key, method, median_interval(list(table[method].values())))
        for key, table in tables.items()
        for method in methods
        if method in table
    ]
    if scope != ALL:
        found += _volumes(scope, measured, methods)
    return found


def _volumes(scope: str, measured: Sequence[Measured], methods: Sequence[str]) -> list[Median]:
    found = []
    for key in ("volume", "volume_test"):
        for method in methods:
            values = [getattr(m, key) for m in measured if m.series.method == method]
            known = [value for value in values if value is not None]
            if known:
                found.append(Median(scope, key, method, median_interval(known)))
    return found


def _reached(
    problems: Sequence[Problem], measured: Sequence[Measured], methods: Sequence[str], baseline: str
) -> tuple[Reached, ...]:
    """Return how soon each target was reached, on every problem and on all of them together."""
    found, together = [], dict[tuple[Target, str], list[tuple[int | None, int]]]()
    for problem in problems:
        here = [m for m in measured if m.problem == problem.name]
        for target, volume in targets(problem, here, baseline):
            for method in methods:
                times = [(evaluations_to(m.curve, volume), m.series.budget) for m in here if m.series.method == method]
                if times:
                    together.setdefault((target, method), []).extend(times)
                    found.append(Reached(problem.name, target, volume, method, median_time(times)))
    if len(problems) > 1:
        found += [Reached(ALL, target, None, method, median_time(times)) for (target, method), times in together.items()]
    return tuple(found)
