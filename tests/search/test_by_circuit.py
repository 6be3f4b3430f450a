"""Variants of circuits as a search sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import ByCircuit, Checked, Guidance, make_search, register_method
from dse.search._registry import METHODS
from dse.space import SearchSpace
from dse.types import Floats, Population
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


def test_uniform_designs_have_the_best_variant_wherever_a_layer_or_the_tiles_move_them() -> None:
    """Circuits e, x (two variants) and y (two); one tile, and layer b allows neither variant of y: it moves all to x."""
    made = SearchSpace(
        ("a", "b", "c"),
        ("e", "x", "x.swap", "y", "y.swap"),
        np.ones(3, dtype=np.int64),
        np.array([1.0, 0.5, 0.5, 0.1, 0.1]),
        circuits=np.array([0, 1, 1, 2, 2]),
        allowed=np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 1, 1]], dtype=bool),
    )
    cost = np.array([[0, 3, 2, 9, 8], [0, 3, 2, 9, 8], [0, 3, 2, 7, 8]], dtype=np.float64)
    for tiles, least in ((None, [4, 2, 3]), (1, [2, 2, 1])):
        view = ByCircuit.of(replace(made, tiles=tiles), Guidance(made.uniform(), cost, max_loss=1.0))
        assert view.uniform().tolist() == [[0, 0, 0], [2, 2, 1], least]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (np.full((2, 4), -1), "expected multipliers 0 to 2, got -1 to -1"),
        (np.full((2, 4), 3), "expected multipliers 0 to 2, got 3 to 3"),
        (np.zeros((2, 1), dtype=np.int64), r"expected designs \(P, 4\) int64, got \(2, 1\) int64"),
        (np.zeros((2, 4), dtype=np.int32), r"expected designs \(P, 4\) int64, got \(2, 4\) int32"),
    ],
)
def test_what_a_method_asks_is_checked_as_a_design_of_circuits(
    asked: Population, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, cost = varied()
    search = type("Odd", (), {"ask": lambda self: asked, "tell": lambda self, population, objectives: None})
    monkeypatch.setattr("dse.search._registry.METHODS", dict(METHODS))
    register_method("odd", "asks for the wrong things")(lambda space, guidance, *, population, seed: search())
    built = make_search("odd", made, Guidance(made.uniform(), cost, max_loss=1.0), population=2, seed=0)
    with pytest.raises(InputError, match=f"'odd': {message}"):
        Checked("odd", built, made).ask()


def test_guidance_of_another_space_is_refused() -> None:
    made, cost = varied()
    with pytest.raises(InputError, match=r"guidance: tolerance: expected \(4, 6\) for layers and multipliers, got \(4, 5\)"):
        ByCircuit.of(made, Guidance(made.uniform(), cost, max_loss=1.0, tolerance=cost[:, 1:]))


def test_without_variants_a_search_is_itself() -> None:
    made = space(4, 3)
    cost = np.random.default_rng(0).random((4, 3))
    view = ByCircuit.of(made, Guidance(made.uniform(), cost, max_loss=1.0))
    assert view.space.multipliers == made.multipliers and np.array_equal(view.guidance.cost, cost)
    assert view.best.tolist() == [[0, 1, 2]] * 4
    search = make_search("random", made, view.guidance, population=3, seed=0)
    assert type(search).__name__ == "RandomSearch"
