"""Power, area and delay estimated from a count of standard cells.

The cell weights below are round figures of a 45 nm standard-cell library and only their ratios count: an estimate is
scaled, by one factor per figure and operand format, so that the exact 8 x 8 array gets the figures EvoApproxLib
publishes for its exact circuit. Switching is that of random inputs without glitches, wires are free. Good for ordering
the generated families and comparing them with each other; not a synthesis result.

Eight approximate signed circuits of EvoApproxLib compute the tables of our truncated, broken and reduced arrays (two of
them with the operands swapped); the relative powers estimated for those lie within 0.07 of the published ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Cell(NamedTuple):
    """Weights of one kind of cell."""

    area: float  # gate equivalents: a two-input NAND is 1
    activity: float  # chance that an output toggles per operation, 2 p (1 - p) for an output that is 1 with chance p
    delay: float  # in XOR delays


class Estimate(NamedTuple):
    """Estimated figures of one circuit."""

    power_mw: float
    area_um2: float
    delay_ns: float


CELLS = {
    "and": Cell(1.33, 0.375, 0.6),  # NAND and inverter; the NAND of a negative partial product counts the same
    "or": Cell(1.33, 0.375, 0.6),
    "xor": Cell(2.0, 0.5, 1.0),
    "mux": Cell(2.33, 0.5, 0.8),
    "half_adder": Cell(3.33, 0.5, 1.0),
    "full_adder": Cell(5.33, 0.5, 1.6),
}
# Published figures of the exact 8 x 8 circuits at 45 nm, by sign: mul8u_1JFF and mul8s_1KV6 (EvoApproxLib).
PUBLISHED = {False: Estimate(0.391, 709.6, 1.43), True: Estimate(0.425, 729.8, 1.48)}


@dataclass(frozen=True)
class Gates:
    """A block of logic: how many cells of each kind, and the longest path through them in XOR delays."""

    cells: Counter[str] = field(default_factory=Counter)
    depth: float = 0.0

    @property
    def area(self) -> float:
        """Area in gate equivalents."""
        return sum(CELLS[kind].area * count for kind, count in self.cells.items())

    @property
    def energy(self) -> float:
        """Switched gate equivalents per operation: the capacitance of a cell goes with its area."""
        return sum(CELLS[kind].area * CELLS[kind].activity * count for kind, count in self.cells.items())


def cells(kind: str, count: int, levels: int = 1) -> Gates:
    """Return `count` cells of one kind of which a path passes `levels`; nothing when the count is not positive."""
    return Gates(Counter({kind: count}), CELLS[kind].delay * levels) if count > 0 else Gates()


def series(*blocks: Gates) -> Gates:
    """Join blocks one behind the other."""
    return Gates(sum((b.cells for b in blocks), Counter()), sum(b.depth for b in blocks))


def parallel(*blocks: Gates) -> Gates:
    """Join blocks side by side."""
    return Gates(sum((b.cells for b in blocks), Counter()), max(b.depth for b in blocks))


def array_gates(kept: NDArray[np.bool_], signed: bool) -> Gates:
    """Count a ripple-carry array multiplier that has only the partial products in `kept`.

    Rows are added one after the other, each by a ripple-carry adder over the columns it reaches; a column with one bit
    is a wire, with two a half adder, with three a full adder. The full `n x n` array has `n^2` AND gates, `n` half
    adders and `n (n - 2)` full adders.

    Args:
        kept: `(bits, bits)` bool, `kept[i, j]` for the partial product of activation bit `i` and weight bit `j`.
        signed: The array is the modified Baugh-Wooley array, whose constant ones enter ahead of the first row.

    Returns:
        The cells and the longest path.
    """
    bits = kept.shape[0]
    constant = _baugh_wooley_constant(kept) if signed else 0
    count: Counter[str] = Counter()
    # Time at which the running sum's bit of a column is ready; a column that is not in it yet holds nothing.
    ready = {column: 0.0 for column in range(2 * bits) if constant >> column & 1}
    for j in range(bits):
        carry: float | None = None
        row = {i + j for i in range(bits) if kept[i, j]}
        count["and"] += len(row)
        for column in range(j, 2 * bits):
            inputs = [CELLS["and"].delay] if column in row else []
            inputs += [t for t in (ready.get(column), carry) if t is not None]
            carry = None
            if len(inputs) > 1:
                kind = "half_adder" if len(inputs) == 2 else "full_adder"
                count[kind] += 1
                carry = max(inputs) + CELLS[kind].delay
                ready[column] = carry
            elif inputs:
                ready[column] = inputs[0]
    return Gates(count, max(ready.values(), default=0.0))


def _baugh_wooley_constant(kept: NDArray[np.bool_]) -> int:
    """Return the constant that makes up for the complemented partial products, modulo `2^(2 bits)`.

    A term `-p` in column `c` is added as `not p` with `-2^c` made up for (Baugh and Wooley, IEEE TC 1973, in the form
    with the constants gathered). With all partial products the sum is `2^bits + 2^(2 bits - 1)`.
    """
    bits = kept.shape[0]
    last = bits - 1
    negative = sum(1 << (last + k) for k in range(last) for pair in ((last, k), (k, last)) if kept[pair])
    return -negative % (1 << 2 * bits)


def estimate(gates: Gates, *, signed: bool) -> Estimate:
    """Scale a count to mW, um2 and ns.

    Args:
        gates: The circuit.
        signed: Which exact circuit's published figures are the scale.

    Returns:
        The estimated figures at 45 nm. Those of the exact 8 x 8 array are the published ones.
    """
    unit, published = _exact_array(signed), PUBLISHED[signed]
    return Estimate(
        gates.energy / unit.energy * published.power_mw,
        gates.area / unit.area * published.area_um2,
        gates.depth / unit.depth * published.delay_ns,
    )


@lru_cache
def _exact_array(signed: bool) -> Gates:
    return array_gates(np.ones((8, 8), dtype=bool), signed)
