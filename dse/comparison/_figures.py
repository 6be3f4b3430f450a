"""What the figures of a comparison show, computed from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import moocore
import numpy as np

from dse.comparison._comparison import Comparison
from dse.comparison._indicators import INDICATORS, Measured, final_front
from dse.comparison._problem import Problem
from dse.comparison._scope import ALL
from dse.comparison._series import ENDED
from dse.report import (
    Band,
    BandInfo,
    Difference,
    DifferenceInfo,
    Drawing,
    Strip,
    StripInfo,
    Surface,
    SurfaceInfo,
    draw_bands,
    draw_differences,
    draw_strips,
    draw_surfaces,
    method_label,
)
from dse.types import Floats, Objectives

_AXES = {"rel_energy": "relative energy (exact = 1)", "accuracy_loss_pp": "accuracy loss, search images (pp)"}


def figures(comparison: Comparison) -> Iterator[tuple[str, str, Drawing]]:
    """Yield name, title and drawing of every figure; attainment needs two objectives."""
    for number, problem in enumerate(comparison.problems, 1):
        here = [m for m in comparison.measured if m.problem == problem.name]
        several = len(comparison.problems) > 1
        mark, where = (f"-{number}", f": {problem.name}") if several else ("", "")
        for name, title, drawing in _of_problem(comparison, problem, here):
            yield f"{name}{mark}", f"{title}{where}", drawing
    if len(comparison.problems) > 1:
        strips = _strips(comparison, comparison.measured, _told(comparison) + ALL)
        yield "indicators-all", f"{strips.title}: {ALL}", partial(draw_strips, strips)


def _of_problem(comparison: Comparison, problem: Problem, here: Sequence[Measured]) -> Iterator[tuple[str, str, Drawing]]:
    told = caption(comparison, problem)
    bands, strips = _bands(comparison, here, problem, told), _strips(comparison, here, told)
    yield "hypervolume", bands.title, partial(draw_bands, bands)
    yield "indicators", strips.title, partial(draw_strips, strips)
    if len(problem.columns) == 2:
        surfaces = _surfaces(comparison, here, problem, told)
        yield "attainment", surfaces.title, partial(draw_surfaces, surfaces)
        differences = _differences(comparison, here, problem, told)
        if differences.differences:
            yield "differences", differences.title, partial(draw_differences, differences)


def caption(comparison: Comparison, problem: Problem) -> str:
    """Return the line under a figure of one problem."""
    counts = sorted({sum(s.method == m for s in problem.series) for m in comparison.methods} - {0})
    images = sorted({str(r.settings["images.search"]) for r in comparison.runs if r.evaluator == problem.evaluator})
    point = ", ".join(f"{value:g}" for value in problem.reference)
    parts = [
        problem.name,
        f"{' or '.join(map(str, counts))} series per method",
        f"{' or '.join(images)} search images",
        f"{' or '.join(map(str, sorted({s.budget for s in problem.series})))} evaluations each",
        f"reference point ({point})",
    ]
    return _told(comparison) + " · ".join(parts)


def _told(comparison: Comparison) -> str:
    return f"UNEQUAL: {'; '.join(comparison.unequal)} · " if comparison.unequal else ""


def _title(comparison: Comparison, title: str) -> str:
    return f"UNEQUAL: {title}" if comparison.unequal else title


def _bands(comparison: Comparison, here: Sequence[Measured], problem: Problem, told: str) -> BandInfo:
    most = max(m.series.budget for m in here)
    bands = []
    for method in comparison.methods:
        mine = [m for m in here if m.series.method == method]
        if mine:
            curves = np.array([100 * _continued(m.curve, most) / problem.front_hypervolume for m in mine])
            low, middle, high = np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
            note = "(ended early)" if any(m.series.stopped in ENDED for m in mine) else ""
            bands.append(Band(method, low, middle, high, note))
    words = "median and middle half over the series; dotted: the baseline's median final value"
    title = _title(comparison, "Hypervolume over evaluations")
    return BandInfo(tuple(bands), comparison.baseline, title, f"{told} · {words}")


def _continued(curve: Floats, length: int) -> Floats:
    return np.concatenate([curve, np.full(length - len(curve), curve[-1])])


def _strips(comparison: Comparison, measured: Sequence[Measured], told: str) -> StripInfo:
    strips = []
    for indicator in INDICATORS:
        values = tuple(
            np.array(
                [m.figures[indicator.key] for m in measured if m.series.method == method and indicator.key in m.figures]
            )
            for method in comparison.methods
        )
        if any(map(len, values)):
            strips.append(Strip(indicator.label, indicator.larger_is_better, values))
    words = "a point is a series; boxes: quartiles and median, whiskers: least and most"
    title = _title(comparison, "Final indicators")
    return StripInfo(comparison.methods, tuple(strips), title, f"{told} · {words}")


def _surfaces(comparison: Comparison, here: Sequence[Measured], problem: Problem, told: str) -> SurfaceInfo:
    surfaces = []
    for method in comparison.methods:
        fronts = _fronts(here, method, problem)
        if fronts:
            surfaces.append(Surface(method, len(fronts), *attainment(fronts)))
    limits = _limits(here, problem)
    title = _title(comparison, "Attainment surfaces")
    return SurfaceInfo(tuple(surfaces), problem.front, limits, _labels(problem), title, told)


def attainment(fronts: list[Objectives]) -> tuple[Objectives, ...]:
    """Return the points `(., 2)` that at least one, half and all of some fronts attain, by rising first objective.

    The empirical attainment function of Grunert da Fonseca, Fonseca and Hall (2001, "Inferential performance assessment of
    stochastic optimisers and the attainment function"), by `moocore.eaf`.
    """
    sets = np.repeat(np.arange(1, len(fronts) + 1), [len(front) for front in fronts])
    found = moocore.eaf(np.vstack(fronts), sets, percentiles=[0, 50, 100])
    levels = (found[found[:, 2] == level, :2] for level in (0, 50, 100))
    return tuple(points[np.argsort(points[:, 0], kind="stable")] for points in levels)


def _differences(comparison: Comparison, here: Sequence[Measured], problem: Problem, told: str) -> DifferenceInfo:
    base = _fronts(here, comparison.baseline, problem)
    found = []
    for method in comparison.methods:
        fronts = _fronts(here, method, problem)
        if base and fronts and method != comparison.baseline:
            found.append(Difference(method, *attainment_difference(fronts, base)))
    title = _title(comparison, f"Attainment less that of {method_label(comparison.baseline)}")
    limits = _limits(here, problem)
    return DifferenceInfo(tuple(found), limits, _labels(problem), title, told)


def attainment_difference(first: list[Objectives], second: list[Objectives]) -> tuple[Floats, Floats]:
    """Return where `first` attains more often than `second`.

    `moocore.eafdiff` wants equally many fronts of both, so each is repeated as often as that takes.

    Returns:
        Rectangles `(Q, 4)`, lower and upper corners, and the difference of the shares of fronts that attain them `(Q,)`.
    """
    count = math.lcm(len(first), len(second))
    one, other = (_numbered(fronts * (count // len(fronts))) for fronts in (first, second))
    if sorted(map(tuple, one.tolist())) == sorted(map(tuple, other.tolist())):  # which moocore takes for a mistake
        return np.zeros((0, 4)), np.zeros(0)
    found = moocore.eafdiff(one, other, rectangles=True)
    return found[:, :4], found[:, 4] / count


def _numbered(fronts: list[Objectives]) -> Floats:
    return np.vstack([np.column_stack([front, np.full(len(front), i)]) for i, front in enumerate(fronts, 1)])


def _fronts(here: Sequence[Measured], method: str, problem: Problem) -> list[Objectives]:
    return [final_front(m.series, problem.reference) for m in here if m.series.method == method]


def _limits(here: Sequence[Measured], problem: Problem) -> tuple[Floats, Floats]:
    """Return the corners of what the final fronts span, between the ideal and the reference point."""
    fronts = [final_front(m.series, problem.reference) for m in here if m.series.counted.any()]
    far = np.vstack(fronts).max(axis=0)
    return problem.ideal, np.minimum(problem.reference, far + 0.1 * (far - problem.ideal))


def _labels(problem: Problem) -> tuple[str, str]:
    first, second = (_AXES.get(column, column) for column in problem.columns)
    return first, second
