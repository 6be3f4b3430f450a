"""Energy of the multiplications of a design."""

from __future__ import annotations

from dse.space import SearchSpace
from dse.types import Floats, Population


class RelativeEnergy:
    """Energy of all multiplications relative to the exact multiplier everywhere.

    `sum_l c_l P(m_l) / (P(exact) sum_l c_l)` (ICCAD 2022 and ALWANN, objective 1), where layers that stay exact count in
    both sums. Multiplications only: no additions, memory or leakage.
    """

    name = "rel_energy"
    unit = "1"

    def __init__(self, space: SearchSpace) -> None:
        total = space.op_counts.sum() + space.fixed_op_count
        self._shares = space.op_counts / total
        self._fixed = space.fixed_op_count / total
        self._rel_energy = space.rel_energy

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64."""
        return self._rel_energy[population] @ self._shares + self._fixed
