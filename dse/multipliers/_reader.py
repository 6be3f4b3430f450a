"""Reading a multiplier library: one file of an import, or tables in `.npz` with their figures in a CSV beside them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate, checked
from dse.multipliers._figures import Figures, read_figures
from dse.multipliers._library import MultiplierLibrary
from dse.multipliers._library_file import LIBRARY_KEY, library_multipliers
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._tables import read_tables


def load_library(path: str | PathLike[str], *, signed: bool | None = None) -> MultiplierLibrary:
    """Read a multiplier library and check it against what it declares.

    Args:
        path: A file that `import_library` wrote, one `.npz` file of tables, or a folder (its CSV and all its `.npz`
            files). The CSV beside tables is the one of the same stem, else `multipliers.csv`, else the only one there.
        signed: Take only the signed or only the unsigned multipliers; None takes all when they agree.

    Returns:
        The library, in the file's or the CSV's order behind the exact multiplier.

    Raises:
        InputError: A file is missing or damaged; tables and rows do not match (rows may be more than the tables of a
            single `.npz` file); a table is not what its row declares; signed and unsigned multipliers are there and
            `signed` is None; or they do not make a library (see `MultiplierLibrary`).
    """
    path = Path(path)
    files = {file: read_tables(file) for file in _table_files(path)}
    whole = [file for file, tables in files.items() if LIBRARY_KEY in tables]
    if path.is_dir() and whole:
        raise InputError(f"{path}: {whole[0].name} is a whole library; name that file instead of its folder")
    multipliers = library_multipliers(path, files[path]) if whole else _with_figures(path, files, signed)
    chosen = [m for m in multipliers if signed is None or m.x_signed == signed]
    if not chosen:
        raise InputError(f"{path}: holds no {'signed' if signed else 'unsigned'} multiplier; change signed")
    if len({m.x_signed for m in chosen}) > 1:
        raise InputError(
            f"{path}: holds signed and unsigned multipliers; set signed = true or signed = false "
            "(inspect: --signed or --unsigned)"
        )
    try:
        return MultiplierLibrary(chosen)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _with_figures(
    path: Path, files: dict[Path, dict[str, NDArray[np.generic]]], signed: bool | None
) -> list[Multiplier]:
    """Make multipliers of tables and the CSV that belongs to them; rows of the other sign are left out."""
    csv = _figures_file(path)
    rows = read_figures(csv)
    tables: dict[str, tuple[Path, NDArray[np.generic]]] = {}
    for file, content in files.items():
        for name, table in content.items():
            if name in tables:
                raise InputError(f"{file}: {name!r} is in {tables[name][0].name} already; keep one table")
            tables[name] = (file, table)
    _check_names(csv, rows, {name: file for name, (file, _) in tables.items()}, complete=path.is_dir())
    # Where a row leaves its sign open, the table tells.
    return [
        checked(_candidate(*tables[name], csv, row))
        for name, row in rows.items()
        if name in tables and (signed is None or row.signed in (None, signed))
    ]


def _candidate(file: Path, table: NDArray[np.generic], csv: Path, row: Figures) -> Candidate:
    return Candidate(
        row.name,
        table,
        str(file),
        a_bits=row.x_bits,
        b_bits=row.w_bits,
        a_signed=row.signed,
        b_signed=row.signed,
        power_mw=row.power_mw,
        area_um2=row.area_um2,
        delay_ns=row.delay_ns,
        declared=row.errors,
        declared_in=csv.name,
        origin=f"table from {file.name}, figures from {csv.name}",
    )


def _table_files(path: Path) -> list[Path]:
    """Return the `.npz` files meant by `path`, sorted by name."""
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.5)
        raise InputError(f"{path}: no such file or folder; {_hint(near) or 'check the path'}")
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        if not files:
            raise InputError(f"{path}: expected .npz files of tables in this folder, got none; name another folder")
        return files
    if path.suffix != ".npz":
        raise InputError(f"{path}: expected a folder or an .npz file of tables, got a '{path.suffix}' file")
    return [path]


def _figures_file(path: Path) -> Path:
    """Return the CSV that belongs to `path`."""
    folder, own = (path, []) if path.is_dir() else (path.parent, [path.with_suffix(".csv")])
    wanted = (*own, folder / "multipliers.csv")
    for candidate in wanted:
        if candidate.is_file():
            return candidate
    found = sorted(folder.glob("*.csv"))
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise InputError(
            f"{path}: expected the figures in {' or '.join(p.name for p in wanted)} beside the tables, or in the only CSV "
            f"there, got {names}; add or rename"
        )
    return found[0]


def _check_names(csv: Path, rows: dict[str, Figures], tables: dict[str, Path], *, complete: bool) -> None:
    """Check that every table has its row and, for a whole folder, every row its table."""
    for name, file in tables.items():
        if name not in rows:
            raise InputError(f"{file}: {name!r} has no row in {csv.name}; {_near(name, rows)}")
    for name in rows:
        if complete and name not in tables:
            raise InputError(f"{csv}: {name!r} has no table in the folder; {_near(name, tables)}")


def _near(name: str, valid: Iterable[str]) -> str:
    return _hint(difflib.get_close_matches(name, list(valid), n=1, cutoff=0.8)) or "add it"


def _hint(near: list[str]) -> str:
    return f"did you mean '{near[0]}'?" if near else ""
