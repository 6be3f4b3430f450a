"""Small multipliers as files: 4 x 4 bits, tables and C models."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler here")

CODES = np.arange(16)
EXACT = np.multiply.outer(CODES, CODES)
# Not symmetric: the two lowest bits of the weight count as zero.
CRUDE = np.multiply.outer(CODES, CODES & ~3)
VALUES = np.array([*range(8), *range(-8, 0)])  # of the two's complement codes
SIGNED = np.multiply.outer(VALUES, VALUES)


def c_model(folder: Path, name: str, body: str = "return A * B;", types: str = "uint8_t", comments: str = "") -> Path:
    """Write a C model with a known power."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.c"
    path.write_text(
        f"// PDK45_PWR = 0.4 mW\n{comments}\n#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
        f"int16_t {name}({types} A, {types} B)\n{{\n{body}\n}}\n"
    )
    return path


def c_header(path: Path, table: np.ndarray) -> Path:
    """Write a table as a C header in AdaPT's layout."""
    rows = ",\n".join("{" + ", ".join(map(str, row)) + "}" for row in table.tolist())
    path.write_text(f"#include <stdint.h>\n\nconst int16_t lut [{len(table)}][{len(table[0])}] = {{{rows}}};\n")
    return path
