"""Multiplier circuits as netlists of gates: built, evaluated over all operands, measured, read and written as Verilog."""

from dse.circuits._activity import one_probabilities
from dse.circuits._builder import Builder, simplified
from dse.circuits._cells import Cell, CellLibrary, Output, load_cells
from dse.circuits._evaluate import product_table, signal_blocks
from dse.circuits._evolve import evolve
from dse.circuits._figures import Figures, figures, rank_correlation
from dse.circuits._mapping import CellInstance, MappedCircuit, mapped
from dse.circuits._netlist import GATES, MAX_BITS, ONE, ZERO, Netlist, Signal
from dse.circuits._verilog import to_test_bench, to_verilog, write_verilog
from dse.circuits._verilog_reader import from_verilog
from dse.circuits._yosys import from_yosys, has_yosys

__all__ = [
    "GATES",
    "MAX_BITS",
    "ONE",
    "ZERO",
    "Builder",
    "Cell",
    "CellInstance",
    "CellLibrary",
    "Figures",
    "MappedCircuit",
    "Netlist",
    "Output",
    "Signal",
    "evolve",
    "figures",
    "from_verilog",
    "from_yosys",
    "has_yosys",
    "load_cells",
    "mapped",
    "one_probabilities",
    "product_table",
    "rank_correlation",
    "signal_blocks",
    "simplified",
    "to_test_bench",
    "to_verilog",
    "write_verilog",
]
