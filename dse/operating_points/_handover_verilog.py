"""The circuits of a hand-over bundle, as tables and, where their gates are known, as Verilog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

import numpy as np

from dse.circuits import product_table, to_verilog
from dse.exceptions import InputError
from dse.multipliers import Multiplier
from dse.variants import Choice


def by_gates(multiplier: Multiplier) -> Multiplier | None:
    """Return a circuit as its gates compute it, None where they are not known; tuned weights are none of the gates'."""
    if multiplier.netlist is None:
        return None
    table = product_table(multiplier.netlist)
    if np.array_equal(table, multiplier.table):
        return multiplier
    try:
        return replace(multiplier, table=table)
    except InputError:  # gates of something else
        return None


def named(library: Iterable[Multiplier], choices: Iterable[Choice]) -> dict[str, Choice]:
    """Return what names stand for: a run's choices, and multipliers of a library, which may be tuned once for all layers."""
    circuits = {m.name: Choice(m, m.name, untuned=by_gates(m)) for m in library}
    return circuits | {choice.multiplier.name: choice for choice in choices}


def circuits_named(name: str, library: Iterable[Multiplier], choices: Iterable[Choice]) -> Iterator[Multiplier]:
    """Yield what a circuit of this name may be: as its gates compute it, where they are known, and as tables have it."""
    known = [multiplier for c in choices if (multiplier := c.untuned or c.multiplier).name == c.circuit == name]
    known += [circuit for circuit in library if circuit.name == name]
    yield from (circuit for circuit in map(by_gates, known) if circuit is not None)
    yield from (replace(circuit, netlist=None) for circuit in known)


def modules(circuits: Mapping[str, Multiplier]) -> dict[str, tuple[str, str]]:
    """Return a module's name and Verilog for each circuit; names differ by more than case, since they name files too."""
    found: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for name, circuit in circuits.items():
        module = next(module for module in _modules(name) if module.casefold() not in taken)
        taken.add(module.casefold())
        assert circuit.netlist is not None
        found[name] = module, to_verilog(circuit.netlist, module)
    return found


def _modules(name: str) -> Iterator[str]:
    """Yield names of modules for a circuit: its own, as far as it can be one, and then that with a number."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = plain if plain[0].isalpha() or plain[0] == "_" else f"m_{plain}"
    yield plain
    yield from (f"{plain}_{number}" for number in count(2))
