"""How good a series is: hypervolume, IGD+ and additive epsilon of what it found, and its hypervolume on the way there."""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np

from dse.comparison._problem import Problem
from dse.comparison._series import Series
from dse.pareto import hypervolume, hypervolume_curve, non_dominated
from dse.types import Floats, Objectives


@dataclass(frozen=True)
class Indicator:
    """What an indicator is called, and which way is better."""

    key: str
    label: str
    larger_is_better: bool


# Shares are relative to the hypervolume of the problem's reference front, so that problems can be put together.
INDICATORS = (
    Indicator("hypervolume", "hypervolume share", True),
    Indicator("igd_plus", "IGD+", False),
    Indicator("epsilon", "additive epsilon", False),
    Indicator("hypervolume_test", "hypervolume share, test images", True),
)
BY_KEY = {indicator.key: indicator for indicator in INDICATORS}


@dataclass(frozen=True)
class Measured:
    """The figures of one series."""

    problem: str
    series: Series
    volume: float  # hypervolume on the search images, product of the objectives' units
    volume_test: float | None  # of the final front on the test images; None where the run has not measured it
    figures: dict[str, float]  # by key of INDICATORS; without hypervolume_test where there is none
    curve: Floats  # (N,) hypervolume after each evaluation


def measure(problem: Problem, series: Series) -> Measured:
    """Compute the indicators of a series on the search images, and the hypervolume of its front on the test images.

    * Hypervolume: the volume between the points found and the reference point (Zitzler and Thiele 1998, "Multiobjective
      optimization using evolutionary algorithms - a comparative case study").
    * IGD+: `1/R sum_r min_a |max(a - r, 0)|`, the mean distance from the reference front's points r to the points found a,
      in those objectives that are worse (Ishibuchi et al. 2015, "Modified distance calculation in generational distance and
      inverted generational distance").
    * Additive epsilon: `max_r min_a max_k (a_k - r_k)`, the least amount that all points found must gain to weakly dominate
      the reference front (Zitzler et al. 2003, "Performance assessment of multiobjective optimizers").

    The last two are of objectives scaled to [0, 1] between the problem's ideal and reference point. A series without a
    design counts as the reference point.
    """
    found = series.objectives[series.counted]
    front = found[non_dominated(found)] if len(found) else problem.reference[None, :]
    volume = hypervolume(front, problem.reference)
    volume_test = None if series.test is None else hypervolume(series.test, problem.reference)
    scaled, target = problem.scaled(front), problem.scaled(problem.front)
    figures = {
        "hypervolume": volume / problem.front_hypervolume,
        "igd_plus": float(moocore.igd_plus(scaled, ref=target)),
        "epsilon": float(moocore.epsilon_additive(scaled, ref=target)),
    }
    if volume_test is not None:
        figures["hypervolume_test"] = volume_test / problem.front_hypervolume
    return Measured(problem.name, series, volume, volume_test, figures, _curve(series, problem.reference))


def _curve(series: Series, reference: Floats) -> Floats:
    """Return the hypervolume after each of N evaluations; a failed design costs one and adds nothing."""
    curve = np.zeros(len(series.objectives))
    curve[series.counted] = hypervolume_curve(series.objectives[series.counted], reference)
    return np.maximum.accumulate(curve)


def final_front(series: Series, reference: Floats) -> Objectives:
    """Return the non-dominated designs within the reference point `(P, K)`; the reference point itself without any."""
    found = series.objectives[series.counted]
    inside = found[(found < reference).all(axis=1)]
    return inside[non_dominated(inside)] if len(inside) else reference[None, :]
