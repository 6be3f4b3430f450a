"""Every circuit that comes with the package: the designs of the families, and evolved netlists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources

from dse.circuits import Netlist, from_verilog
from dse.circuits.families import Design, designs

BITS = 8
_EVOLVED = "evolved"  # folder of Verilog files, each begun by a comment: the command that made it


@dataclass(frozen=True)
class Circuit:
    """A named circuit, built when it is asked for."""

    name: str
    family: str
    made: str  # by what: a function with its parameters, or a command
    source: str  # who has defined it
    signed: bool
    _make: Callable[[], Netlist]

    def build(self) -> Netlist:
        """Return the netlist."""
        return self._make()


def circuits(signed: bool) -> Iterator[Circuit]:
    """Yield the circuits of 8 x 8 bits and one sign, families first."""
    yield from (_of_design(design) for design in designs(BITS, signed))
    folder = resources.files("dse.multipliers") / _EVOLVED
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name, _, suffix = file.name.rpartition(".")
        if suffix == "v" and name.endswith("s" if signed else "u"):
            text = file.read_text(encoding="utf-8")
            command = text.splitlines()[0].removeprefix("// ")
            make = partial(from_verilog, text, signed=signed)
            yield Circuit(name, "evolved", command, "evolved (dse.circuits.evolve)", signed, make)


@lru_cache
def circuits_by_name(signed: bool) -> dict[str, Circuit]:
    """Return the circuits of one sign by name."""
    return {circuit.name: circuit for circuit in circuits(signed)}


def _of_design(design: Design) -> Circuit:
    parameters = ", ".join(f"{key}={value}" for key, value in design.parameters.items())
    made = f"{design.family}({parameters})"
    return Circuit(design.name, design.family, made, design.source, design.signed, design.build)
