"""Energy of a product at every level: multiplier, MAC, array, on-chip memory.

Only the multiplier differs between designs. What a level adds is the same for all of them, so a saving of the multipliers
becomes, at a higher level, that saving times the multipliers' share of the energy there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dse.exceptions import unknown_name
from dse.nn.tracing import LayerShape, Trace
from dse.objectives._energy_table import EnergyTable
from dse.types import Floats

ENERGY_LEVELS = ("multiplier", "mac", "array", "memory")  # each includes those before it
_X_BITS = 8  # of an activation, in every operand format


@dataclass(frozen=True)
class NetworkEnergy:
    """What the exact network spends at every level of `ENERGY_LEVELS`, by quantised layer."""

    table: EnergyTable
    shapes: tuple[LayerShape, ...]  # also of layers that stay exact
    product_pj: Floats  # (layers, levels) pJ of one product, with all that a level includes

    def share(self, level: str) -> float:
        """Return the multipliers' share of the energy of a level, above 0, 1 at level `multiplier`.

        Raises:
            InputError: If no level has that name.
        """
        spent = (self._op_counts * self.product_pj).sum(axis=0)
        return float(spent[0] / spent[level_index(level)])

    def overhead(self, level: str) -> float:
        """Return what a level adds to the multiplications of one image, in units of one exact multiplication.

        Raises:
            InputError: If no level has that name.
        """
        added = self.product_pj[:, [level_index(level)]] - self.product_pj[:, [0]]
        return float((self._op_counts * added).sum() / self.table.multiplier_pj)

    @property
    def _op_counts(self) -> Floats:
        return np.array([[shape.op_count] for shape in self.shapes], dtype=np.float64)


def network_energy(traced: Trace, table: EnergyTable) -> NetworkEnergy:
    """Return what the exact network that was traced spends, by the figures of `table`."""
    rows = [product_energy(shape, table, w_bits=traced.operands.w_bits) for shape in traced.shapes]
    return NetworkEnergy(table, traced.shapes, np.array(rows).reshape(-1, len(ENERGY_LEVELS)))


def product_energy(shape: LayerShape, table: EnergyTable, *, w_bits: int) -> Floats:
    """Return the energy of one exact product of a layer at every level: `(4,)`, pJ.

    * `multiplier`: the multiplier alone.
    * `mac`: and an addition into the accumulator and one cycle of its register, both as wide as a sum of `fan_in` products.
    * `array`: and one activation and one weight that move on by one PE, each over a wire and into a register there.
    * `memory`: and the layer's accesses to on-chip memory: an activation is read once for all channels computed together,
      a weight once for all positions computed together, and an output is written once, as an activation.

    Left out: DRAM, clock tree, control, leakage, bias and activation function.

    Args:
        shape: The layer.
        table: The energies of the parts.
        w_bits: Width of a weight's code.
    """
    sum_bits = _X_BITS + w_bits + (shape.fan_in - 1).bit_length()  # ceil(log2(fan_in)) more than a product
    accumulate = sum_bits * (table.adder_pj_per_bit + table.register_pj_per_bit)
    move = (_X_BITS + w_bits) * (table.register_pj_per_bit + table.wire_pj_per_bit_mm * table.pitch_mm)
    read = _X_BITS / _served(shape.channels, table.columns) + w_bits / _served(shape.positions, table.rows)
    memory = table.sram_pj_per_bit * (read + _X_BITS / shape.fan_in)
    return np.cumsum([table.multiplier_pj, accumulate, move, memory])


def level_index(level: str) -> int:
    """Return the position of a level; raises InputError with the nearest name where it is unknown."""
    if level not in ENERGY_LEVELS:
        raise unknown_name("energy level", level, ENERGY_LEVELS)
    return ENERGY_LEVELS.index(level)


def _served(count: int, side: int) -> float:
    """Return how many products an operand serves once it is read, when `count` outputs need it, `side` at a time."""
    return count / math.ceil(count / side)
