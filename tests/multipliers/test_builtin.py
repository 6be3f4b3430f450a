"""The libraries that come with the package, held against their circuits."""

from __future__ import annotations

import numpy as np
import pytest

from dse.circuits import figures, product_table
from dse.exceptions import InputError
from dse.multipliers import (
    Entry,
    MultiplierLibrary,
    builtin,
    catalogue,
    catalogue_entries,
    error_metrics,
    generate,
    with_fronts,
)
from dse.multipliers._catalogue import METRICS
from dse.multipliers._circuits import circuits

signs = pytest.mark.parametrize("signed", [False, True])


def brute_force_front(entries: list[Entry], metric: str) -> set[str]:
    """Return the names of the entries of which no other is as good in power and error and better in one."""
    points = [(e.figures.power_mw, getattr(e.errors, metric), e.name) for e in entries]
    front: dict[tuple[float, float], str] = {}
    for power, error, name in points:
        beaten = any(p <= power and e <= error and (p, e) != (power, error) for p, e, _ in points)
        if not beaten:
            front.setdefault((power, error), name)
    return set(front.values())


@signs
def test_library_is_what_nothing_beats(signed: bool) -> None:
    library, entries = builtin(signed=signed), list(catalogue_entries(signed))
    expected = set.union(*(brute_force_front(entries, metric) for metric in METRICS))
    found = {e.name for e in entries if e.fronts}
    assert found == expected
    tables = {generate(name).table_hash for name in expected}
    assert {m.table_hash for m in library} == tables and len(library) == len(tables)
    assert set(library.names) <= expected


@signs
def test_library_is_in_order_and_complete(signed: bool) -> None:
    library = builtin(signed=signed)
    assert library[0].name == f"dadda8{'s' if signed else 'u'}" and library[0].is_exact
    assert (np.diff(library.power_mw) <= 0).all()
    assert sum(m.is_exact for m in library) == 1
    for m in library:
        assert m.netlist is not None and m.area_um2 is not None and m.delay_ns is not None
        assert "estimated" in m.origin and m.name.endswith("s" if signed else "u")
        assert m.x_signed == m.w_signed == signed
    assert builtin(signed=signed) is library


@signs
def test_catalogue_has_the_cheapest_circuit_of_each_table(signed: bool) -> None:
    library, entries = catalogue(signed=signed), {e.name: e for e in catalogue_entries(signed)}
    cheapest: dict[str, float] = {}
    for name, entry in entries.items():
        key = generate(name).table_hash
        cheapest[key] = min(cheapest.get(key, np.inf), entry.figures.power_mw)
    assert {m.table_hash: m.power_mw for m in library} == cheapest
    assert set(builtin(signed=signed).names) <= set(library.names)


def test_there_are_150_distinct_designs() -> None:
    assert len(catalogue()) + len(catalogue(signed=True)) >= 150


@signs
def test_file_is_of_these_circuits(signed: bool) -> None:
    """The errors of every circuit are computed anew, the figures of some."""
    exact = builtin(signed=signed)[0].exact
    known = catalogue_entries(signed)
    assert [(c.name, c.family, c.made, c.source) for c in circuits(signed)] == [
        (e.name, e.family, e.made, e.source) for e in known
    ]
    for place, (circuit, entry) in enumerate(zip(circuits(signed), known, strict=True)):
        netlist = circuit.build()
        assert error_metrics(product_table(netlist), exact) == entry.errors, circuit.name
        if place % 29 == 0 or circuit.family == "evolved":
            now = figures(netlist)
            for key, value in vars(now).items():
                assert value == pytest.approx(getattr(entry.figures, key), rel=1e-9), (circuit.name, key)


def test_of_equal_circuits_the_first_is_on_the_front() -> None:
    first, second = (next(e for e in catalogue_entries(False) if e.name == "exact8u") for _ in range(2))
    assert [bool(e.fronts) for e in with_fronts([first, second])] == [True, False]


def test_any_circuit_by_name() -> None:
    multiplier = generate("drum4u")
    entry = next(e for e in catalogue_entries(False) if e.name == "drum4u")
    assert multiplier.power_mw == entry.figures.power_mw and multiplier.errors == entry.errors
    with pytest.raises(InputError, match="did you mean 'drum4u'"):
        generate("drun4u")


def test_exact_array_has_about_the_published_figures() -> None:
    """The figures are scaled to the array whose rows are the bits of x; ours, by those of w, glitches a little more."""
    array = generate("exact8u")
    assert (array.power_mw, array.area_um2, array.delay_ns) == pytest.approx((0.391, 709.6, 1.43), rel=1e-2)


def test_a_library_of_arrays_is_relative_to_the_array() -> None:
    library = MultiplierLibrary([generate("trunc4u"), generate("exact8u")])
    assert library.names == ("exact8u", "trunc4u") and library.rel_energy[1] < 1
