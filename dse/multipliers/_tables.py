"""The `.npz` files of tables of a multiplier library."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, one_line

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
MOST_BYTES = 1 << 30  # of all arrays of a file once they are unpacked: 4,000 tables of 8 x 8 bits as int32


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
            unpacked = sum(member.file_size for member in archive.zip.infolist())
            if unpacked > MOST_BYTES:
                raise ValueError(f"unpacks to {unpacked:,} bytes, more than the {MOST_BYTES:,} allowed")
            for key in archive.files:
                if key in tables:
                    raise ValueError("the name comes twice")
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
