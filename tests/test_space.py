"""The search space: uniform designs, and the repair of designs that use too many multipliers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.space import SearchSpace
from dse.types import Population
from tests.small import space


def test_uniform_designs() -> None:
    designs = space(3, 2).uniform()
    assert designs.dtype == np.int64 and designs.tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("layers", "multipliers", "tiles", "limit"),
    [(3, 5, None, 3), (5, 3, None, 3), (3, 5, 2, 2), (3, 5, 9, 3), (5, 3, 9, 3), (4, 4, 1, 1)],
)
def test_tile_limit(layers: int, multipliers: int, tiles: int | None, limit: int) -> None:
    assert space(layers, multipliers, tiles).tile_limit == limit


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, None])
def test_repair_keeps_the_limit_and_adds_no_multiplier(tiles: int | None) -> None:
    made = replace(space(6, 5, tiles), rel_energy=np.array([1.0, 0.3, 0.7, 0.3, 0.1]))
    designs = np.random.default_rng(0).integers(0, 5, (200, 6))
    before = designs.copy()
    repaired = made.repair(designs)
    assert np.array_equal(designs, before)
    assert repaired.dtype == np.int64 and repaired.shape == designs.shape
    for old, new in zip(designs, repaired, strict=True):
        assert len(set(new)) <= made.tile_limit and set(new) <= set(old)
        if len(set(old)) <= made.tile_limit:
            assert np.array_equal(old, new)
    assert np.array_equal(made.repair(repaired), repaired)


@pytest.mark.parametrize(
    ("design", "repaired"),
    [
        # tile limit 2, op counts 10, 20, 30, 40, energies 1.0, 0.7, 0.4, 0.1
        ([1, 0, 2, 2], [0, 0, 2, 2]),  # 1 serves the least: to the next stronger, 0
        ([0, 1, 2, 2], [1, 1, 2, 2]),  # nothing is stronger than 0: to the next cheaper
        ([2, 1, 3, 0], [0, 0, 3, 0]),  # 2 goes to 1, which is then the smallest and goes to 0
        ([3, 3, 1, 0], [3, 3, 0, 0]),  # 3 and 1 serve 30 each: the first of them in the library, 1, goes to 0
    ],
)
def test_repair_by_hand(design: list[int], repaired: list[int]) -> None:
    assert space(4, 4, tiles=2).repair(np.array([design])).tolist() == [repaired]


def test_repair_of_no_designs() -> None:
    assert space(3, 4, 1).repair(np.zeros((0, 3), dtype=np.int64)).shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ()}, "at least one layer"),
        ({"multipliers": ()}, "at least one layer and one multiplier"),
        ({"tiles": 0}, "space.tiles: expected at least 1, got 0"),
    ],
)
def test_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(space(2, 2), **change)


def forbidding(layers: int, multipliers: int, tiles: int | None, seed: int) -> SearchSpace:
    rng = np.random.default_rng(seed)
    allowed = rng.random((layers, multipliers)) < 0.6
    allowed[:, 0] = True
    made = replace(space(layers, multipliers, tiles), rel_energy=rng.random(multipliers).round(1), allowed=allowed)
    return replace(made, rel_energy=np.where(np.arange(multipliers) == 0, 1.0, made.rel_energy))


def every_design(made: SearchSpace) -> Population:
    """Return all designs that are allowed and hold to the tiles, the slow way."""
    rows = [np.flatnonzero(row) for row in made.choices]
    return np.array([d for d in product(*rows) if len(set(d)) <= made.tile_limit])


CASES = [(4, 5, tiles, seed) for tiles in (None, 1, 2, 3) for seed in range(4)] + [(3, 2, 2, 0), (1, 4, None, 0)]


@pytest.mark.parametrize("case", CASES)
def test_size_is_the_number_of_designs(case: tuple[int, int, int | None, int]) -> None:
    made = forbidding(*case)
    assert made.size() == len(every_design(made)) and isinstance(made.size(), int)
    assert replace(made, allowed=None).size() == len(every_design(replace(made, allowed=None)))


def test_size_of_what_no_machine_could_enumerate() -> None:
    assert space(50, 36).size() == 36**50
    # any two of 36 in 50 layers, both used, or one alone
    assert space(50, 36, 2).size() == 36 * 35 // 2 * (2**50 - 2) + 36


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("share", [None, 0.0, 0.3, 0.9])
def test_repair_gives_what_the_space_permits_and_leaves_the_rest(
    case: tuple[int, int, int | None, int], share: float | None
) -> None:
    made = forbidding(*case)
    every = every_design(made)
    energies = made.energy(every)
    assert made.energy(made.cheapest()[None])[0] == pytest.approx(energies.min())
    if share is not None:
        made = replace(made, max_rel_energy=float(energies.min() + share * np.ptp(energies)) + 1e-12)
    good = set(map(tuple, every[energies <= (made.max_rel_energy or np.inf)].tolist()))
    designs = np.random.default_rng(7).integers(0, case[1], (300, case[0]))
    repaired = made.repair(designs)
    for old, new in zip(map(tuple, designs.tolist()), map(tuple, repaired.tolist()), strict=True):
        assert new in good
        assert new == old or old not in good
    assert made.permits(repaired).all()
    assert made.permits(designs).tolist() == [tuple(d) in good for d in designs.tolist()]


def test_forbidden_multipliers_by_hand() -> None:
    # energies 1.0, 0.7, 0.4, 0.1; layer 0 exact, layer 1 may get 0 or 2, the others all
    allowed = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=bool)
    made = replace(space(4, 4), allowed=allowed)
    assert made.repair(np.array([[3, 1, 1, 1], [0, 3, 3, 3]])).tolist() == [[0, 0, 1, 1], [0, 2, 3, 3]]
    assert made.uniform().tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 2, 2, 2], [0, 2, 3, 3]]
    assert made.violations(np.array([[0, 1, 3, 3]])).tolist() == [[True, False, False]]
    # two tiles: layers 0 and 1 share 0, since they allow nothing else in common
    assert replace(made, tiles=2).repair(np.array([[0, 2, 3, 3]])).tolist() == [[0, 0, 3, 3]]


def test_no_multiplier_can_be_given_up_without_the_exact_one() -> None:
    allowed = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], dtype=bool)
    made = replace(space(3, 4, tiles=2), allowed=allowed)
    repaired = made.repair(np.array([[1, 2, 3]]))  # 1 serves the least: exact, then so is 2
    assert repaired.tolist() == [[0, 0, 3]]


def test_layers_that_save_most_become_cheap_first() -> None:
    made = replace(space(4, 4), max_rel_energy=0.7)  # op counts 10, 20, 30, 40
    assert made.repair(np.array([[0, 0, 0, 0], [3, 3, 3, 3]])).tolist() == [[0, 0, 0, 3], [3, 3, 3, 3]]


def test_bounds_leave_uniform_designs_alone() -> None:
    assert replace(space(3, 3), max_rel_energy=0.2).uniform().tolist() == space(3, 3).uniform().tolist()



def varied(layers: int, tiles: int | None, seed: int, *, forbid: bool = True) -> SearchSpace:
    """Return a space of an exact circuit and three others in 1, 3 and 2 variants, listed in no good order."""
    circuits = np.array([0, 1, 2, 1, 3, 3, 1])
    energy = np.array([1.0, 0.6, 0.6, 0.2])[circuits]
    made = forbidding(layers, len(circuits), tiles, seed)
    return replace(made, rel_energy=energy, circuits=circuits, allowed=made.allowed if forbid else None)


def within(made: SearchSpace) -> Population:
    """Return all designs that are allowed and hold to the tiles, of which variants of one circuit need one."""
    rows = [np.flatnonzero(row) for row in made.choices]
    assert made.circuits is not None
    return np.array([d for d in product(*rows) if len({int(made.circuits[m]) for m in d}) <= made.tile_limit])


@pytest.mark.parametrize("forbid", [True, False])
@pytest.mark.parametrize("case", [(4, tiles, seed) for tiles in (None, 1, 2, 3) for seed in range(3)] + [(2, 1, 0)])
def test_variants_of_a_circuit_need_one_tile(case: tuple[int, int | None, int], forbid: bool) -> None:
    made = varied(*case, forbid=forbid)
    every = within(made)
    assert made.tile_limit == min(case[1] or 4, case[0], 4) and made.n_circuits == 4
    assert made.size() == len(every)
    energies = made.energy(every)
    assert made.energy(made.cheapest()[None])[0] == pytest.approx(energies.min())
    for share in (None, 0.0, 0.3):
        bound = None if share is None else float(energies.min() + share * np.ptp(energies)) + 1e-12
        bounded = replace(made, max_rel_energy=bound)
        good = set(map(tuple, every[energies <= (bound or np.inf)].tolist()))
        designs = np.random.default_rng(7).integers(0, 7, (200, case[0]))
        repaired = bounded.repair(designs)
        for old, new in zip(map(tuple, designs.tolist()), map(tuple, repaired.tolist()), strict=True):
            assert new in good
            assert new == old or old not in good
        assert bounded.permits(designs).tolist() == [tuple(d) in good for d in designs.tolist()]


def test_repair_moves_to_a_variant_that_the_design_holds() -> None:
    made = replace(
        space(4, 5, tiles=2),
        rel_energy=np.array([1.0, 0.5, 0.5, 0.5, 0.1]),
        circuits=np.array([0, 1, 1, 1, 2]),
    )
    # 4 serves the least; the next stronger is circuit 1, of which the design holds variants 2 and 3
    assert made.repair(np.array([[4, 0, 3, 2]])).tolist() == [[2, 0, 3, 2]]
    assert made.repair(np.array([[1, 2, 3, 4]])).tolist() == [[1, 2, 3, 4]]


def test_best_variants_are_the_least_costly_that_are_allowed() -> None:
    made = replace(
        space(2, 4),
        rel_energy=np.array([1.0, 0.5, 0.5, 0.5]),
        circuits=np.array([0, 1, 2, 1]),
        allowed=np.array([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=bool),
    )
    cost = np.array([[0.0, 3.0, 1.0, 2.0], [0.0, 3.0, 1.0, 2.0]])
    assert made.best_variants(cost).tolist() == [[0, 3, 2], [0, 1, 2]]
    assert space(2, 4).best_variants(cost).tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"allowed": np.ones((2, 3), dtype=bool)}, r"space.allowed: expected \(2, 2\) bool, got \(2, 3\) bool"),
        ({"allowed": np.ones((2, 2), dtype=int)}, "got .* int64"),
        ({"allowed": np.array([[True, True], [False, True]])}, "expected every layer to allow 'm0' .*, 'l1' does not"),
        ({"max_rel_energy": 0.0}, "max_rel_energy: expected a finite number above 0, got 0.0"),
        ({"max_rel_energy": np.nan}, "finite number above 0, got nan"),
        ({"max_rel_energy": 0.05}, "space.max_rel_energy: expected at least 0.1, the energy of the cheapest"),
        ({"circuits": np.array([0])}, r"space.circuits: expected \(2,\) int64, one for each multiplier, got \(1,\)"),
        ({"circuits": np.array([0.0, 1.0])}, "got .* float64"),
        ({"circuits": np.array([1, 0])}, "expected numbers from 0 in the order of their first"),
        ({"circuits": np.array([0, 2])}, "expected numbers from 0"),
        ({"circuits": np.array([0, 0])}, "'m1' and 'm0' are one circuit; expected one energy, got two"),
        ({"max_loss_pp": np.inf}, "space.max_loss_pp: expected a finite number, got inf"),
    ],
)
def test_constraints_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(space(2, 2), **change)
