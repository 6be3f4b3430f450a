"""The published choice of operating points: layers of all points clustered together (QoS-Nets, arXiv 2410.07762)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dse.exceptions import InputError
from dse.operating_points._choice_request import PointsRequest
from dse.search import Guidance, clustered_choice
from dse.space import SearchSpace
from dse.types import Floats, Population

SCALES = (0.3, 1.0, 2.0)  # of the published scripts


def published_points(
    space: SearchSpace, guidance: Guidance, *, scales: Sequence[float] = SCALES, instances: int, seed: int
) -> Population:
    """Return one assignment for each tolerance scale, with at most `instances` circuits over all of them.

    Layer l at scale s is a point with the coordinates `error[l, m] / (s * sigma[l])`; the points of all scales are clustered
    together, and each cluster gets one multiplier (`dse.search.clustered_choice`). Nothing is simulated. A cluster's centre
    is a mean: single layers may get more than they bear. Forbidden multipliers are repaired afterwards, as in any search,
    with all points taken as one design: so the limit holds for them together. A point beyond the bound of the energy then
    gets the cheapest of their circuits, layer by layer, those first that save most.

    Args:
        space: The search space; its tile limit plays no part.
        guidance: `tolerance`, errors relative to what each layer bears at scale 1.
        scales: Factors on what layers bear, above 0, from cautious to bold `(O,)`.
        instances: Number of clusters, n.
        seed: Of k-means.

    Returns:
        `(O, L)` int64, in the order of the scales.

    Raises:
        InputError: The guidance has no tolerance `(L, M)`, a scale is not above 0, there are fewer than n circuits, or no
            design of n circuits keeps to the bound of the energy.
    """
    shape = (len(space.layers), len(space.multipliers))
    if guidance.tolerance is None or guidance.tolerance.shape != shape:
        got = "none" if guidance.tolerance is None else str(guidance.tolerance.shape)
        raise InputError(f"published points: expected errors relative to the tolerance {shape} in the guidance, got {got}")
    if not scales or not all(np.isfinite(scale) and scale > 0 for scale in scales):
        raise InputError(f"scales: expected one or more finite numbers above 0, got {list(scales)}")
    tiled = PointsRequest(instances=instances, points=len(scales), evaluations=len(scales)).space(space)
    relative = np.vstack([guidance.tolerance / scale for scale in scales])
    choice = clustered_choice(relative, space.rel_energy, clusters=instances, seed=seed)
    points = _joint(space, len(scales), instances).repair(choice[None]).reshape(len(scales), -1)
    return _bounded(tiled, guidance.tolerance, points)


def _joint(space: SearchSpace, points: int, instances: int) -> SearchSpace:
    """Return a space in which all points are one design."""
    return replace(
        space,
        layers=tuple(f"{layer} of point {point}" for point in range(points) for layer in space.layers),
        op_counts=np.tile(space.op_counts, points),
        allowed=None if space.allowed is None else np.tile(space.allowed, (points, 1)),
        tiles=instances,
        max_rel_energy=None,
    )


def _bounded(space: SearchSpace, tolerance: Floats, points: Population) -> Population:
    """Return points `(O, L)` that keep to the bound of the energy, with no other circuits than they hold together.

    Where no design of these circuits does, all points are beyond the bound: each becomes the cheapest design of the space.
    """
    over = np.flatnonzero(~space.permits(points))
    if len(over) == 0:
        return points
    held = space.choices & np.isin(space.circuit_of, space.circuit_of[points])
    price = np.where(held, space.rel_energy, np.inf)
    cheapest = np.where(price == price.min(axis=1, keepdims=True), tolerance, np.inf).argmin(axis=1)
    if not space.permits(cheapest[None])[0]:
        return np.repeat(space.cheapest()[None], len(points), axis=0)
    bounded = points.copy()
    for point in over:
        saved = space.op_counts * (space.rel_energy[points[point]] - space.rel_energy[cheapest])
        for layer in np.argsort(-saved, kind="stable"):
            if not space.permits(bounded[point][None])[0]:
                bounded[point, layer] = cheapest[layer]
    return bounded
