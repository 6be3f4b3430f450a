"""The numbers a reader wants first: hypervolumes, evaluations spent, and the design each method offers for a loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.report._hypervolume import HypervolumeInfo
from dse.report._run import RunData
from dse.report._text import method_label
from dse.types import Floats

BUDGETS_PP = (0.5, 1.0, 2.0)
UNIFORM_LABEL = "one multiplier in all layers"


@dataclass(frozen=True)
class MethodResult:
    """One method's row of the headline."""

    label: str
    hypervolume: float  # search images
    hypervolume_test: float
    evaluations: int
    reached: int | None  # evaluation at which the baseline's final hypervolume was reached


@dataclass(frozen=True)
class Choice:
    """The cheapest design within a loss on the search images; None where a method has none."""

    budget_pp: float  # most loss allowed on the search images
    label: str  # of the method
    rel_energy: float | None
    search_loss_pp: float | None
    test_loss_pp: float | None


@dataclass(frozen=True)
class Headline:
    """Results of all methods."""

    methods: tuple[MethodResult, ...]
    choices: tuple[Choice, ...]  # by budget, then method, the uniform designs last


def headline(run: RunData, curves: HypervolumeInfo) -> Headline:
    """Compute the headline. Designs are chosen by their search loss alone; the test loss is only reported."""
    reached = {c.method: c.reached for c in curves.curves}
    methods = tuple(
        MethodResult(
            label=method_label(m),
            hypervolume=run.metrics.number("hypervolume", m),
            hypervolume_test=run.metrics.number("hypervolume_test", m),
            evaluations=run.metrics.count("evaluations", m),
            reached=reached.get(m),
        )
        for m in run.methods
    )
    offers = [(method_label(m), f.rel_energy, f.search_loss_pp, f.test_loss_pp) for m, f in run.fronts.items()]
    one = run.uniforms
    offers.append((UNIFORM_LABEL, one.rel_energy, one.search_loss_pp, one.test_loss_pp))
    return Headline(methods, tuple(_choose(budget, *offer) for budget in BUDGETS_PP for offer in offers))


def cheapest_within(budget: float, rel_energy: Floats, search_loss: Floats) -> int | None:
    """Return the index of the cheapest design that loses at most `budget` pp on the search images; None without one."""
    allowed = np.flatnonzero(search_loss <= budget)
    if allowed.size == 0:
        return None
    return int(allowed[np.lexsort([search_loss[allowed], rel_energy[allowed]])[0]])


def _choose(budget: float, label: str, rel_energy: Floats, search_loss: Floats, test_loss: Floats) -> Choice:
    best = cheapest_within(budget, rel_energy, search_loss)
    if best is None:
        return Choice(budget, label, None, None, None)
    return Choice(budget, label, float(rel_energy[best]), float(search_loss[best]), float(test_loss[best]))
