"""The `.npz` files of tables of a multiplier library, and the check of a table against what is declared about it."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, one_line
from dse.multipliers._figures import Figures
from dse.multipliers._metrics import error_metrics
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import exact_products

# What a damaged or foreign file makes NumPy and zipfile raise.
BAD_FILE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
# Declared error figures are rounded to a few decimals.
TOLERANCE = 1e-3


def read_tables(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read every array of an `.npz` file by name, in the file's order.

    Raises:
        InputError: The file is no readable `.npz`, holds Python objects or something that is no array, or is empty.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: is not an .npz file (a zip of arrays); write it with numpy.savez_compressed")
    tables: dict[str, NDArray[np.generic]] = {}
    key = ""
    try:
        # Opened here, because NumPy leaves a file that it opened itself open when the zip turns out damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for key in archive.files:
                tables[key] = archive[key]
    except BAD_FILE as error:
        reason = one_line(error)
        raise InputError(f"{path}: {key!r} cannot be read ({reason}); save plain integer arrays") from None
    for key, table in tables.items():
        if not isinstance(table, np.ndarray):
            raise InputError(f"{path}: {key!r} is not an array; write the file with numpy.savez_compressed")
    if not tables:
        raise InputError(f"{path}: expected one table per multiplier, got none; add them")
    return tables


def checked_multiplier(path: Path, csv: Path, table: NDArray[np.generic], row: Figures) -> Multiplier:
    """Make a multiplier of a table and its figures, refusing a table that is not what its row declares.

    Args:
        path: The table's file.
        csv: The figures' file.
        table: The table as stored, any integer type.
        row: What the CSV says. Widths it leaves open come from the shape; a sign it leaves open is signed where the
            table holds negative products.

    Returns:
        The multiplier.

    Raises:
        InputError: Shape, type, range, sign or an error figure does not fit.
    """
    where = f"{path}: {row.name!r}"
    x_bits, w_bits = (size.bit_length() - 1 for size in table.shape) if table.ndim == 2 else (8, 8)
    integers = np.issubdtype(table.dtype, np.integer)
    signed = row.signed if row.signed is not None else bool(integers and table.size and table.min() < 0)
    try:
        multiplier = Multiplier(
            row.name,
            table,  # type: ignore[arg-type]  # the constructor checks and converts it
            x_bits=row.x_bits or x_bits,
            w_bits=row.w_bits or w_bits,
            x_signed=signed,
            w_signed=signed,
            power_mw=row.power_mw,
            area_um2=row.area_um2,
            delay_ns=row.delay_ns,
            origin=f"table from {path.name}, figures from {csv.name}",
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    _check_sign(where, multiplier)
    _check_errors(where, csv, multiplier, row)
    return multiplier


def _check_sign(where: str, multiplier: Multiplier) -> None:
    """Refuse a table that fits the other sign far better.

    Each error is relative to that of a circuit that always answers zero, because unsigned products are larger: a crude
    unsigned circuit would otherwise look like a fair signed one.
    """
    m = multiplier
    signed, bits = m.x_signed, m.x_bits + m.w_bits
    # The same result bits read with the other sign.
    codes = m.table.astype(np.int64) % (1 << bits)
    other = codes if signed else np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes)
    other_exact = exact_products(m.x_bits, m.w_bits, not signed, not signed)
    declared = m.errors.mae / np.abs(m.exact).mean()
    swapped = error_metrics(other, other_exact).mae / np.abs(other_exact).mean()
    if swapped < 0.5 * declared:
        raise InputError(
            f"{where}: declared {'signed' if signed else 'unsigned'}, but the table fits the "
            f"{'unsigned' if signed else 'signed'} product better (mean error distance {swapped:.3g} of the mean "
            f"product, not {declared:.3g}); correct its sign"
        )


def _check_errors(where: str, csv: Path, multiplier: Multiplier, row: Figures) -> None:
    for key, declared in row.errors.items():
        found = float(getattr(multiplier.errors, key))
        if abs(found - declared) > TOLERANCE * max(1.0, abs(found)):
            raise InputError(
                f"{where}: {csv.name} declares {key} {declared:g}, but the table has {found:.6g}; the table, "
                "its operand order or its sign is not the one that was measured"
            )
