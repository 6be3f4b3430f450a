"""The library as one `.npz` file without pickle: a table per multiplier, and a text with everything else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.circuits import from_verilog, product_table, to_verilog
from dse.exceptions import InputError, under
from dse.multipliers._multiplier import Multiplier
from dse.whole_files import write_whole

LIBRARY_KEY = "dse_library"  # the array of the text; no multiplier may be called so
VERSION = 1
_FIELDS = (
    "name", "x_bits", "w_bits", "x_signed", "w_signed", "power_mw", "area_um2", "delay_ns", "origin", "netlist"
)  # fmt: skip


def write_library(path: Path, multipliers: Sequence[Multiplier]) -> None:
    """Write multipliers into one file, which appears whole or not at all; the same multipliers give the same bytes.

    The file is a zip of `.npy` arrays: each multiplier's table `(2^x_bits, 2^w_bits)` int32 under its name, and under
    `dse_library` a JSON text with the format's version and each multiplier's name, widths, signs, figures, origin and, where
    it is known, netlist (as Verilog).

    Args:
        path: File to write or replace, `.npz`.
        multipliers: Multipliers with names of their own, in the order to keep.

    Raises:
        InputError: A name is not free (see `check_free`), or the file cannot be written.
    """
    entries = [_plain(m) for m in multipliers]
    arrays: dict[str, NDArray[np.generic]] = {m.name: m.table for m in multipliers}
    with under(f"{path}: "):
        for name in arrays:
            check_free(name)
    text = json.dumps({"version": VERSION, "multipliers": entries}, ensure_ascii=False, indent=1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in ({LIBRARY_KEY: np.array(text)} | arrays).items():
            with archive.open(f"{key}.npy", "w") as member:  # dated 1980 whenever it is written
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())


def check_free(name: str) -> None:
    """Raise InputError for a name that a library file needs itself: the text's, or one that NumPy takes for another's.

    An array may be asked for as `a` and as `a.npy`, so that `a.npy` would be read from the array called `a`.
    """
    if name == LIBRARY_KEY or name.endswith(".npy"):
        raise InputError(f"no multiplier may be called '{LIBRARY_KEY}' or end in '.npy', got {name!r}; rename it")


def library_multipliers(path: Path, arrays: dict[str, NDArray[np.generic]]) -> list[Multiplier]:
    """Make the multipliers of a file that `write_library` wrote.

    Args:
        path: The file, for messages.
        arrays: All its arrays by name.

    Raises:
        InputError: The text is of another version or not what it should be, or tables and entries do not match.
    """
    entries = _entries(path, arrays[LIBRARY_KEY])
    names = [entry["name"] for entry in entries]
    tables = [name for name in arrays if name != LIBRARY_KEY]
    if sorted(names) != sorted(tables):
        raise InputError(f"{path}: names and tables do not match ({len(names)} and {len(tables)}); import it again")
    try:
        return [_multiplier(arrays[entry["name"]], entry) for entry in entries]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _plain(multiplier: Multiplier) -> dict[str, Any]:
    """Return everything but the table as Python's own types, which JSON knows."""
    values = {key: getattr(multiplier, key) for key in _FIELDS}
    for key in ("x_bits", "w_bits"):
        values[key] = int(values[key])
    for key in ("x_signed", "w_signed"):
        values[key] = bool(values[key])
    for key in ("power_mw", "area_um2", "delay_ns"):
        values[key] = None if values[key] is None else float(values[key])
    netlist = multiplier.netlist
    values["netlist"] = None if netlist is None else to_verilog(netlist, "multiplier")
    return values


def _multiplier(table: NDArray[np.generic], entry: dict[str, Any]) -> Multiplier:
    text = entry["netlist"]
    netlist = None if text is None else from_verilog(text, signed=entry["x_signed"])
    if netlist is not None and not np.array_equal(product_table(netlist), table):
        raise InputError(f"{LIBRARY_KEY}: the netlist of '{entry['name']}' does not compute its table; import it again")
    return Multiplier(table=table, **entry | {"netlist": netlist})  # type: ignore[arg-type]  # the constructor checks it


def _entries(path: Path, text: NDArray[np.generic]) -> list[dict[str, Any]]:
    try:
        data = json.loads(str(text))
        version, entries = data["version"], data["multipliers"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: {LIBRARY_KEY} is not the text of a library; import it again") from None
    if version != VERSION:
        raise InputError(f"{path}: is a library of version {version!r}, expected {VERSION}; update dse or import again")
    for entry in entries if isinstance(entries, list) else [entries]:
        keys = set(entry) if isinstance(entry, dict) else {"?"}
        if keys != set(_FIELDS):
            odd = ", ".join(sorted(map(str, keys ^ set(_FIELDS))))
            raise InputError(f"{path}: {LIBRARY_KEY}: an entry has unknown or missing keys ({odd}); import it again")
        _check_types(path, entry)
    return list(entries)


def _check_types(path: Path, entry: dict[str, Any]) -> None:
    """Check what the constructor takes on trust; it checks the rest itself."""
    for key, kind in (("x_signed", bool), ("w_signed", bool), ("origin", str), ("name", str)):
        if not isinstance(entry[key], kind):
            raise InputError(f"{path}: {LIBRARY_KEY}: {key} is {entry[key]!r}; import it again")
    if entry["netlist"] is not None and not isinstance(entry["netlist"], str):
        raise InputError(f"{path}: {LIBRARY_KEY}: netlist is {entry['netlist']!r}; import it again")
