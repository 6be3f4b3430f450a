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
    return _choices(profile, errors, rel_energy, np.array([scale]), use_mean=use_mean, allowed=allowed)[0]


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
    chain = _choices(bounded, errors, rel_energy, scales, use_mean=use_mean, allowed=allowed)
    distinct, first = np.unique(chain, axis=0, return_index=True)
    return distinct[np.argsort(first)]


def _choices(
    profile: RobustnessProfile,
    errors: ErrorTable,
    rel_energy: Floats,
    scales: Floats,
    *,
    use_mean: bool,
    allowed: NDArray[np.bool_] | None,
) -> Population:
    """Return the matching at each tolerance scale, `(S, L)`."""
    magnitude = errors.rms if use_mean else errors.std
    if errors.layers != profile.layers or magnitude.shape[1] != len(rel_energy):
        raise InputError(
            f"match: profile of layers {profile.layers} and {len(rel_energy)} energies do not belong to an error table "
            f"of layers {errors.layers} and {magnitude.shape[1]} multipliers"
        )
    if allowed is not None:
        magnitude = np.where(allowed, magnitude, np.inf)
    # a hair above the product: a scale taken from the table itself must admit its own cell
    limits = np.outer(scales, profile.sigma) * (1 + 1e-12)
    return np.stack([_cheapest(row, rel_energy, limit) for row, limit in zip(magnitude, limits.T, strict=True)], axis=1)


def _cheapest(magnitude: Floats, rel_energy: Floats, limits: Floats) -> NDArray[np.int64]:
    """Return one layer's cheapest multiplier at each limit, `(S,)`; of equally cheap ones that of smallest error `(M,)`."""
    by_cost = np.lexsort((magnitude, rel_energy))
    by_error = np.argsort(magnitude, kind="stable")
    place = np.empty_like(by_cost)
    place[by_cost] = np.arange(len(by_cost))
    cheapest = np.minimum.accumulate(place[by_error])  # among as many of smallest error
    smallest = np.count_nonzero(magnitude == magnitude.min())
    borne = np.maximum(np.searchsorted(magnitude[by_error], limits, side="right"), smallest)
    return by_cost[cheapest[borne - 1]]


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
