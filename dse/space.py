"""The space a search moves in: which multiplier each approximable layer may get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.types import Floats, Population


@dataclass(frozen=True)
class SearchSpace:
    """Assignments of M multipliers to L layers.

    Args:
        layers: Qualified names of the approximable layers `(L,)`, in forward order.
        multipliers: Names of the library `(M,)`, index 0 exact.
        op_counts: Multiplications per layer `(L,)`.
        rel_energy: Energy of one multiplication relative to the exact multiplier's `(M,)`.
        fixed_op_count: Multiplications in layers that stay exact.
        tiles: At most so many distinct multipliers in one design; None: no limit.
        overhead: What every design spends beside multiplications, in units of one exact multiplication, 0 or more: 0 at
            energy level `multiplier`, else `dse.objectives.NetworkEnergy.overhead`.
    """

    layers: tuple[str, ...]
    multipliers: tuple[str, ...]
    op_counts: NDArray[np.int64]
    rel_energy: Floats
    fixed_op_count: int = 0
    tiles: int | None = None
    overhead: float = 0.0

    def __post_init__(self) -> None:
        if not self.layers or not self.multipliers:
            raise InputError("search space: expected at least one layer and one multiplier")
        if self.tiles is not None and self.tiles < 1:
            raise InputError(f"space.tiles: expected at least 1, got {self.tiles}")

    @property
    def tile_limit(self) -> int:
        """Most distinct multipliers a design can hold."""
        most = min(len(self.layers), len(self.multipliers))
        return most if self.tiles is None else min(self.tiles, most)

    def uniform(self) -> Population:
        """Return the M designs with one multiplier in all layers `(M, L)`."""
        return np.repeat(np.arange(len(self.multipliers))[:, None], len(self.layers), axis=1)

    def energy(self, population: Population) -> Floats:
        """Return the energy of designs relative to the exact multiplier everywhere: `(P, L)` -> `(P,)`.

        `sum_l c_l P(m_l) / (P(exact) sum_l c_l)` (ICCAD 2022 and ALWANN, objective 1), where layers that stay exact count
        in both sums, and so does the overhead, which is 0 where only multiplications are counted.
        """
        # not `@`, whose last bit depends on how many designs are scored together
        spent = (self.rel_energy[population] * self.op_counts).sum(axis=1)
        unchanged = self.fixed_op_count + self.overhead
        return (spent + unchanged) / (self.op_counts.sum() + unchanged)

    def repair(self, population: Population) -> Population:
        """Return designs `(P, L)` that respect the tile limit, changing as few multiplications as possible.

        A design over the limit gives up the multiplier that serves the fewest multiplications; its layers move to the
        design's next more powerful one (to the next cheaper where there is none), and so on until the limit holds.
        """
        repaired = population.copy()
        for row in repaired:
            while len(used := np.unique(row)) > self.tile_limit:
                load = np.array([self.op_counts[row == m].sum() for m in used])
                victim = used[np.argmin(load)]
                others = used[used != victim]
                gain = self.rel_energy[others] - self.rel_energy[victim]
                stronger = others[gain >= 0]
                row[row == victim] = stronger[np.argmin(gain[gain >= 0])] if stronger.size else others[np.argmax(gain)]
        return repaired
