"""From robustness to assignments: the cheapest multiplier whose predicted error a layer bears, and seeds for a search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.error_model import ErrorTable
from dse.exceptions import InputError
from dse.robustness import RobustnessProfile
from dse.types import Assignment, Floats, Population

_SMALLEST_SIGMA = 1e-6  # stands for a layer that bears nothing


def match(
    profile: RobustnessProfile,
    errors: ErrorTable,
    rel_energy: Floats,
    *,
    scale: float = 1.0,
    use_mean: bool = True,
    allowed: NDArray[np.bool_] | None = None,
) -> Assignment:
    """Give each layer the cheapest multiplier with `error <= scale * sigma` (ICCAD 2022, matching rule).

    Among equally cheap ones the smallest error wins. A layer that bears nothing gets the multiplier of smallest error.

    Args:
        profile: What each layer bears, `sigma (L,)`.
        errors: Predicted errors `(L, M)`, in the same unit.
        rel_energy: Energy of one multiplication `(M,)`.
        scale: Tolerance scale: above 1 bolder, below 1 more cautious than the profile.
        use_mean: Compare the root mean square error; False compares the std alone, as the paper does, which relies on
            retraining to absorb the mean.
        allowed: Multipliers that each layer may get, `(L, M)`; None: all.

    Returns:
        `(L,)` int64 indices into the library.
    """
    magnitude = errors.rms if use_mean else errors.std
    if errors.layers != profile.layers or magnitude.shape[1] != len(rel_energy):
        raise InputError(
            f"match: profile of layers {profile.layers} and {len(rel_energy)} energies do not belong to an error table "
            f"of layers {errors.layers} and {magnitude.shape[1]} multipliers"
        )
    if allowed is not None:
        magnitude = np.where(allowed, magnitude, np.inf)
    # a hair above the product: a scale taken from the table itself must admit its own cell
    limit = scale * profile.sigma * (1 + 1e-12)
    feasible = magnitude <= limit[:, None]
    feasible |= magnitude == magnitude.min(axis=1, keepdims=True)
    choice = np.empty(len(magnitude), dtype=np.int64)
    for l, row in enumerate(feasible):
        candidates = np.flatnonzero(row)
        choice[l] = candidates[np.lexsort((magnitude[l, candidates], rel_energy[candidates]))[0]]
    return choice


def matching_sweep(
    profile: RobustnessProfile,
    errors: ErrorTable,
    rel_energy: Floats,
    *,
    use_mean: bool = True,
    allowed: NDArray[np.bool_] | None = None,
) -> Population:
    """Return every assignment that `match` can give at any tolerance scale: `(S, L)`, distinct, cautious to bold.

    The matching only changes where the scale passes a cell's own ratio of error to sigma, so these ratios are all it takes.
    """
    scales = np.unique(np.concatenate([[0.0], tolerances(profile, errors, use_mean=use_mean).ravel()]))
    bounded = RobustnessProfile(profile.layers, np.maximum(profile.sigma, _SMALLEST_SIGMA))
    chain = [match(bounded, errors, rel_energy, scale=float(s), use_mean=use_mean, allowed=allowed) for s in scales]
    distinct = dict.fromkeys(tuple(int(m) for m in row) for row in chain)
    return np.array(list(distinct), dtype=np.int64)


def tolerances(profile: RobustnessProfile, errors: ErrorTable, *, use_mean: bool = True) -> Floats:
    """Return the tolerance scale from which each layer bears each multiplier: error over sigma, `(L, M)`."""
    magnitude = errors.rms if use_mean else errors.std
    return magnitude / np.maximum(profile.sigma, _SMALLEST_SIGMA)[:, None]


def sensitivity(profile: RobustnessProfile, op_counts: NDArray[np.int64], errors: ErrorTable) -> Floats:
    """Return what each multiplier costs in each layer by the profile, `(L, M)`: `noise_cost * rms error^2`.

    In nats where the profile knows `alpha`, else up to a common factor. A design's cost is the sum over its layers: a
    closed-form proxy that ranks designs. See `RobustnessProfile.noise_cost`.
    """
    return profile.noise_cost(op_counts)[:, None] * errors.rms**2
