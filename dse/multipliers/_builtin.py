"""The libraries that come with the package."""

from __future__ import annotations

from functools import lru_cache

from dse.exceptions import unknown_name
from dse.multipliers._catalogue import Entry, catalogue_entries, multipliers
from dse.multipliers._library import MultiplierLibrary
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._widths import widths


def builtin(*, signed: bool = False) -> MultiplierLibrary:
    """Return the built-in 8 x 8 multipliers that nothing of less power beats in at least one error metric.

    The metrics are the mean and the worst error distance, the mean relative error, the error probability and the standard
    deviation of the error, for uniform operands. The reference is the exact multiplier of least power, a Dadda tree: savings
    are smaller than relative to the array that the literature refers to. Power, area and delay are estimates (see
    `docs/hardware.md`).

    Args:
        signed: Two's complement operands instead of unsigned ones.

    Returns:
        The library, by falling power behind the exact multiplier; no two tables are the same.
    """
    return _library(signed, True)


def catalogue(*, signed: bool = False) -> MultiplierLibrary:
    """Return all built-in 8 x 8 multipliers, of each table the circuit of least power; see `builtin`."""
    return _library(signed, False)


def generate(name: str) -> Multiplier:
    """Return a built-in 8 x 8 multiplier by name, one that the libraries leave out included.

    Raises:
        InputError: There is none of that name.
    """
    entries = {entry.name: entry for signed in (False, True) for entry in catalogue_entries(signed)}
    if name not in entries:
        raise unknown_name("multiplier", name, entries)
    return next(multipliers([entries[name]]))


@lru_cache
def _library(signed: bool, optimal: bool) -> MultiplierLibrary:
    entries = sorted(catalogue_entries(signed), key=_power)
    if optimal:
        entries = [entry for entry in entries if entry.fronts]
    cheapest: dict[str, Multiplier] = {}
    for multiplier in multipliers(entries):
        cheapest.setdefault(multiplier.table_hash, multiplier)
    return MultiplierLibrary(reversed(cheapest.values()))


def _power(entry: Entry) -> float:
    return entry.figures.power_mw


PACKAGED = {"builtin": builtin, "catalogue": catalogue, "widths": widths}  # what a configuration can name instead of a file
