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
    """Return what each multiplier costs in each layer by the profile, up to a common factor: `(L, M)`.

    Where the noise has settled, its reward balances the loss: for a loss that grows by `alpha_l sigma_l^2` (noise is small,
    layers add up), `d/dsigma_l` of it equals the reward's slope, `2 alpha_l sigma_l = lambda c_l / sum_j c_j`. Hence
    `alpha_l` is proportional to `c_l / sigma_l`, and an error of root mean square `e` costs `alpha_l e^2`. A layer at
    `sigma_max` bears at least what this says. A design's cost is the sum over its layers: a closed-form proxy that ranks
    designs. (The balance is our reading of the ICCAD 2022 loss; the paper itself only matches.)
    """
    alpha = op_counts / op_counts.sum() / np.maximum(profile.sigma, _SMALLEST_SIGMA)
    return alpha[:, None] * errors.rms**2
