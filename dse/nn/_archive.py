"""Reading .npz files of strangers: no pickle, no open file left behind, and one line for whatever is wrong."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from dse.exceptions import InputError, one_line


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Open an .npz; what goes wrong while its arrays are read inside the block is refused as well.

    Raises:
        InputError: the file is missing, damaged, no .npz, or has arrays that only pickle could read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        with path.open("rb") as file:  # NumPy leaves a file that it opened itself open when the archive is damaged
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise ValueError("it is a single array")
            with archive:
                yield archive
    except InputError:
        raise
    except (OSError, EOFError, ValueError, LookupError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable .npz of arrays ({one_line(error)}); write it anew") from error
