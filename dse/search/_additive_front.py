"""The best designs for every energy, where both energy and cost are sums over the layers."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dse.subsets import best_subset
from dse.types import Assignment, Floats, Population

_MOST_SETS = 300  # sets of multipliers optimised one by one
_SLOPES = 24  # prices of energy at which sets are looked for where there are more
_COARSE = 512  # points kept between layers for each such set


def additive_front(
    energy: Floats,
    cost: Floats,
    allowed: NDArray[np.bool_] | None = None,
    *,
    tiles: int | None = None,
    resolution: int = 4096,
) -> Population:
    """Return the designs that no other beats in both summed energy and summed cost, dear to cheap: `(N, L)`.

    One design for each pair of values. The supported ones (those that minimise `energy + price * cost` for some price, the
    vertices of the convex hull) come from the layers' own hulls, since that problem falls apart into layers (Everett,
    Operations Research 11, 1963). The rest come from dynamic programming: the undominated partial sums over the layers so
    far, extended by one layer after another (Nemhauser and Ullmann, Management Science 15, 1969).

    **Exact** while at most `resolution` partial sums are undominated after each layer. Beyond, one of each of `resolution`
    equal steps of energy is kept, that of least cost, so that what is returned between the supported points may be beaten
    by what lies within about L steps. Under a **tile limit** every set of `tiles` multipliers is optimised, so the front is
    as exact as without, where there are at most 300 sets; beyond, only the sets that greedy exchange finds best at each of
    24 prices of energy: a heuristic.

    Args:
        energy: What each multiplier spends in each layer `(L, M)`.
        cost: What it costs there `(L, M)`.
        allowed: Which may be used where `(L, M)`; None: all. With a tile limit column 0 must be allowed in all layers.
        tiles: At most so many distinct multipliers in a design; None: no limit.
        resolution: Partial sums kept, at least 2.
    """
    n_layers, n_multipliers = energy.shape
    allowed = np.ones(energy.shape, dtype=bool) if allowed is None else allowed
    if tiles is None or tiles >= min(n_layers, n_multipliers):
        found = [_front(energy, cost, allowed, resolution)]
    elif math.comb(n_multipliers, tiles) <= _MOST_SETS:
        sets = [np.array(chosen) for chosen in combinations(range(n_multipliers), tiles)]
        found = [_front(energy, cost, _only(allowed, chosen), resolution) for chosen in sets]
    else:
        sets = _promising_sets(energy, cost, allowed, tiles)
        found = [_front(energy, cost, _only(allowed, chosen), min(resolution, _COARSE)) for chosen in sets]
    return _undominated_designs(np.vstack(found), energy, cost)


def _only(allowed: NDArray[np.bool_], chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return what stays allowed when only the chosen columns may be used."""
    kept = np.zeros_like(allowed)
    kept[:, chosen] = allowed[:, chosen]
    return kept


def _promising_sets(energy: Floats, cost: Floats, allowed: NDArray[np.bool_], tiles: int) -> list[NDArray[np.int64]]:
    """Return the sets of multipliers that are found best for prices of cost from all energy to all cost."""
    layer, column = np.nonzero(allowed & (cost > cost.min(axis=1, keepdims=True)))
    saved = (energy.max(axis=1)[layer] - energy[layer, column]) / (cost[layer, column] - cost.min(axis=1)[layer])
    prices = np.quantile(saved[saved > 0], np.linspace(0, 1, _SLOPES)) if (saved > 0).any() else np.array([1.0])
    sets = [best_subset(np.where(allowed, energy + price * cost, np.inf), tiles) for price in prices]
    return list({chosen.tobytes(): chosen for chosen in sets}.values())


def _front(energy: Floats, cost: Floats, allowed: NDArray[np.bool_], resolution: int) -> Population:
    """Return undominated designs `(N, L)` without a tile limit; no rows where some layer has no choice."""
    options = [_layer_front(energy[l], cost[l], np.flatnonzero(row)) for l, row in enumerate(allowed)]
    if any(len(choice) == 0 for choice in options):
        return np.zeros((0, len(energy)), dtype=np.int64)
    merged, exact = _merged(energy, cost, options, resolution)
    return merged if exact else np.vstack([merged, _supported(energy, cost, options)])


