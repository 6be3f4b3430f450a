"""Readers of other people's multiplier files: one file format per module, each from a path to `Candidate`s."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate
from dse.multipliers.readers._binary import read_binary
from dse.multipliers.readers._c import read_c
from dse.multipliers.readers._numpy import read_npy, read_npz
from dse.multipliers.readers._options import ReadOptions
from dse.multipliers.readers._text import read_text_table
from dse.multipliers.readers._verilog import read_verilog

__all__ = ["READERS", "ReadOptions", "read"]

# By suffix, in lower case.
READERS: dict[str, Callable[[Path, ReadOptions], list[Candidate]]] = {
    ".bin": read_binary,
    ".c": read_c,
    ".csv": read_text_table,
    ".h": read_c,
    ".npy": read_npy,
    ".npz": read_npz,
    ".txt": read_text_table,
    ".v": read_verilog,
}


def read(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read the multipliers of one file with the reader of its suffix. Raises InputError."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: no reader for '{path.suffix}' files; expected one of {', '.join(READERS)}")
    return reader(path, options)
