"""Operating points chosen among circuits, each in the variant that suits a layer best, as searches do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec

from dse.operating_points._choice_ledger import Evaluate
from dse.operating_points._choice_points import OperatingPoints
from dse.operating_points._choice_request import PointsRequest
from dse.search import ByCircuit, Guidance
from dse.space import SearchSpace

P = ParamSpec("P")  # what a choice takes besides
Choose = Callable[Concatenate[SearchSpace, Guidance, PointsRequest, Evaluate, P], OperatingPoints]


def by_circuit(choose: Choose[P]) -> Choose[P]:
    """Let a choice see circuits only (`dse.search.ByCircuit`); what it chooses and has seen are designs of variants."""

    @wraps(choose)
    def chosen(
        space: SearchSpace,
        guidance: Guidance,
        request: PointsRequest,
        evaluate: Evaluate,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> OperatingPoints:
        if space.circuits is None:
            return choose(space, guidance, request, evaluate, *args, **kwargs)
        view = ByCircuit.of(space, guidance)
        points = choose(view.space, view.guidance, request, lambda ds: evaluate(view.designs(ds)), *args, **kwargs)
        simulated = replace(points.simulated, population=view.designs(points.simulated.population))
        return replace(points, assignments=view.designs(points.assignments), simulated=simulated)

    return chosen
