"""The saving of a design at every energy level, from its saving at the level of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dse.exceptions import unknown_name
from dse.report._files import JsonFile


@dataclass(frozen=True)
class EnergyLevels:
    """What turns a saving at one level into that at another."""

    level: str  # of the run's relative energies
    shares: Mapping[str, float]  # by level: the multipliers' share of the exact network's energy
    source: str  # of the figures behind the shares

    def savings(self, rel_energy: float) -> dict[str, float]:
        """Return the saving of a design at every level, as a fraction, from its relative energy at the run's level."""
        of_multipliers = (1 - rel_energy) / self.shares[self.level]
        return {level: of_multipliers * share for level, share in self.shares.items()}


def energy_levels(metrics: JsonFile) -> EnergyLevels | None:
    """Read the levels of a run; None for one from before there were any, which counts multiplications only."""
    if "energy" not in metrics.data:
        return None
    level, names = metrics.text("energy", "level"), metrics.table("energy", "multiplier_share")
    if level not in names:
        raise unknown_name(f"energy level in {metrics.path}", level, names)
    shares = {name: metrics.positive("energy", "multiplier_share", name) for name in names}
    return EnergyLevels(level, shares, metrics.text("energy", "table", "source"))
