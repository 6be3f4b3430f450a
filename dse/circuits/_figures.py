"""Power, area and delay of a circuit, estimated from its standard cells and what its operands make them switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.circuits._cells import CellLibrary, load_cells
from dse.circuits._evaluate import signal_blocks
from dse.circuits._mapping import MappedCircuit, mapped
from dse.circuits._netlist import Netlist
from dse.exceptions import InputError


@dataclass(frozen=True)
class Figures:
    """Estimated figures of one circuit."""

    power_mw: float
    area_um2: float
    delay_ns: float


def figures(
    netlist: Netlist,
    *,
    x_probabilities: ArrayLike | None = None,
    w_probabilities: ArrayLike | None = None,
    cells: CellLibrary | None = None,
) -> Figures:
    cells = cells or load_cells()
    circuit = mapped(netlist, cells)
    load = _loads(circuit, cells)
    probability = one_probabilities(circuit.netlist, x_probabilities, w_probabilities)
    return Figures(
        power_mw=_power(circuit, cells, load, 2 * probability * (1 - probability)),
        area_um2=cells.area_factor * sum(cells.cells[cell.function].area_um2 for cell in circuit.cells),
        delay_ns=_delay(circuit, cells, load),
    )


def one_probabilities(
    netlist: Netlist, x_probabilities: ArrayLike | None = None, w_probabilities: ArrayLike | None = None
) -> NDArray[np.float64]:
    pairs = 1 << (netlist.x_bits + netlist.w_bits)
    ones = np.zeros(netlist.first_gate + len(netlist))
    if x_probabilities is None and w_probabilities is None:
        words = 0
        for values in signal_blocks(netlist):
            ones += np.bitwise_count(values).sum(axis=1)
            words += values.shape[1]
        return ones / (64 * words)
    x = _distribution("x_probabilities", x_probabilities, netlist.x_bits)
    w = _distribution("w_probabilities", w_probabilities, netlist.w_bits)
    weight = np.multiply.outer(x, w).ravel()
    start = 0
    for values in signal_blocks(netlist):
        part = weight[start : start + 64 * values.shape[1]]
        for signal, row in enumerate(values.astype("<u8").view(np.uint8)):
            ones[signal] += part[np.unpackbits(row, bitorder="little", count=len(part)).view(bool)].sum()
        start += len(part)
    return ones


def _distribution(name: str, probabilities: ArrayLike | None, bits: int) -> NDArray[np.float64]:
    if probabilities is None:
        return np.full(1 << bits, 1.0 / (1 << bits))
    given = np.asarray(probabilities, dtype=np.float64)
    if given.shape != (1 << bits,) or not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise InputError(f"figures: {name} must be ({1 << bits},), not negative, with a positive sum, got {given.shape}")
    return given / given.sum()


def _loads(circuit: MappedCircuit, cells: CellLibrary) -> NDArray[np.float64]:
    load = np.zeros(circuit.netlist.first_gate + len(circuit.netlist))
    for cell in circuit.cells:
        for signal, capacitance in zip(cell.inputs, cells.cells[cell.function].input_ff, strict=True):
            load[signal] += capacitance
    return load


def _power(circuit, cells, load, toggles) -> float:
    energy = 0.0
    leakage = 0.0
    half = 0.5*cells.voltage_v**2
    for cell in circuit.cells:
        kind = cells.cells[cell.function]
        leakage += kind.leakage_nw
        for signal, output in zip(cell.outputs, kind.outputs, strict=True):
            if signal is not None:
                energy += toggles[signal]*(output.energy_fj + half*load[signal])
    energy += sum(toggles[s]*half*load[s] for s in range(2,circuit.netlist.first_gate))
    return energy*cells.clock_mhz*1e-6 + leakage*1e-6


def _delay(circuit, cells, load) -> float:
    ready = np.zeros(len(load))
    for cell in circuit.cells:
        start = max(ready[signal] for signal in cell.inputs)
        for signal, output in zip(cell.outputs, cells.cells[cell.function].outputs, strict=True):
            if signal is not None:
                ready[signal] = start + output.delay_ns + 1e-3*output.ns_per_pf*load[signal]
    return cells.delay_factor * max(ready[s] for s in circuit.netlist.outputs)
