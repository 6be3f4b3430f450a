"""Tables that NumPy wrote: `.npy` and `.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dse.exceptions import InputError, one_line
from dse.multipliers._candidate import Candidate
from dse.multipliers._library_file import LIBRARY_KEY, library_multipliers
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._tables import BAD_FILE, read_tables
from dse.multipliers.readers._options import ReadOptions
from dse.multipliers.readers._stored import stored_table


def read_npy(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read the one table `(2^Ba, 2^Bb)` of an `.npy` file, named after the file. Python objects are refused."""
    try:
        with path.open("rb") as file:
            table = np.lib.format.read_array(file, allow_pickle=False)
    except BAD_FILE as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)}); save one plain integer array") from None
    return [stored_table(path.stem, table, path, options)]


def read_npz(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read the tables of an `.npz` file by their names, or the multipliers of a library that an import wrote.

    A single array that NumPy had to name (`arr_0`) is named after the file.
    """
    tables = read_tables(path)
    if LIBRARY_KEY in tables:
        order = options.order
        return [_from_library(m, path, wx=order == "wx") for m in library_multipliers(path, tables)]
    if set(tables) == {"arr_0"}:
        tables = {path.stem: tables["arr_0"]}
    return [stored_table(name, table, path, options) for name, table in tables.items()]


def _from_library(m: Multiplier, path: Path, *, wx: bool) -> Candidate:
    """Return a multiplier of a library as a candidate; its order is known, whatever the other files' is."""
    a, b = ("w", "x") if wx else ("x", "w")
    values = {key: getattr(m, key) for key in ("power_mw", "area_um2", "delay_ns", "origin")}
    return Candidate(
        m.name,
        m.table.T if wx else m.table,
        str(path),
        a_bits=getattr(m, f"{a}_bits"),
        b_bits=getattr(m, f"{b}_bits"),
        a_signed=getattr(m, f"{a}_signed"),
        b_signed=getattr(m, f"{b}_signed"),
        **values,
    )
