"""Ours: the instances and the assignments of all operating points chosen together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dse.operating_points._choice_by_circuit import by_circuit
from dse.operating_points._choice_ledger import Evaluate, Ledger
from dse.operating_points._choice_measured import best_simulated
from dse.operating_points._choice_pick import Goal
from dse.operating_points._choice_points import OperatingPoints, chosen_points
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._published import published_points
from dse.operating_points._subsets import SetFronts, every_set, neighbours
from dse.search import Guidance, LossModel, additive_search, one_thread
from dse.space import SearchSpace
from dse.types import FAILED, Floats, Population

_OPENING = 0.2  # share of the evaluations for the proxy's own front, from which the first model of the loss is learned
_BATCH = 8  # designs simulated between two fits of the model,
_CHANGED = 2  # of which so many are the incumbent points with one layer changed: they show where the proxy is wrong

Circuits = tuple[int, ...]
Quality = tuple[float, ...]


@by_circuit
def choose_points(space: SearchSpace, guidance: Guidance, request: PointsRequest, evaluate: Evaluate) -> OperatingPoints:
    """Choose at most n circuits and the assignments of all O points, as one search.

    The outer search is over sets of n circuits: exchanges of one circuit for another, from the published method's set and
    from the best one simulated, or all sets where there are few. The inner problem is closed: the front of energy and
    additive proxy within a set (`SetFronts`), of which the O points that serve the goal best are picked exactly (`Goal`). A
    model of the loss (`dse.search.LossModel`), fitted to what has been simulated, turns the proxy into percentage points and
    corrects it. The points of the most promising sets are simulated, and so on until the evaluations are spent. What is
    returned is the best choice among the simulated designs: no figure of it is predicted. Designs are judged by the loss
    that their divergence lets expect (`Simulated.of`).

    Args:
        space: The search space; the request's instances take the place of its tile limit.
        guidance: The proxy, `tolerance`, and the loss beyond which a design is of no interest.
        request: What is asked for.
        evaluate: Figures of designs on the search images, `(P, L)` -> `(P, 2)`: accuracy loss in pp and divergence from the
            exact network, NaN for those that failed. Designs beyond the space's bound of the energy are not asked for.

    Raises:
        InputError: See `PointsRequest.space` and `published_points`; no design could be evaluated; or a point misses its
            budget.
    """
    tiled, goal = request.space(space), Goal(request, (1.0, guidance.loss_limit(space)))
    ledger = Ledger(tiled, evaluate, request.evaluations)
    published = published_points(space, guidance, instances=request.instances, seed=request.seed)
    _open(tiled, guidance, ledger, published)
    outer = _SetSearch(tiled, guidance, goal, ledger, published)
    while ledger.left > 0 and len(batch := outer.propose()):
        ledger(batch)
    simulated = ledger.simulated
    best = None
    if len(simulated.population):
        best = simulated.population[best_simulated(simulated, goal)[1]]
    return chosen_points(tiled, ledger, goal, best)


def _open(space: SearchSpace, guidance: Guidance, ledger: Ledger, published: Population) -> None:
    """Simulate the exact design where it is permitted, the published points, and the front of energy and proxy, evenly."""
    opening = np.vstack([np.zeros_like(published[:1]), published])
    ledger(opening[space.permits(opening)])
    chain = additive_search(space, guidance, population=_BATCH, seed=0)
    share = round((1 - _OPENING) * ledger.evaluations)
    while ledger.left > share and len(asked := chain.ask()):
        losses = ledger(asked)[:, 0]
        objectives = np.column_stack([space.energy(asked), np.nan_to_num(losses, nan=FAILED)])
        chain.tell(asked, objectives)


@dataclass
class _Seen:
    """A set of circuits as the model sees it."""

    quality: Quality
    points: Population  # (O, L)


class _SetSearch:
    """The outer search: which designs to simulate next. It starts from the circuits of the published points."""

    def __init__(self, space: SearchSpace, guidance: Guidance, goal: Goal, ledger: Ledger, published: Population) -> None:
        self._space, self._guidance, self._goal, self._ledger = space, guidance, goal, ledger
        self._rng = np.random.default_rng(goal.request.seed)
        self._size = goal.request.instances
        self._fronts = SetFronts(space, guidance)
        self._start: Circuits = tuple(np.unique(published).tolist())

    def propose(self) -> Population:
        """Return designs that have not been simulated `(P, L)`; no rows when the sets in reach have no more."""
        simulated = self._simulated = self._ledger.simulated
        if len(simulated.population) == 0:  # all failed
            return simulated.population
        with one_thread():
            self._expected = {r.tobytes(): x for r, x in zip(simulated.population, simulated.expected_pp, strict=True)}
            self._model = LossModel(self._guidance, simulated.population, simulated.expected_pp[:, None])
            _, places, circuits = best_simulated(simulated, self._goal)
            incumbent = simulated.population[places]
            seen = self._searched([self._start, tuple(circuits.tolist())])
        ranked = sorted(seen.values(), key=lambda found: found.quality)
        promising = self._ledger.new(np.vstack([incumbent, *(found.points for found in ranked)]))
        count = min(_BATCH, self._ledger.left)
        changed = self._changed(incumbent)[: min(_CHANGED, count)]
        first = promising[: count - len(changed)]
        return np.vstack([first, changed])

    def _searched(self, starts: Iterable[Circuits]) -> dict[Circuits, _Seen]:
        """Return the sets met by exchanging circuits from some sets for as long as that promises more."""
        if (every := every_set(self._space.n_circuits, self._size)) is not None:
            return self._looked_at(every)
        seen: dict[Circuits, _Seen] = {}
        for start in starts:
            current = start
            seen |= self._looked_at([current])
            while current in seen:
                around = list(neighbours(current, self._space.n_circuits, self._size))
                seen |= self._looked_at([chosen for chosen in around if chosen not in seen])
                best = min((chosen for chosen in around if chosen in seen), key=lambda c: seen[c].quality, default=current)
                if len(current) == self._size and not (best in seen and seen[best].quality < seen[current].quality):
                    break
                current = best
        return seen

    def _looked_at(self, sets: list[Circuits]) -> dict[Circuits, _Seen]:
        """Return what the model says of sets, without those in which a layer may have none of the circuits."""
        known, designs = self._simulated, {}
        for chosen in sets:
            within = np.vstack([self._fronts(chosen), known.population[known.within(np.array(chosen))]])
            if len(within):
                designs[chosen] = within
        if not designs:
            return {}
        every = np.vstack(list(designs.values()))
        energies, losses = self._space.energy(every), self._losses(every)
        seen, start = {}, 0
        for chosen, within in designs.items():
            part = slice(start, start + len(within))
            start = part.stop
            quality, places = self._goal.pick(energies[part], losses[part])
            seen[chosen] = _Seen(quality, within[places])
        return seen

    def _losses(self, designs: Population) -> Floats:
        """Return the expected losses of designs `(P, L)` -> `(P,)` pp: of simulated ones, else what the model predicts."""
        known = np.array([self._expected.get(row.tobytes(), np.nan) for row in designs])
        return np.where(np.isfinite(known), known, self._model.predict(designs)[:, 0])

    def _changed(self, incumbent: Population) -> Population:
        """Return the incumbent points with one layer changed to a circuit that they hold, in random order: `(P, L)`."""
        held = np.unique(incumbent)
        layers = len(self._space.layers)
        changes = np.repeat(incumbent[:, None, None], layers, axis=1).repeat(len(held), axis=2)  # (O, L, H, L)
        changes[:, np.arange(layers), :, np.arange(layers)] = held
        changes = changes.reshape(-1, layers)
        changes = changes[self._space.permits(changes)]
        return self._ledger.new(changes[self._rng.permutation(len(changes))])