def _layer_front(energy: Floats, cost: Floats, columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the undominated columns of one layer, dear to cheap."""
    return columns[_undominated(energy[columns], cost[columns])]


def _undominated(energy: Floats, cost: Floats) -> NDArray[np.int64]:
    """Return the undominated among points `(N,)`, the first of equal ones, dear to cheap."""
    order = np.lexsort((cost, energy))  # cheap to dear: what costs less than all before it stays
    best = np.minimum.accumulate(np.concatenate([[np.inf], cost[order]]))[:-1]
    return np.asarray(order[cost[order] < best][::-1])


def _merged(energy: Floats, cost: Floats, options: list[NDArray[np.int64]], resolution: int) -> tuple[Population, bool]:
    """Return the designs of dynamic programming over the layers `(N, L)`, and whether nothing was left out."""
    sums, costs, exact = np.zeros(1), np.zeros(1), True
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for l, choice in enumerate(options):
        new_sums = np.add.outer(sums, energy[l, choice]).ravel()
        new_costs = np.add.outer(costs, cost[l, choice]).ravel()
        kept = _undominated(new_sums, new_costs)
        if len(kept) > resolution:
            kept, exact = _thinned(kept, new_sums, new_costs, resolution), False
        sums, costs = new_sums[kept], new_costs[kept]
        steps.append((kept // len(choice), choice[kept % len(choice)]))
    designs = np.empty((len(sums), len(options)), dtype=np.int64)
    rows = np.arange(len(sums))
    for l in reversed(range(len(options))):
        parents, multipliers = steps[l]
        designs[:, l] = multipliers[rows]
        rows = parents[rows]
    return designs, exact


def _thinned(kept: NDArray[np.int64], energy: Floats, cost: Floats, resolution: int) -> NDArray[np.int64]:
    """Keep of each equal step of energy the point of least cost, which is the dearest of an undominated step."""
    spent = energy[kept]  # falling, while the cost rises
    step = np.minimum((spent[0] - spent) / (spent[0] - spent[-1]) * resolution, resolution - 1).astype(np.int64)
    first = np.unique(step, return_index=True)[1]
    return kept[np.append(first, len(kept) - 1)] if first[-1] != len(kept) - 1 else kept[first]


def _supported(energy: Floats, cost: Floats, options: list[NDArray[np.int64]]) -> Population:
    """Return the vertices of the convex hull of all designs `(N, L)`: steps down the layers' hulls, steepest first."""
    hulls = [_hull(energy[l], cost[l], choice) for l, choice in enumerate(options)]
    slopes = [np.diff(cost[l, hull]) / -np.diff(energy[l, hull]) for l, hull in enumerate(hulls)]
    layers = np.repeat(np.arange(len(hulls)), [len(slope) for slope in slopes])
    targets = np.concatenate([hull[1:] for hull in hulls])
    design: Assignment = np.array([hull[0] for hull in hulls], dtype=np.int64)
    designs = [design]
    for step in np.argsort(np.concatenate(slopes), kind="stable"):
        design = design.copy()
        design[layers[step]] = targets[step]
        designs.append(design)
    return np.array(designs)


def _hull(energy: Floats, cost: Floats, front: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the lower convex hull of an undominated front of columns, dear to cheap."""
    hull: list[int] = []
    for m in front:
        while len(hull) > 1 and _bends_up(energy, cost, hull[-2], hull[-1], m):
            hull.pop()
        hull.append(m)
    return np.array(hull, dtype=np.int64)


def _bends_up(energy: Floats, cost: Floats, a: int, b: int, c: int) -> bool:
    """Return whether b lies on or above the line from a to c, all falling in energy."""
    return bool((cost[b] - cost[a]) * (energy[a] - energy[c]) >= (cost[c] - cost[a]) * (energy[a] - energy[b]))


def _undominated_designs(designs: Population, energy: Floats, cost: Floats) -> Population:
    layers = np.arange(len(energy))
    return designs[_undominated(energy[layers, designs].sum(axis=1), cost[layers, designs].sum(axis=1))]
