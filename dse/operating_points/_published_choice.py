"""The published method at the cost of ours: its tolerance scales chosen by simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dse.operating_points._choice_by_circuit import by_circuit
from dse.operating_points._choice_ledger import Evaluate, Ledger
from dse.operating_points._choice_pick import Goal
from dse.operating_points._choice_points import OperatingPoints, chosen_points
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._published import SCALES, published_points
from dse.search import Guidance
from dse.space import SearchSpace
from dse.types import Floats, Population

_STEP = 0.5  # of a scale's logarithm, from the best scales so far to those tried next
_SWEPT = 0.5  # share of the evaluations for multiples of the published scales; the rest goes on from the best
_IDLE = 40  # scales tried in a row without a new design before all is taken to have been tried


@by_circuit
def choose_published(space: SearchSpace, guidance: Guidance, request: PointsRequest, evaluate: Evaluate) -> OperatingPoints:
    """Choose operating points as published, with the tolerance scales that simulation finds best.

    The paper fixes its scales. To be compared at equal cost, and to keep budgets, the same factors 0.3, 1 and 2 (spread over
    as many points as are asked for) are taken as they are, then multiplied by others, and for the second half of the
    evaluations moved at random from the best that was found. The points are those of one clustering: designs of several are
    not mixed.

    Args:
        space, guidance: See `published_points`.
        request: What is asked for.
        evaluate: Figures of designs on the search images, `(P, L)` -> `(P, 2)`; see `Evaluate`.

    Raises:
        InputError: See `choose_points`.
    """
    tiled, goal = request.space(space), Goal(request, (1.0, guidance.loss_limit(space)))
    ledger, rng = Ledger(tiled, evaluate, request.evaluations), np.random.default_rng(request.seed)
    tried: list[tuple[Floats, Population]] = []
    swept, idle = _multiples(guidance, request), 0
    while ledger.left >= request.points and idle < _IDLE:
        sweeping = ledger.left > (1 - _SWEPT) * request.evaluations
        scales = next(swept, None) if sweeping else None
        if scales is None:
            best, _ = _best(tried, ledger, goal)
            if best is None:
                break
            scales = np.sort(best * np.exp(_STEP * rng.standard_normal(request.points)))
        points = published_points(space, guidance, scales=scales.tolist(), instances=request.instances, seed=request.seed)
        idle = 0 if len(ledger.new(points)) else idle + 1
        if np.isfinite(ledger(points)).all():
            tried.append((scales, points))
    return chosen_points(tiled, ledger, goal, _best(tried, ledger, goal)[1])


def _best(tried: Sequence[tuple[Floats, Population]], ledger: Ledger, goal: Goal) -> tuple[Floats | None, Population | None]:
    """Return the scales `(O,)` whose points serve the goal best, and those points `(O, L)`; None before any was tried."""
    simulated = ledger.simulated
    place = {row.tobytes(): i for i, row in enumerate(simulated.population)}
    best: tuple[tuple[float, ...], Floats, Population] | None = None
    for scales, points in tried:
        at = np.array([place[row.tobytes()] for row in points])
        quality, chosen = goal.pick(simulated.rel_energy[at], simulated.expected_pp[at])
        if best is None or quality < best[0]:
            best = quality, scales, points[chosen]
    return (None, None) if best is None else best[1:]


def _multiples(guidance: Guidance, request: PointsRequest) -> Iterator[Floats]:
    """Yield the published scales for so many points, then multiples of them, over all at which something changes."""
    published = np.exp(np.interp(np.linspace(0, 1, request.points), np.linspace(0, 1, len(SCALES)), np.log(SCALES)))
    yield published
    assert guidance.tolerance is not None
    changing = guidance.tolerance[guidance.tolerance > 0]
    if len(changing):
        low, high = np.log(changing.min() / 2), np.log(changing.max())
        count = max(2, round(_SWEPT * request.evaluations / request.points))
        for position in np.linspace(0, 1, count):
            yield published * np.exp(low + position * (high - low)) / published[-1]
