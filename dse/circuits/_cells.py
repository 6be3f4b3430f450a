"""The standard cells a circuit is measured in, read from a TOML file.

The package's own table, `gscl45nm.toml`, condenses the public library of that name; a user's file of the same form takes
its place. A cell is known by what it computes, so that any library fits that has the seven gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dse.circuits._netlist import GATES
from dse.exceptions import InputError
from dse.toml_files import read_toml

# What a cell may compute: numbers of inputs and outputs. An adder's outputs are sum and carry; a multiplexer takes
# select, the input for 0 and the input for 1.
FUNCTIONS = {
    **{gate: (1 if gate == "not" else 2, 1) for gate in GATES},
    "half_adder": (2, 2),
    "full_adder": (3, 2),
    "mux": (3, 1),
}
_TABLE = Path(__file__).with_name("gscl45nm.toml")

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Output(_Table):
    """What one output of a cell costs."""

    delay_ns: NotNegative  # without load, mean of rise and fall and of all inputs
    ns_per_pf: NotNegative  # what a load adds to the delay
    energy_fj: NotNegative  # inside the cell, per change of the output


class Cell(_Table):
    """One standard cell, of the smallest drive strength."""

    name: str  # in the library
    area_um2: Positive
    leakage_nw: NotNegative
    input_ff: tuple[NotNegative, ...]  # capacitance of each input
    outputs: tuple[Output, ...]


class CellLibrary(_Table):
    """A library of cells, and three factors that carry its figures to those of a synthesised circuit.

    Each factor is common to all circuits. They take up what the cells' own figures leave out: wires, buffers and what
    synthesis restructures, the tool's idea of a clock. The package's table sets them so that the exact unsigned 8 x 8 array
    gets its published figures.
    """

    name: str
    source: str
    voltage_v: Positive
    clock_mhz: Positive  # operand pairs per microsecond
    area_factor: Positive = 1.0
    delay_factor: Positive = 1.0
    cells: Mapping[str, Cell]  # by function

    @model_validator(mode="after")
    def _complete(self) -> CellLibrary:
        for gate in GATES:
            if gate not in self.cells:
                raise ValueError(f"cell for '{gate}' is missing; the seven gates are needed: {', '.join(GATES)}")
        for function, cell in self.cells.items():
            if function not in FUNCTIONS:
                raise ValueError(f"cells.{function}: expected one of {', '.join(FUNCTIONS)}")
            shape = len(cell.input_ff), len(cell.outputs)
            if shape != FUNCTIONS[function]:
                raise ValueError(f"cells.{function}: expected (inputs, outputs) {FUNCTIONS[function]}, got {shape}")
        return self


def gate_energies(cells: CellLibrary) -> NDArray[np.float64]:
    """Return about what one change of each gate's output costs, `(7,)` float64 in fJ, in the order of `GATES`.

    The energy inside of the gate's cell, and that of loading the inputs of one such cell, `C V^2 / 2` each.
    """
    chosen = [cells.cells[gate] for gate in GATES]
    return np.array([c.outputs[0].energy_fj + sum(c.input_ff) * cells.voltage_v**2 / 2 for c in chosen])


@lru_cache
def load_cells(path: Path | None = None) -> CellLibrary:
    """Read a library of cells.

    Args:
        path: TOML file; the package's `gscl45nm.toml`, which is also the pattern for others, if None.

    Returns:
        The library.

    Raises:
        InputError: The file cannot be read, or a key is missing, unknown or out of range.
    """
    path = path or _TABLE
    try:
        return CellLibrary.model_validate(read_toml(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"{path}: {key + ': ' if key else ''}{fault['msg'].removeprefix('Value error, ')}") from None
