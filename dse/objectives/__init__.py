"""Figures of designs, and what a search minimises.

An objective is a callable `(P, L) int64 -> (P,) float64` with a `name` and a `unit`; `OBJECTIVES` knows more of them by
name, computed from the figures that a simulation gives (`ObjectiveSet`).
"""

from dse.objectives._early_stop import EarlyStop
from dse.objectives._energy import RelativeEnergy
from dse.objectives._energy_levels import ENERGY_LEVELS, NetworkEnergy, level_index, network_energy, product_energy
from dse.objectives._energy_table import DEFAULT_ENERGY_TABLE, EnergyTable, load_energy_table
from dse.objectives._figures import Figures, FigureSums
from dse.objectives._loss import AccuracyLoss
from dse.objectives._registry import OBJECTIVES, ObjectiveInfo, ObjectiveSet, Study, register_objective
from dse.objectives._simulation import DesignScorer, Evaluated, Simulator
from dse.objectives._subset import balanced_order, first_images

__all__ = [
    "DEFAULT_ENERGY_TABLE",
    "ENERGY_LEVELS",
    "OBJECTIVES",
    "AccuracyLoss",
    "DesignScorer",
    "EarlyStop",
    "EnergyTable",
    "Evaluated",
    "FigureSums",
    "Figures",
    "NetworkEnergy",
    "ObjectiveInfo",
    "ObjectiveSet",
    "RelativeEnergy",
    "Simulator",
    "Study",
    "balanced_order",
    "first_images",
    "level_index",
    "load_energy_table",
    "network_energy",
    "product_energy",
    "register_objective",
]
