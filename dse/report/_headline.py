"""The numbers a reader wants first: hypervolumes, evaluations spent, and the design each method offers for a loss."""

from __future__ import annotations

from dataclasses import dataclass

from dse.report._hypervolume import HypervolumeInfo
from dse.report._run import RunData
from dse.report._savings import Choice, choices
from dse.report._text import method_label


@dataclass(frozen=True)
class MethodResult:
    """One method's row of the headline."""

    label: str
    hypervolume: float  # search images
    hypervolume_test: float
    evaluations: int
    reached: int | None  # evaluation at which the baseline's final hypervolume was reached


@dataclass(frozen=True)
class Headline:
    """Results of all methods."""

    methods: tuple[MethodResult, ...]
    choices: tuple[Choice, ...]  # by level, then method, the uniform designs last


def headline(run: RunData, curves: HypervolumeInfo) -> Headline:
    """Compute the headline."""
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
    return Headline(methods, choices(run))
