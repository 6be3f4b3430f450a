"""The published method at the cost of ours: its tolerance scales chosen by simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dse.operating_points._choice_by_circuit import by_circuit
from dse.operating_points._choice_ledger import Evaluate, Ledger
from dse.operating_points._choice_measured import best_simulated
from dse.operating_points._choice_pick import Goal
from dse.operating_points._choice_points import OperatingPoints, chosen_points
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._published import SCALES, published_points
from dse.search import Guidance, evenly, spread_order
from dse.space import SearchSpace
from dse.types import Floats, Population

_STEP = 0.5  # of a scale's logarithm, from the best scales so far to those tried next
_SWEPT = 0.5  # share of the evaluations for multiples of the published scales; the rest goes on from the best
_IDLE = 40  # scales tried in a row without a new design before all is taken to have been tried


@by_circuit
def choose_published(
    space: SearchSpace, guidance: Guidance, request: PointsRequest, evaluate: Evaluate, *, mixed: bool = False
) -> OperatingPoints:
    """Choose operating points as published, with the tolerance scales that simulation finds best.

    The paper fixes its scales. To be compared at equal cost, and to keep budgets, the same factors 0.3, 1 and 2 (spread over
    as many points as are asked for) are taken as they are, then multiplied by others (`_Multiples`), and for the second half
    of the evaluations moved at random from the best that was found. The points are those of one clustering, as published.

    Args:
        space, guidance: See `published_points`.
        request: What is asked for.
        evaluate: Figures of designs on the search images, `(P, L)` -> `(P, 2)`; see `Evaluate`.
        mixed: Take the best points among the designs of all clusterings instead, as our search does among its own: what is
            then left of a lead of ours is that of its designs.

    Raises:
        InputError: See `choose_points`.
    """
    tiled, goal = request.space(space), Goal(request, (1.0, guidance.loss_limit(space)))
    ledger, rng = Ledger(tiled, evaluate, request.evaluations), np.random.default_rng(request.seed)
    tried: list[tuple[Floats, Population]] = []
    sweep, idle = _Multiples(guidance, request), 0
    while ledger.left >= request.points and idle < _IDLE:
        sweeping = ledger.left > (1 - _SWEPT) * request.evaluations
        scales = sweep.ask() if sweeping else None
        asked = scales is not None
        if scales is None:
            best, _ = _best(tried, ledger, goal)
            if best is None:
                break
            scales = np.sort(best * np.exp(_STEP * rng.standard_normal(request.points)))
        points = published_points(space, guidance, scales=scales.tolist(), instances=request.instances, seed=request.seed)
        idle = 0 if len(ledger.new(points)) else idle + 1
        figures = ledger(points)
        if asked:
            sweep.tell(points, figures[:, 0])
        if np.isfinite(figures).all():
            tried.append((scales, points))
    simulated = ledger.simulated
    if mixed and len(simulated.population):
        return chosen_points(tiled, ledger, goal, simulated.population[best_simulated(simulated, goal)[1]])
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


class _Multiples:
    """The published scales for so many points, then multiples of them at which some layer begins to bear some multiplier.

    They are visited so that any budget spreads over all. Once even the most cautious point of a multiple has lost more than
    is of interest, bolder ones wait until all others have been visited; so do more cautious ones, once all points are exact.
    """

    def __init__(self, guidance: Guidance, request: PointsRequest) -> None:
        points = np.linspace(0, 1, request.points)
        self._published = np.exp(np.interp(points, np.linspace(0, 1, len(SCALES)), np.log(SCALES)))
        self._limit = guidance.max_loss
        assert guidance.tolerance is not None
        changing = np.unique(guidance.tolerance[guidance.tolerance > 0])
        places = evenly(len(changing), max(2, round(_SWEPT * request.evaluations / request.points)))
        least = self._published[len(points) // 2]  # the point in the middle begins to bear it
        self._factors = np.append(1.0, changing[places] / least)
        self._waiting: list[int] = [0, *(spread_order(np.arange(len(places), dtype=np.float64)) + 1).tolist()]
        self._low, self._high = 0.0, np.inf  # factors in between are promising
        self._asked = 1.0

    def ask(self) -> Floats | None:
        """Return the next scales `(O,)`, None at the end."""
        if not self._waiting:
            return None
        promising = (i for i in self._waiting if self._low < self._factors[i] < self._high)
        place = next(promising, self._waiting[0])
        self._waiting.remove(place)
        self._asked = float(self._factors[place])
        return self._asked * self._published

    def tell(self, points: Population, loss_pp: Floats) -> None:
        """Take the losses `(O,)` of the points `(O, L)` that the scales asked last gave."""
        if loss_pp.min() > self._limit:
            self._high = min(self._high, self._asked)
        if not points.any():
            self._low = max(self._low, self._asked)
