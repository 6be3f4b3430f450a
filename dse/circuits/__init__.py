"""Multiplier circuits as netlists of gates: built, evaluated over all operands, measured, written as Verilog."""

from dse.circuits._builder import Builder, simplified
from dse.circuits._evaluate import product_table, signal_blocks
from dse.circuits._netlist import GATES, ONE, ZERO, Netlist, Signal

__all__ = [
    "GATES",
    "ONE",
    "ZERO",
    "Builder",
    "Netlist",
    "Signal",
    "product_table",
    "signal_blocks",
    "simplified",
]
