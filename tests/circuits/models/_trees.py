"""Approximate 2 x 2 blocks and approximate 4:2 compressors, by their truth tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64]

# Products of the two-bit digits 0 to 3.
BLOCKS = {
    "kulkarni": [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 4, 6], [0, 3, 6, 7]],
    "rehman1": [[0, 0, 0, 0], [0, 0, 2, 2], [0, 2, 4, 6], [0, 2, 6, 9]],
    "rehman3": [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 4, 6], [0, 3, 6, 5]],
}
_CROSS = {"1010": -1, "1001": -1, "0110": -1, "0101": -1}
# By how much `sum + 2 carry` differs from the number of ones in x1 x2 x3 x4.
COMPRESSOR_ERRORS: dict[str, dict[str, int]] = {
    "momeni2": {"0000": 1, "1100": -1, "0011": -1, "1111": -1},
    "yang1": {"1111": -1},
    "lin": {"1111": -2},
    "ha": {"0011": -1, "1011": -1, "0111": -1, "1111": -1},
    "akbari1": {  # x1 + 2 x4
        **{"0100": -1, "0010": -1, "1100": -1, "1010": -1, "0110": -2, "0001": 1, "1001": 1},
        **{"1110": -2, "0111": -1, "1111": -1},
    },
    "akbari3": {
        **{"0001": 2, "1100": -2, "1010": -1, "0110": -1, "1001": 1, "0101": 1},
        **{"1110": -2, "1111": -2},
    },
    "akbari4": {**_CROSS, "1111": -2},
    "venkatachalam": {**_CROSS, "1111": -1},
    "strollo": {"1110": -1, "1111": -1},
    "sabetzadeh": {  # 1, and 2 where two of x1, x3, x4 are set
        **{"0000": 1, "1100": -1, "0110": -1, "0101": -1, "1010": 1, "1001": 1, "0011": 1, "1111": -1},
    },
}


def recursive(x: Values, w: Values, block: str = "kulkarni", columns: int | None = None, *, bits: int) -> Values:
    """Add the products of two-bit digits, those of weight below `2^columns` from the block's table."""
    table = np.array(BLOCKS[block])
    total = np.zeros(np.broadcast_shapes(x.shape, w.shape), dtype=np.int64)
    for i in range(0, bits, 2):
        for j in range(0, bits, 2):
            x_digit, w_digit = x >> i & 3, w >> j & 3
            approximate = columns is None or i + j < columns
            total += (table[x_digit, w_digit] if approximate else x_digit * w_digit) << (i + j)
    return total


def compressor_values(name: str) -> Values:
    """Return `sum + 2 carry` for the 16 inputs in order of the number `x1 x2 x3 x4`."""
    codes = [f"{code:04b}" for code in range(16)]
    return np.array([code.count("1") + COMPRESSOR_ERRORS[name].get(code, 0) for code in codes])


def compressed(x: Values, w: Values, compressor: str, columns: int, *, bits: int, signed: bool) -> Values:
    """Follow the bits of the approximate columns through the tree; what leaves them upwards is added exactly.

    Columns from `columns` on are exact, so that only the value of their bits matters.
    """
    table, last = compressor_values(compressor), bits - 1
    low: list[list[Values]] = [[] for _ in range(min(columns, 2 * bits))]
    total = np.zeros(np.broadcast_shapes(x.shape, w.shape), dtype=np.int64)

    def put(column: int, bit: Values) -> None:
        nonlocal total
        if column < len(low):
            low[column].append(bit)
        else:
            total = total + (bit << column)

    for j in range(bits):
        for i in range(bits):
            negative = signed and (i == last) != (j == last)
            put(i + j, (x >> i & 1) * (w >> j & 1) ^ int(negative))
    if signed:
        for column in (bits, 2 * bits - 1):
            put(column, np.ones_like(total))

    for height in (16, 8, 4, 2):
        _tree_stage(low, height, table, put)
    for column, column_bits in enumerate(low):
        for bit in column_bits:
            total = total + (bit << column)
    return total


def _tree_stage(low: list[list[Values]], height: int, table: Values, put: object) -> None:
    if max(map(len, low), default=0) <= height:
        # A stage is also skipped where only exact columns are too high: these have no say in the low ones.
        return
    for column in range(len(low)):
        bits = low[column]
        while len(bits) > height:
            count = min(len(bits) - height + 1, 4)
            taken, low[column] = bits[:count], bits[count:]
            bits = low[column]
            if count == 4:
                value = table[8 * taken[0] + 4 * taken[1] + 2 * taken[2] + taken[3]]
            else:
                value = sum(taken[1:], start=taken[0])
            bits.append(value & 1)
            put(column + 1, value >> 1)  # type: ignore[operator]
