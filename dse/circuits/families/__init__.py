"""Multiplier circuits by published definitions: a function for each family, and a catalogue of designs."""

from dse.circuits.families._booth import booth
from dse.circuits.families._catalogue import Design, designs
from dse.circuits.families._compressed import compressed
from dse.circuits.families._drum import drum
from dse.circuits.families._etm import error_tolerant
from dse.circuits.families._exact import exact
from dse.circuits.families._loba import loba
from dse.circuits.families._lower_or import lower_or
from dse.circuits.families._mbm import minimally_biased
from dse.circuits.families._mitchell import mitchell, mitchell_truncated, set_one_logarithmic
from dse.circuits.families._recursive import recursive
from dse.circuits.families._roba import roba
from dse.circuits.families._truncated import broken_array, column_truncated, reduced

__all__ = [
    "Design",
    "booth",
    "broken_array",
    "column_truncated",
    "compressed",
    "designs",
    "drum",
    "error_tolerant",
    "exact",
    "loba",
    "lower_or",
    "minimally_biased",
    "mitchell",
    "mitchell_truncated",
    "recursive",
    "reduced",
    "roba",
    "set_one_logarithmic",
]
