"""C files: a model where the text defines a function of two operands, else a table."""

from __future__ import annotations

from pathlib import Path

from dse.multipliers._candidate import Candidate
from dse.multipliers.readers._c_model import read_c_model
from dse.multipliers.readers._c_source import functions
from dse.multipliers.readers._header import holds_array, read_c_array
from dse.multipliers.readers._options import ReadOptions


def read_c(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read a C file or header as what it holds. Raises InputError."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")  # only comments may hold other letters
    is_table = holds_array(text) and not functions(text)
    return (read_c_array if is_table else read_c_model)(path, text, options)
