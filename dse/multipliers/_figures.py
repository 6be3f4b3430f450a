"""The CSV file of figures beside the tables of a multiplier library."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from dse.exceptions import InputError
from dse.multipliers._declared import DeclaredError
from dse.multipliers._multiplier import MAX_BITS, MIN_BITS

SIGNS = {"0": False, "false": False, "1": True, "true": True}
# Error figures a file may declare: names of ErrorMetrics' fields.
ERROR_KEYS = ("mae", "wce", "mean_error", "std_error", "mre", "error_probability")
# Declared error figures are rounded to a few decimals.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Figures:
    """One row: what a file says about one multiplier. None (or a missing key of `errors`) where it says nothing."""

    name: str
    x_bits: int | None  # column width_a
    w_bits: int | None  # column width_b
    signed: bool | None
    power_mw: float
    area_um2: float | None
    delay_ns: float | None
    errors: tuple[DeclaredError, ...]  # metrics out of ERROR_KEYS


def read_figures(path: Path) -> dict[str, Figures]:
    """Read the figures of a library.

    Args:
        path: CSV with a header. `name` and `power_mw` are needed; `width_a`, `width_b` (bits), `signed` (0 or 1),
            `area_um2`, `delay_ns`, `mae`, `wce`, `mean_error`, `std_error`, `mre` and `error_probability` (fractions) are
            optional; others are ignored.

    Returns:
        The rows by name, in the file's order.

    Raises:
        InputError: The file cannot be read, lacks a column, names a multiplier twice, or holds a bad figure.
    """
    figures: dict[str, Figures] = {}
    for line, row in _rows(path):
        name = row.get("name", "")
        where = f"{path}: line {line} ({name!r})"
        if not name:
            raise InputError(f"{path}: line {line}: name is empty; name the multiplier")
        if name in figures:
            raise InputError(f"{where}: the name comes twice; keep one row")
        figures[name] = _figures(where, name, row)
    if not figures:
        raise InputError(f"{path}: expected one row per multiplier, got none; add them")
    return figures


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return line number and stripped cells of every row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV file ({error}); save it as UTF-8 text with commas") from None
    for column in ("name", "power_mw"):
        if column not in header:
            found = " ".join(", ".join(header).split()) or "no header"
            raise InputError(f"{path}: column '{column}' is missing, got {found}; add it")
    for line, row in rows:
        if None in row or None in row.values():
            raise InputError(f"{path}: line {line}: expected {len(header)} cells as in the header; complete the row")
    return [(line, {key: cell.strip() for key, cell in row.items()}) for line, row in rows]


def _figures(where: str, name: str, row: dict[str, str]) -> Figures:
    power_mw = _number(where, row, "power_mw")
    if power_mw is None:
        raise InputError(f"{where}: power_mw is empty, expected a number in mW; fill it in")
    sign = row.get("signed", "").lower()
    if sign and sign not in SIGNS:
        raise InputError(f"{where}: signed must be 0 or 1, got {sign!r}")
    errors = {key: _number(where, row, key, negative=key == "mean_error") for key in ERROR_KEYS}
    return Figures(
        name=name,
        x_bits=_width(where, row, "width_a"),
        w_bits=_width(where, row, "width_b"),
        signed=SIGNS.get(sign),
        power_mw=power_mw,
        area_um2=_number(where, row, "area_um2"),
        delay_ns=_number(where, row, "delay_ns"),
        errors=tuple(
            DeclaredError(key, value, TOLERANCE * max(1.0, abs(value)))
            for key, value in errors.items()
            if value is not None
        ),
    )


def _number(where: str, row: dict[str, str], key: str, *, negative: bool = False) -> float | None:
    text = row.get(key, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (value < 0 and not negative):
        wanted = "a finite number" if negative else "a finite number >= 0"
        raise InputError(f"{where}: {key} must be {wanted}, got {text!r}; correct it or leave the cell empty")
    return value


def _width(where: str, row: dict[str, str], key: str) -> int | None:
    value = _number(where, row, key)
    if value is not None and not (value.is_integer() and MIN_BITS <= value <= MAX_BITS):
        raise InputError(f"{where}: {key} must be an integer from {MIN_BITS} to {MAX_BITS}, got {row[key]!r}")
    return None if value is None else int(value)
