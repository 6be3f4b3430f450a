"""The published choice of operating points: layers of all points clustered together (QoS-Nets, arXiv 2410.07762)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dse.exceptions import InputError
from dse.operating_points._choice_request import PointsRequest
from dse.search import Guidance, clustered_choice
from dse.space import SearchSpace
from dse.types import Population

SCALES = (0.3, 1.0, 2.0)  # of the published scripts


def published_points(
    space: SearchSpace, guidance: Guidance, *, scales: Sequence[float] = SCALES, instances: int, seed: int
) -> Population:
    """Return one assignment for each tolerance scale, with at most `instances` circuits over all of them.

    Layer l at scale s is a point with the coordinates `error[l, m] / (s * sigma[l])`; the points of all scales are clustered
    together, and each cluster gets one multiplier (`dse.search.clustered_choice`). Nothing is simulated. A cluster's centre
    is a mean: single layers may get more than they bear. Forbidden multipliers are repaired afterwards, as in any search,
    with all points taken as one design: so the limit holds for them together.

    Args:
        space: The search space; its tile limit and its bound on the energy play no part.
        guidance: `tolerance`, errors relative to what each layer bears at scale 1.
        scales: Factors on what layers bear, above 0, from cautious to bold `(O,)`.
        instances: Number of clusters, n.
        seed: Of k-means.

    Returns:
        `(O, L)` int64, in the order of the scales.

    Raises:
        InputError: The guidance has no tolerance `(L, M)`, a scale is not above 0, or there are fewer than n circuits.
    """
    shape = (len(space.layers), len(space.multipliers))
    if guidance.tolerance is None or guidance.tolerance.shape != shape:
        got = "none" if guidance.tolerance is None else str(guidance.tolerance.shape)
        raise InputError(f"published points: expected errors relative to the tolerance {shape} in the guidance, got {got}")
    if not scales or not all(np.isfinite(scale) and scale > 0 for scale in scales):
        raise InputError(f"scales: expected one or more finite numbers above 0, got {list(scales)}")
    PointsRequest(instances=instances, points=len(scales), evaluations=len(scales)).space(space)
    relative = np.vstack([guidance.tolerance / scale for scale in scales])
    choice = clustered_choice(relative, space.rel_energy, clusters=instances, seed=seed)
    return _joint(space, len(scales), instances).repair(choice[None]).reshape(len(scales), -1)


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
