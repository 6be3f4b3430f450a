"""Tables as text: one row of integers per line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate
from dse.multipliers.readers._options import ReadOptions
from dse.multipliers.readers._stored import stored_table


def read_text_table(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read a table `(2^Ba, 2^Bb)` of integers from a CSV or TXT file, named after the file.

    Lines are the first operand's codes in order. Numbers stand between commas, semicolons or blanks; empty lines and what
    follows a `#` are passed over.

    Raises:
        InputError: The file is no text, a cell is no integer, or a line is shorter or longer than the first.
    """
    rows: list[list[int]] = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        cells = re.split(r"\s*[,;]\s*|\s+", line.partition("#")[0].strip().rstrip(",;"))
        if cells == [""]:
            continue
        try:
            row = [int(cell) for cell in cells]
        except ValueError:
            raise InputError(
                f"{path}: line {number}: expected integers, got {_odd(cells)!r}; keep only the table"
            ) from None
        if rows and len(row) != len(rows[0]):
            raise InputError(
                f"{path}: line {number}: expected {len(rows[0])} integers, got {len(row)}; complete the line"
            )
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: expected a table of integers, got none; write one row per line")
    return [stored_table(path.stem, integers(path, rows), path, options)]


def text_of(path: Path) -> str:
    """Return the text of a file. Raises InputError where it cannot be read or is no UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; save it as one") from None


def integers(path: Path, rows: list[list[int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return rows of one length as int64. Raises InputError where one number does not fit."""
    try:
        return np.array(rows, dtype=np.int64)
    except OverflowError:
        raise InputError(f"{path}: holds an integer beyond 64 bits; it is no product") from None


def _odd(cells: list[str]) -> str:
    return next(cell for cell in cells if not re.fullmatch(r"[+-]?\d+", cell))[:30]
