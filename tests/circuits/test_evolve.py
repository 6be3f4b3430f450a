"""Evolution: equal with and without the compiled loop, within its bound, and the cheapest netlist of a tiny one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from dse.circuits import GATES, Netlist, load_cells, product_table, simplified
from dse.circuits import _measure as measure_module
from dse.circuits._cells import gate_energies
from dse.circuits._evolve import _whole, evolve
from dse.circuits._measure import Genome, Measure, active
from dse.circuits.families import column_truncated
from dse.exceptions import InputError
from tests.circuits.test_evaluate import netlists, ripple_product


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run with the compiled loop, then without."""
    if not request.param:
        monkeypatch.setattr(measure_module, "_library", lambda: None)
    elif measure_module._library() is None:
        pytest.skip("the compiled loop is not built")
    return bool(request.param)


def genome(netlist: Netlist) -> Genome:
    return Genome(netlist.kinds, netlist.inputs, np.array(netlist.outputs, dtype=np.int32))


@settings(deadline=None, max_examples=150)
@given(netlist=netlists())
def test_measures_equal_the_definition(netlist: Netlist) -> None:
    rng = np.random.default_rng(len(netlist))
    exact = rng.integers(-50, 50, (1 << netlist.x_bits, 1 << netlist.w_bits)).astype(np.int32)
    x_weights, w_weights = (rng.integers(0, 9, size).astype(np.int32) for size in exact.shape)
    distance = np.abs(product_table(netlist).astype(np.int64) - exact)
    wanted = int((distance * np.multiply.outer(x_weights, w_weights)).sum())
    needed = active(genome(netlist), netlist.first_gate)
    ones = [
        int(
            product_table(
                Netlist(netlist.x_bits, netlist.w_bits, False, netlist.kinds, netlist.inputs, (signal,))
            ).sum()
        )
        for signal in range(netlist.first_gate, netlist.first_gate + len(netlist))
    ]
    for library in (measure_module._library(), None):
        patch = pytest.MonkeyPatch()
        patch.setattr(measure_module, "_library", lambda library=library: library)
        found = Measure(netlist, exact, x_weights, w_weights, wanted)
        assert found.error(genome(netlist)) == wanted
        assert found.ones(genome(netlist)).tolist() == [
            one if need else 0 for one, need in zip(ones, needed, strict=True)
        ]
        if wanted:
            assert Measure(netlist, exact, x_weights, w_weights, wanted - 1).error(genome(netlist)) is None
        patch.undo()


@settings(deadline=None, max_examples=50)
@given(netlist=netlists())
def test_active_gates_are_those_that_outputs_reach(netlist: Netlist) -> None:
    reached, waiting = set[int](), list(netlist.outputs)
    while waiting:
        signal = waiting.pop()
        if signal >= netlist.first_gate and signal not in reached:
            reached.add(signal)
            waiting += netlist.inputs[signal - netlist.first_gate].tolist()
    found = active(genome(netlist), netlist.first_gate)
    assert (np.flatnonzero(found) + netlist.first_gate).tolist() == sorted(reached)


def test_measures_of_many_blocks(compiled: bool) -> None:
    netlist = ripple_product(10, 9)
    exact = product_table(netlist)
    shifted = Measure(netlist, exact + 1, np.ones(1024, np.int32), np.ones(512, np.int32), 2**40)
    assert shifted.error(genome(netlist)) == 2**19
    first = Netlist(10, 9, False, netlist.kinds, netlist.inputs, (netlist.first_gate,))
    assert shifted.ones(genome(netlist))[0] == int(product_table(first).sum())


@pytest.mark.parametrize(("max_error", "seed"), [(0.0, 0), (2.0, 1), (6.0, 2)])
def test_keeps_the_bound_and_gets_cheaper(compiled: bool, max_error: float, seed: int) -> None:
    start = ripple_product(4, 4)
    found = evolve(start, max_error=max_error, candidates=6000, seed=seed)
    error = np.abs(product_table(found) - product_table(start).astype(int)).mean()
    assert error <= max_error
    assert len(simplified(found)) <= len(simplified(start))
    if max_error:
        assert len(simplified(found)) < 0.9 * len(simplified(start))


def switching(netlist: Netlist) -> float:
    """Return what the settled changes of all gates cost, from the definition."""
    total = 0.0
    for gate, kind in enumerate(netlist.kinds):
        alone = (netlist.first_gate + gate,)
        share = product_table(Netlist(netlist.x_bits, netlist.w_bits, False, netlist.kinds, netlist.inputs, alone)).mean()
        total += gate_energies(load_cells())[kind] * 2 * share * (1 - share)
    return total


