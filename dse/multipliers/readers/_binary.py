"""Raw tables: the elements of a table in row order and nothing else, little-endian."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import numpy as np

from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate
from dse.multipliers.readers._options import ElementType, Format, ReadOptions, stated_format
from dse.multipliers.readers._stored import stored_table

SIZES: dict[ElementType, int] = {"uint16": 2, "int16": 2, "int32": 4}


def read_binary(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read a raw table, named after the file.

    TFApprox's tables are such files: 256 x 256 uint16, the row being the first operand's code (Vaverka et al., DATE 2020;
    `table[a << 8 | b]` in its sources).

    Args:
        path: The file.
        options: The element type, where it is not clear from size and sign: two bytes are uint16 or int16, which the sign
            decides; four are int32. Where no width is stated both operands have the same.

    Raises:
        InputError: The size is that of no table, or it is open which elements the file holds.
    """
    stated = stated_format(path.stem, options)
    content = path.read_bytes()
    dtype, shape = _layout(path, len(content), stated, options.dtype)
    table = np.frombuffer(content, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape)
    return [stored_table(path.stem, table, path, options)]


def _layout(path: Path, size: int, stated: Format, dtype: ElementType | None) -> tuple[ElementType, tuple[int, int]]:
    """Return element type and shape of a file of `size` bytes."""
    fitting = {width: shape for width in (2, 4) if (shape := _shape(size, width, stated)) is not None}
    if dtype is not None:
        fitting = {width: shape for width, shape in fitting.items() if width == SIZES[dtype]}
    if not fitting:
        bits = (
            f"{stated.a_bits} x {stated.b_bits} bits"
            if stated.a_bits and stated.b_bits
            else "two operands of one width"
        )
        raise InputError(
            f"{path}: {size:,} bytes are no table of {dtype or 'uint16, int16 or int32'} for {bits}; check its length and "
            "the widths (--x-bits, --w-bits)"
        )
    width, shape = next(iter(fitting.items()))
    if dtype is None and width == 2 and stated.signed is None:
        raise InputError(
            f"{path}: {size:,} bytes are {shape[0]} x {shape[1]} elements of uint16 or of int16; say --unsigned or --signed"
        )
    return dtype or ("int32" if width == 4 else "int16" if stated.signed else "uint16"), shape


def _shape(size: int, width: int, stated: Format) -> tuple[int, int] | None:
    """Return the shape of a table of elements of `width` bytes, None where the size does not fit."""
    if stated.a_bits and stated.b_bits:
        shape = 1 << stated.a_bits, 1 << stated.b_bits
    else:
        side = isqrt(size // width)
        shape = side, side
    return shape if shape[0] * shape[1] * width == size > 0 and shape[0] & (shape[0] - 1) == 0 else None
