"""Which files an import reads: what was named, and what lies in the folders that were named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.exceptions import InputError
from dse.multipliers._figures import Figures, read_figures
from dse.multipliers.readers import READERS

MOST_BYTES = 1 << 28  # of one file: the largest table, 12 x 12 bits, takes a quarter of it as int32


@dataclass(frozen=True)
class Sources:
    """The files of an import."""

    files: tuple[Path, ...]  # in the order named, those of a folder sorted
    named: frozenset[Path]  # those that were named themselves, so that nothing may be wrong with them
    figures: Mapping[str, Figures]  # by the multiplier's name
    passed_over: Mapping[str, int]  # files of other kinds in the folders, by suffix


def find_sources(paths: Sequence[Path], figures: Path | None, out: Path | None) -> Sources:
    """Find the files of an import, and read the CSV files of figures among and beside them.

    Args:
        paths: Files and folders, these with all that lies below them.
        figures: A CSV of figures to use instead of those that lie there: in a folder any CSV with a column `name`, beside a
            file the one of its stem or `multipliers.csv`.
        out: A file to pass over, since the import writes it.

    Raises:
        InputError: A path does not exist, leads out of its folder, or is too large; two rows of figures share a name; or
            there is nothing to read.
    """
    files: dict[Path, None] = {}
    named: set[Path] = set()
    tables: dict[Path, None] = {}  # of figures
    for path in paths:
        if path.is_dir():
            found = [p for p in _below(path) if out is None or p.resolve() != out.resolve()]
        elif path.is_file():
            found = [path]
            named.add(path)
            beside = path.with_suffix(".csv"), path.parent / "multipliers.csv"
            tables.update(dict.fromkeys(filter(_is_figures, beside)))
        else:
            raise InputError(f"{path}: no such file or folder; check the path")
        tables.update(dict.fromkeys(filter(_is_figures, found)))
        files.update(dict.fromkeys(p for p in found if not _is_figures(p)))
    files = {p: None for p in files if not p.name.endswith("_tb.v")}  # test benches, as `write_verilog` names them
    known = [p for p in files if p.suffix.lower() in READERS or p in named]
    for path in known:
        if path.exists():
            _check_size(path)
    if not known:
        raise InputError(f"{', '.join(map(str, paths))}: holds no file with one of the suffixes {', '.join(READERS)}")
    odd = Counter(p.suffix or "without suffix" for p in files if p not in set(known))
    return Sources(tuple(known), frozenset(named), _figures([figures] if figures else list(tables)), odd)


def _below(folder: Path) -> list[Path]:
    """Return the files and dangling links below a folder, sorted. Raises InputError for a link that leads out of it."""
    root = folder.resolve()
    found = []
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders.sort()
        for name in sorted([*names, *(f for f in folders if Path(place, f).is_symlink())]):
            path = Path(place, name)
            if path.is_symlink() and not _target(path).is_relative_to(root):
                raise InputError(f"{path}: is a link that leads out of {folder}; copy the file into the folder")
            if path.is_file() or not path.exists():  # a link to nothing is named by whoever reads it
                found.append(path)
    return found


def _target(link: Path) -> Path:
    try:
        return link.resolve()
    except (OSError, RuntimeError):
        raise InputError(f"{link}: is a link to itself; remove it") from None


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read: {error.strerror}; check its permissions")


def _is_figures(path: Path) -> bool:
    """Whether a file is a CSV with a column `name`."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            header = file.readline(4096).decode("utf-8-sig", errors="replace")
    except OSError:  # whoever reads it says so
        return False
    return "name" in [cell.strip().strip('"') for cell in header.split(",")]


def _check_size(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the path") from None
    if size > MOST_BYTES:
        raise InputError(
            f"{path}: {size:,} bytes are more than the {MOST_BYTES:,} that a table takes; name another file"
        )


def _figures(tables: Iterable[Path]) -> dict[str, Figures]:
    rows: dict[str, Figures] = {}
    for path in tables:
        _check_size(path)
        for name, row in read_figures(path).items():
            if name in rows:
                raise InputError(
                    f"{path}: {name!r} has a row in another CSV too; keep one, or name the CSV (--figures)"
                )
            rows[name] = row
    return rows
