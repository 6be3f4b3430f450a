"""Power, area and delay of a circuit, estimated from its standard cells and what its operands make them switch.

Left out: wires, drive strengths other than the smallest, what synthesis would restructure. `docs/hardware.md` says how near
the estimates come to published figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.circuits._activity import distribution, one_probabilities
from dse.circuits._cells import CellLibrary, load_cells
from dse.circuits._glitches import glitches
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
    transitions: int = 4096,
    seed: int = 0,
) -> Figures:
    """Estimate the figures of a circuit.

    Area is the sum of the cells'. The delay is that of the slowest path, each cell at its load: the inputs that its output
    drives. Power is `f * sum_s toggles_s * (E_s + C_s V^2 / 2)` plus leakage: `E_s` the energy inside of the cell that
    drives signal `s`, `C_s` its load, and `toggles_s` the chance `2 p_s (1 - p_s)` that two independent pairs of operands
    settle at different values, exact over all pairs, plus the glitches of simulated transitions. Operand bits count
    with the load that the circuit is to them.

    Args:
        netlist: The circuit; constants and gates without use cost nothing.
        x_probabilities: `(2^x_bits,)`, chance or count of each activation code; uniform if None, as for published figures.
        w_probabilities: `(2^w_bits,)`, the same of each weight code, independent of the activation's.
        cells: The standard cells; by default those of `load_cells()`.
        transitions: Simulated to count glitches, in whole words of 64; 0 leaves glitches out.
        seed: Of these transitions.

    Returns:
        The figures: mW at the library's clock, um2, ns.

    Raises:
        InputError: A distribution or the number of transitions is out of range.
    """
    if transitions < 0:
        raise InputError(f"figures: transitions must be >= 0, got {transitions}")
    cells = cells or load_cells()
    circuit = mapped(netlist, cells)
    load_pf = _loads(circuit, cells)
    delays = _delays(circuit, cells, load_pf)
    ones = one_probabilities(circuit.netlist, x_probabilities, w_probabilities)
    toggles = 2 * ones * (1 - ones)
    if transitions:
        x = distribution("x_probabilities", x_probabilities, netlist.x_bits)
        w = distribution("w_probabilities", w_probabilities, netlist.w_bits)
        toggles += glitches(circuit, delays, x, w, transitions=transitions, rng=np.random.default_rng(seed))
    used = [cells.cells[cell.function] for cell in circuit.cells]
    dynamic_fj = toggles @ _energies(circuit, cells, load_pf)
    return Figures(
        power_mw=float(dynamic_fj * cells.clock_mhz * 1e-6 + sum(cell.leakage_nw for cell in used) * 1e-6),
        area_um2=cells.area_factor * sum(cell.area_um2 for cell in used),
        delay_ns=cells.delay_factor * _slowest(circuit, delays),
    )


def rank_correlation(circuits: Iterable[tuple[Netlist, float]], *, cells: CellLibrary | None = None) -> float:
    """Return Spearman's rank correlation of estimated with known power.

    Args:
        circuits: Netlists, each with its known power in any unit, at least two of them.
        cells: The standard cells.

    Raises:
        InputError: There are fewer than two circuits, or all have one power.
    """
    from scipy.stats import spearmanr

    pairs = [(figures(netlist, cells=cells).power_mw, power) for netlist, power in circuits]
    if len({power for _, power in pairs}) < 2:
        raise InputError(f"rank_correlation: expected circuits of at least two different powers, got {len(pairs)}")
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def _loads(circuit: MappedCircuit, cells: CellLibrary) -> NDArray[np.float64]:
    """Return the capacitance that each signal drives, `(signals,)` in pF."""
    load = np.zeros(circuit.netlist.first_gate + len(circuit.netlist))
    for cell in circuit.cells:
        for signal, capacitance in zip(cell.inputs, cells.cells[cell.function].input_ff, strict=True):
            load[signal] += capacitance / 1000
    return load


def _delays(circuit: MappedCircuit, cells: CellLibrary, load_pf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the delay of the cell that drives each signal, `(signals,)` in ns, 0 where there is none."""
    delays = np.zeros_like(load_pf)
    for cell in circuit.cells:
        for signal, output in zip(cell.outputs, cells.cells[cell.function].outputs, strict=True):
            if signal is not None:
                delays[signal] = output.delay_ns + output.ns_per_pf * load_pf[signal]
    return delays


def _energies(circuit: MappedCircuit, cells: CellLibrary, load_pf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energy of one change of each signal, `(signals,)` in fJ."""
    energies = 1000 * load_pf * cells.voltage_v**2 / 2
    for cell in circuit.cells:
        for signal, output in zip(cell.outputs, cells.cells[cell.function].outputs, strict=True):
            if signal is not None:
                energies[signal] += output.energy_fj
    return energies


def _slowest(circuit: MappedCircuit, delays: NDArray[np.float64]) -> float:
    """Return when the last bit of the product is ready, in ns after the operands."""
    ready = np.zeros_like(delays)
    for cell in circuit.cells:
        start = ready[list(cell.inputs)].max()
        for signal in cell.outputs:
            if signal is not None:
                ready[signal] = start + delays[signal]
    return float(ready[list(circuit.netlist.outputs)].max())
