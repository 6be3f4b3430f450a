"""Variants of circuits as a search sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.search import ByCircuit, Guidance, make_search
from dse.space import SearchSpace
from dse.types import Floats
from tests.small import space

CIRCUITS = np.array([0, 1, 1, 1, 2, 2])


def varied() -> tuple[SearchSpace, Floats]:
    """Return three circuits in six variants for four layers, not all allowed, and what they cost."""
    rng = np.random.default_rng(0)
    allowed = np.ones((4, 6), dtype=bool)
    allowed[0, 1:4] = False  # circuit 1
    allowed[1, 5] = False
    energy = np.array([1.0, 0.5, 0.2])[CIRCUITS]
    made = replace(space(4, 6, tiles=2), rel_energy=energy, circuits=CIRCUITS, allowed=allowed)
    return made, np.column_stack([np.zeros(4), rng.random((4, 5))])


def test_each_layer_has_its_own_best_variant_among_those_it_allows() -> None:
    made, cost = varied()
    view = ByCircuit.of(made, Guidance(made.uniform(), cost, max_loss=1.0, tolerance=2 * cost))
    assert view.space.multipliers == tuple(made.multipliers[m] for m in (0, 1, 4)) and view.space.circuits is None
    assert view.space.tile_limit == made.tile_limit == 2
    assert view.space.rel_energy.tolist() == [1.0, 0.5, 0.2]
    assert view.guidance.tolerance is not None
    for layer in range(4):
        for circuit in range(3):
            variants = [m for m in range(6) if CIRCUITS[m] == circuit and made.choices[layer, m]]
            assert view.space.choices[layer, circuit] == bool(variants)
            if variants:
                best = min(variants, key=lambda m: cost[layer, m])
                assert view.best[layer, circuit] == best
                assert view.guidance.cost[layer, circuit] == cost[layer, best]
                assert view.guidance.tolerance[layer, circuit] == 2 * cost[layer, best]


def test_designs_of_circuits_cost_and_spend_what_those_of_variants_do() -> None:
    made, cost = varied()
    guidance = Guidance(made.repair(made.uniform()), cost, max_loss=1.0)
    view = ByCircuit.of(made, guidance)
    designs = view.space.repair(np.random.default_rng(1).integers(0, 3, (50, 4)))
    decoded = view.designs(designs)
    assert made.permits(decoded).all() and np.array_equal(view.circuit_of[decoded], designs)
    assert np.array_equal(view.space.energy(designs), made.energy(decoded))
    assert np.array_equal(view.guidance.proxy(designs), guidance.proxy(decoded))
    assert np.array_equal(view.guidance.seeds, CIRCUITS[guidance.seeds])
    assert view.designs(designs[:0]).shape == (0, 4)


def test_without_variants_a_search_is_itself() -> None:
    made = space(4, 3)
    cost = np.random.default_rng(0).random((4, 3))
    view = ByCircuit.of(made, Guidance(made.uniform(), cost, max_loss=1.0))
    assert view.space.multipliers == made.multipliers and np.array_equal(view.guidance.cost, cost)
    assert view.best.tolist() == [[0, 1, 2]] * 4
    search = make_search("random", made, view.guidance, population=3, seed=0)
    assert type(search).__name__ == "RandomSearch"
