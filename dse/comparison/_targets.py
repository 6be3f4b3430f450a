"""How many evaluations a series took to reach a hypervolume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.comparison._indicators import Measured
from dse.comparison._problem import Problem
from dse.types import Floats

SHARES = (0.90, 0.95, 0.99)  # of the reference front's hypervolume
_TOLERANCE = 1e-9  # relative, for a volume that was summed in another order


@dataclass(frozen=True)
class Target:
    """A hypervolume on the search images, the same in words on every problem."""

    key: str
    label: str


def targets(problem: Problem, measured: Sequence[Measured], baseline: str) -> list[tuple[Target, float]]:
    """Return the targets of a problem: the baseline's median final hypervolume, and shares of the reference front's."""
    found = []
    volumes = [m.volume for m in measured if m.series.method == baseline]
    if volumes:
        found.append((Target("baseline", f"median final hypervolume of {baseline}"), float(np.median(volumes))))
    for share in SHARES:
        name = f"{100 * share:g}%"
        target = Target(name, f"{name} of the reference front's hypervolume")
        found.append((target, share * problem.front_hypervolume))
    return found


def evaluations_to(curve: Floats, volume: float) -> int | None:
    """Return the first evaluation (from 1) after which a curve (N,) is at `volume`; None where it never is."""
    there = np.flatnonzero(curve >= volume * (1 - _TOLERANCE))
    return int(there[0]) + 1 if there.size and volume > 0 else None
