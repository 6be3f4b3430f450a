"""Fronts and indicators, thin over moocore. Every objective is minimised."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.types import Floats, Objectives

_ROUND_OFF = 1e-9  # pp: a loss is the difference of two fractions of images


def reportable(objectives: Objectives, max_loss_pp: float | None) -> NDArray[np.bool_]:
    """Mark the designs `(P, K)` that a front may hold, `(P,)`: scored, and within the bound on the accuracy loss.

    Whatever the method: fronts, their indicators and comparisons all choose by this.

    Args:
        objectives: NaN in the rows of designs that failed; the second objective is the accuracy loss in percentage points.
        max_loss_pp: The bound, `space.constraints.max_accuracy_loss_pp`; None: no bound.
    """
    scored = np.isfinite(objectives).all(axis=1)
    return np.asarray(scored if max_loss_pp is None else scored & (objectives[:, 1] <= max_loss_pp + _ROUND_OFF))


def cheapest_within(rel_energy: Floats, loss_pp: Floats, limit_pp: float) -> int | None:
    """Return the index of the cheapest design that loses at most so much; None without one.

    Of equally cheap ones it is that which loses least, of equals the first. Whoever chooses by a loss chooses by this.

    Args:
        rel_energy: Of the designs `(P,)`.
        loss_pp: On the images that choose `(P,)`, pp: the validation part where there is one, else the search part.
        limit_pp: Loss allowed, pp.
    """
    allowed = np.flatnonzero(loss_pp <= limit_pp + _ROUND_OFF)
    if len(allowed) == 0:
        return None
    return int(allowed[np.lexsort([np.round(loss_pp[allowed], 9), rel_energy[allowed]])[0]])


def non_dominated(objectives: Objectives) -> NDArray[np.bool_]:
    """Mark the rows of `(P, K)` that no other row dominates, `(P,)`; of equal rows only the first is marked.

    Raises:
        InputError: If an objective is not finite: moocore would drop such rows without a word.
    """
    _check_finite(objectives)
    if len(objectives) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(objectives, maximise=False, keep_weakly=False), dtype=bool)


def hypervolume(objectives: Objectives, reference: Floats) -> float:
    """Return the volume that the rows of `(P, K)` dominate within `reference` (K,); rows beyond it count nothing.

    Raises:
        InputError: If an objective is not finite.
    """
    _check_finite(objectives)
    inside = objectives[(objectives < reference).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def hypervolume_curve(objectives: Objectives, reference: Floats) -> Floats:
    """Return the hypervolume after each evaluation: rows `(P, K)` in the order they were evaluated -> `(P,)`."""
    _check_finite(objectives)
    front = objectives[:0]
    curve = np.zeros(len(objectives))
    for p, row in enumerate(objectives):
        if (front <= row).all(axis=1).any():
            curve[p] = curve[p - 1]
            continue
        extended = np.vstack([front, row])
        front = extended[non_dominated(extended)]
        curve[p] = hypervolume(front, reference)
    return curve


def _check_finite(objectives: Objectives) -> None:
    if not np.isfinite(objectives).all():
        raise InputError(f"objectives: expected finite numbers, got a NaN or infinity in row {_first_bad(objectives)}")


def _first_bad(objectives: Objectives) -> int:
    return int(np.flatnonzero(~np.isfinite(objectives).all(axis=1))[0])
