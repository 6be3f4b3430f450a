"""A problem: what several methods searched, and the reference they are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.comparison._equality import by_problem
from dse.comparison._runs import EVALUATOR, Run, Value
from dse.comparison._series import Series
from dse.exceptions import InputError
from dse.pareto import hypervolume, non_dominated
from dse.types import Floats, Objectives


@dataclass(frozen=True)
class Problem:
    """One network on one set of images with one library, and everything that was found there."""

    name: str
    evaluator: Mapping[str, Value]
    columns: tuple[str, ...]  # (K,) objectives
    reference: Floats  # (K,) reference point: upper bound of every objective
    ideal: Floats  # (K,) least value of each objective in the reference front: lower bound
    front: Objectives  # (R, K) reference front, by rising first objective: what no design of any series dominates
    front_hypervolume: float
    series: tuple[Series, ...]

    def scaled(self, objectives: Objectives) -> Objectives:
        """Scale `(P, K)` so that the ideal point is 0 and the reference point 1."""
        return (objectives - self.ideal) / (self.reference - self.ideal)


def make_problems(runs: Sequence[Run], reference: Sequence[float] | None = None) -> tuple[Problem, ...]:
    """Group runs into problems, by name.

    Args:
        runs: The runs.
        reference: Reference point (K,) instead of that of the runs' configuration.

    Raises:
        InputError: If a method and seed occur twice on a problem, reference points differ, or no design lies within one.
    """
    groups = list(by_problem(runs).values())
    names = _names(groups)
    made = [_problem(name, group, reference) for name, group in zip(names, groups, strict=True)]
    return tuple(sorted(made, key=lambda problem: problem.name))


def _names(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Name each problem by network and data, and by hashes where two share these."""
    titles = [group[0].title for group in groups]
    count = Counter(titles)
    names = []
    for group, title in zip(groups, titles, strict=True):
        twins = [g[0].evaluator for g, other in zip(groups, titles, strict=True) if other == title]
        differ = [key for key in EVALUATOR if len({twin[key] for twin in twins}) > 1]
        marks = ", ".join(f"{key.split('.')[-1]} {str(group[0].evaluator[key])[:6]}" for key in differ)
        names.append(title if count[title] == 1 else f"{title} ({marks})")
    return names


def _problem(name: str, runs: Sequence[Run], reference: Sequence[float] | None) -> Problem:
    point = _reference(runs, reference)
    series = _series(runs)
    everything = np.vstack([s.objectives[s.counted] for s in series])
    inside = everything[(everything < point).all(axis=1)]
    if len(inside) == 0:
        raise InputError(f"{runs[0].label}: no design lies within the reference point {point.tolist()}; give --reference")
    front = inside[non_dominated(inside)]
    front = front[np.lexsort(front.T[::-1])]
    return Problem(
        name=name,
        evaluator=runs[0].evaluator,
        columns=runs[0].columns,
        reference=point,
        ideal=front.min(axis=0),
        front=front,
        front_hypervolume=hypervolume(front, point),
        series=series,
    )


def _reference(runs: Sequence[Run], given: Sequence[float] | None) -> Floats:
    if given is not None:
        point = np.array(given, dtype=float)
        if point.shape != runs[0].reference.shape or not np.isfinite(point).all():
            raise InputError(f"--reference: expected a finite number for each of {list(runs[0].columns)}, got {list(given)}")
        return point
    for run in runs[1:]:
        if not np.array_equal(run.reference, runs[0].reference):
            mine, other = run.reference.tolist(), runs[0].reference.tolist()
            raise InputError(f"{run.label}: reference_point is {mine}, but {runs[0].label} has {other}; give --reference")
    return runs[0].reference


def _series(runs: Sequence[Run]) -> tuple[Series, ...]:
    found: dict[tuple[str, int], Series] = {}
    for series in (s for run in runs for s in run.series):
        key = (series.method, series.seed)
        if key in found:
            where = f"{series.run}: method '{series.method}', seed {series.seed}"
            raise InputError(f"{where} is in {found[key].run} too, on the same problem; name one of these runs")
        found[key] = series
    return tuple(found[key] for key in sorted(found))
