"""Gate counts against the textbook array, and the estimates against published figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dse.multipliers import (
    Multiplier,
    broken_array,
    builtin,
    column_truncated,
    drum,
    exact,
    load_library,
    mitchell_truncated,
    reduced,
)
from dse.multipliers._gates import array_gates, cells, parallel, series
from dse.multipliers._steering import shifter
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 12])
def test_textbook_array(bits: int) -> None:
    count = array_gates(np.ones((bits, bits), dtype=bool), signed=False).cells
    assert (count["and"], count["half_adder"], count["full_adder"]) == (bits**2, bits, bits * (bits - 2))


def test_signed_array_adds_two_constants() -> None:
    unsigned, signed = (array_gates(np.ones((8, 8), dtype=bool), s).cells for s in (False, True))
    assert signed["and"] == 64
    # The one in column 8 turns a half adder into a full adder, the one in column 15 an output wire into a half adder.
    assert signed["full_adder"] - unsigned["full_adder"] == 1
    assert signed["half_adder"] == unsigned["half_adder"]


def test_reduced_array_is_the_smaller_array() -> None:
    kept = np.zeros((8, 8), dtype=bool)
    kept[3:, 3:] = True
    small = array_gates(np.ones((5, 5), dtype=bool), signed=False)
    assert array_gates(kept, signed=False) == small
    assert reduced(5).power_mw == pytest.approx(exact(5).power_mw)


def test_empty_array_costs_nothing() -> None:
    empty = array_gates(np.zeros((4, 4), dtype=bool), signed=True)
    assert (empty.area, empty.energy, empty.depth) == (0, 0, 0)


def test_joining_blocks() -> None:
    one, two = cells("xor", 1), cells("and", 2, levels=2)
    assert series(one, two).depth == pytest.approx(2.2) and parallel(one, two).depth == pytest.approx(1.2)
    assert series(one, two).cells == parallel(one, two).cells == {"xor": 1, "and": 2}
    assert cells("or", 0).cells == {} and cells("or", -1).depth == 0


def test_shifter() -> None:
    # 4 bits by 0..3: stage of 1: 3 overlap, 2 do not; stage of 2 on 5 bits: 3 overlap, 4 do not.
    assert shifter(4, 3, 16).cells == {"mux": 6, "and": 6}
    assert shifter(4, 0, 16).cells == {}


@pytest.mark.parametrize(("signed", "figures"), [(False, (0.391, 709.6, 1.43)), (True, (0.425, 729.8, 1.48))])
def test_exact_has_the_published_figures(signed: bool, figures: tuple[float, float, float]) -> None:
    m = exact(signed=signed)
    assert (m.power_mw, m.area_um2, m.delay_ns) == pytest.approx(figures)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("make", "levels"),
    [
        (reduced, range(8, 0, -1)),
        (column_truncated, range(15)),
        (lambda h, signed: broken_array(h, 5, signed=signed), range(8)),
        (lambda v, signed: broken_array(2, v, signed=signed), range(3, 15)),
        (drum, range(6, 2, -1)),
        (mitchell_truncated, range(7, 0, -1)),
    ],
)
def test_falls_with_every_bit_dropped(make: Callable[..., Multiplier], levels: range, signed: bool) -> None:
    made = [make(level, signed=signed) for level in levels]
    for key in ("power_mw", "area_um2"):
        values = np.array([getattr(m, key) for m in made])
        assert (np.diff(values) < 0).all(), (key, values)
    # Wires may leave the longest path as it is.
    assert (np.diff([m.delay_ns or 0.0 for m in made]) < 1e-9).all()


@needs_evoapprox
def test_estimates_of_published_circuits() -> None:
    theirs, ours = load_library(FOLDER, signed=True), builtin(signed=True)
    pairs = [
        (estimated, published)
        for a, estimated in zip(ours, ours.rel_energy, strict=True)
        for b, published in zip(theirs, theirs.rel_energy, strict=True)
        if np.array_equal(a.table, b.table) or np.array_equal(a.table.T, b.table)
    ]
    assert len(pairs) == 9
    assert max(abs(estimated - published) for estimated, published in pairs) < 0.07


@needs_evoapprox
def test_truncation_is_of_the_size_of_published_circuits() -> None:
    # No published unsigned circuit is a truncated array; those of at most the same error need a similar power.
    library = load_library(FOLDER / "mul8u.npz")
    for columns in range(3, 9):
        ours = column_truncated(columns)
        best = min(m.power_mw or 0.0 for m in library if m.errors.mae <= ours.errors.mae)
        assert 0.5 < best / (ours.power_mw or 0.0) < 1.2
