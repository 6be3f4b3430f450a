"""Tables as C source: the initialiser of one two-dimensional array."""

from __future__ import annotations

import re
from pathlib import Path

from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate
from dse.multipliers.readers._c_source import without_comments
from dse.multipliers.readers._options import ReadOptions
from dse.multipliers.readers._stored import stored_table
from dse.multipliers.readers._text import integers

_ARRAY = re.compile(r"\b(\w+)\s*\[\s*(\w+)\s*\]\s*\[\s*(\w+)\s*\]\s*=\s*\{")


def holds_array(text: str) -> bool:
    """Whether C source initialises a two-dimensional array."""
    return _ARRAY.search(text) is not None


def read_c_array(path: Path, text: str, options: ReadOptions) -> list[Candidate]:
    """Read the table of a C header, named after the file.

    AdaPT's headers are such files: `const int16_t lut [256][256] = {{0, ...}, ...};`, both operands indexed by their two's
    complement byte (Danopoulos et al., IEEE TCAD 2022, and its LUT generator; where both operands are negative that
    generator stores the product of their magnitudes, and the table is read as it is).

    Args:
        path: The file, for name and messages.
        text: Its content.
        options: What is said about the file.

    Raises:
        InputError: There is not exactly one such array, its size differs from its declaration, or an element is no integer.
    """
    text = without_comments(text)
    arrays = list(_ARRAY.finditer(text))
    if len(arrays) != 1:
        raise InputError(f"{path}: expected one filled two-dimensional array, got {len(arrays)}; keep one table")
    name, sizes = arrays[0][1], arrays[0].group(2, 3)
    if not all(size.isdecimal() for size in sizes):
        raise InputError(f"{path}: {name}: sizes must be plain numbers, got [{sizes[0]}][{sizes[1]}]; write them out")
    body = text[arrays[0].end() :].partition(";")[0]
    rows = [_row(path, number, row) for number, row in enumerate(re.findall(r"\{([^{}]*)\}", body))]
    height, width = map(int, sizes)
    if len(rows) != height:
        raise InputError(f"{path}: {name}: declared with {height} rows, got {len(rows)} in braces; complete the table")
    for number, row in enumerate(rows):
        if len(row) != width:
            raise InputError(
                f"{path}: {name}: row {number}: expected {width} integers, got {len(row)}; complete the row"
            )
    return [stored_table(path.stem, integers(path, rows), path, options)]


def _row(path: Path, number: int, text: str) -> list[int]:
    cells = [cell.strip().rstrip("uUlL") for cell in text.strip().rstrip(",").split(",")]
    try:
        return [int(cell, 0) for cell in cells]
    except ValueError:
        raise InputError(f"{path}: row {number}: expected integers; write every product as a plain number") from None
