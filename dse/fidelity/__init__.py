"""Cheaper ways to score designs than simulating all search images, and what each is worth.

From cheap to dear: `Proxy` (closed form), `NoiseSimulator` (predicted errors as noise), `Simulator.first(n)` (some images),
and `Simulator`, the top rung. `Ladder` gives the simulated ones by name.
"""

from dse.fidelity._ladder import (
    LADDER_COLUMNS,
    Correlation,
    LadderRow,
    RungScores,
    correlation,
    ladder_rows,
    ladder_table,
    near_front,
    timed_figures,
    timed_proxy,
)
from dse.fidelity._noise import NoiseSimulator, error_moments
from dse.fidelity._proxy import Proxy, proxy
from dse.fidelity._rungs import NOISE_IMAGES, TOP, Ladder, parse_fidelity

__all__ = [
    "LADDER_COLUMNS",
    "NOISE_IMAGES",
    "TOP",
    "Correlation",
    "Ladder",
    "LadderRow",
    "NoiseSimulator",
    "Proxy",
    "RungScores",
    "correlation",
    "error_moments",
    "ladder_rows",
    "ladder_table",
    "near_front",
    "parse_fidelity",
    "proxy",
    "timed_figures",
    "timed_proxy",
]