def arrays(netlist: Netlist) -> tuple[bytes, bytes, tuple[int, ...]]:
    return netlist.kinds.tobytes(), netlist.inputs.tobytes(), netlist.outputs


def test_is_the_same_compiled_or_not_and_for_each_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    start, options = ripple_product(4, 4), {"max_error": 3.0, "candidates": 400}
    weights = {"x_weights": np.arange(16) ** 2, "w_weights": np.linspace(1, 0, 16)}
    first, other = (evolve(start, seed=seed, **options, **weights) for seed in (3, 4))
    monkeypatch.setattr(measure_module, "_library", lambda: None)
    again = evolve(start, seed=3, **options, **weights)
    assert arrays(first) == arrays(again)
    assert arrays(first) != arrays(other)


def test_errors_count_where_operands_come() -> None:
    """With activations below 4 only, the two upper rows of partial products cost nothing to leave out."""
    start, weights = ripple_product(4, 4), (np.arange(16) < 4).astype(float)
    found = evolve(start, max_error=0.0, candidates=6000, seed=0, x_weights=weights)
    exact = product_table(start)
    assert (product_table(found)[:4] == exact[:4]).all()
    assert (product_table(found)[4:] != exact[4:]).any()
    assert len(simplified(found)) < 0.6 * len(start)


def test_finds_the_cheapest_product_of_one_bit() -> None:
    """`x and w`, hidden in four gates: no circuit without a gate computes it, and `nor` or `xor` kinds cost more."""
    kinds = np.array([GATES.index(kind) for kind in ("not", "not", "or", "not")], dtype=np.uint8)
    start = Netlist(1, 1, False, kinds, np.array([[2, 2], [3, 3], [4, 5], [6, 6]]), (7,))
    found = simplified(evolve(start, max_error=0.0, candidates=3000, seed=0))
    assert [GATES[kind] for kind in found.kinds] == ["and"]


def test_starts_from_an_approximate_netlist() -> None:
    exact = product_table(ripple_product(4, 4))
    start = column_truncated(3, bits=4)
    before = np.abs(product_table(start) - exact).mean()
    found = evolve(start, max_error=before, candidates=2000, seed=0, products=exact)
    assert np.abs(product_table(found) - exact).mean() <= before
    assert switching(simplified(found)) < switching(start)
    with pytest.raises(InputError, match="own error is above max_error"):
        evolve(start, max_error=0.9 * before, candidates=8, seed=0, products=exact)


def test_says_how_far_it_is() -> None:
    seen: list[tuple[int, float]] = []
    evolve(ripple_product(3, 3), max_error=1.0, candidates=800, seed=0, progress=lambda *step: seen.append(step))
    assert len(seen) == 100 and seen[0][1] <= 1.0
    assert all(before[0] < after[0] and before[1] >= after[1] for before, after in zip(seen, seen[1:], strict=False))


def test_weights_become_whole_numbers_that_keep_rare_codes() -> None:
    assert _whole("x_weights", None, 2).tolist() == [2**14] * 4
    assert _whole("x_weights", np.array([1.0, 1e-9, 0.0, 3.0]), 2).tolist() == [2**14, 1, 0, 3 * 2**14]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_error": -1.0}, "max_error must be at least 0"),
        ({"max_error": float("nan")}, "max_error must be at least 0"),
        ({"candidates": 0}, "candidates must be at least 1"),
        ({"mutations": 0}, "mutations must be at least 1"),
        ({"x_weights": np.ones(7)}, "x_weights must be 8 finite numbers"),
        (
            {"products": np.zeros((8, 4), np.int32)},
            r"products must be int32 of the netlist's codes, got int32 \(8, 4\)",
        ),
        ({"products": np.zeros((8, 8))}, "products must be int32"),
        ({"w_weights": np.zeros(8)}, "w_weights must be 8 finite numbers"),
        ({"w_weights": np.array([1, 2, 3, 4, 5, 6, 7, np.nan])}, "w_weights must be 8 finite numbers"),
    ],
)
def test_refuses_what_makes_no_sense(changes: dict[str, object], message: str) -> None:
    options: dict[str, object] = {"max_error": 1.0, "candidates": 8, "seed": 0} | changes
    with pytest.raises(InputError, match=message):
        evolve(ripple_product(3, 3), **options)  # type: ignore[arg-type]
