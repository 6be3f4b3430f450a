"""What a netlist computes: all operand pairs at once, 64 in a machine word.

Pair `p = x * 2^w_bits + w` is bit `p % 64` of word `p // 64`. A gate is one operation on whole arrays of words. Wide
operands are taken in blocks, because a signal of 12 x 12 bits fills 2 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dse.circuits._netlist import GATES, Netlist
from dse.types import Table

Words = NDArray[np.uint64]

_BLOCK = 2**16  # pairs at a time: 8 KiB a signal, so that those of a whole multiplier stay in the second-level cache
_ALL = np.uint64(2**64 - 1)
_NOT, _AND, _OR, _XOR, _NAND, _NOR, _XNOR = range(len(GATES))
_OPERATION = {
    _AND: np.bitwise_and,
    _OR: np.bitwise_or,
    _XOR: np.bitwise_xor,
    _NAND: np.bitwise_and,
    _NOR: np.bitwise_or,
    _XNOR: np.bitwise_xor,
}


def signal_blocks(netlist: Netlist) -> Iterator[Words]:
    """Yield the bits of every signal for one block of operand pairs after the other.

    Yields:
        `(signals, words)` uint64, with the constants first as in `Netlist`; the array is used again for the next block.
        Blocks have equal size, a power of two. Below 64 pairs the rest of the one word repeats them.
    """
    bits = netlist.x_bits + netlist.w_bits
    pairs = min(1 << bits, _BLOCK)
    values = np.empty((netlist.first_gate + len(netlist), max(1, pairs // 64)), dtype=np.uint64)
    values[0], values[1] = 0, _ALL
    gates = list(zip(netlist.kinds.tolist(), netlist.inputs.tolist(), strict=True))
    for block in range((1 << bits) // pairs):
        for position, signal in enumerate((*netlist.w, *netlist.x)):  # bits of the pair's number from the lowest
            values[signal] = _input(position, pairs, block, values.shape[1])
        for out, (kind, (a, b)) in enumerate(gates, netlist.first_gate):
            if kind == _NOT:
                np.bitwise_not(values[a], out=values[out])
                continue
            _OPERATION[kind](values[a], values[b], out=values[out])
            if kind >= _NAND:
                np.bitwise_not(values[out], out=values[out])
        yield values


def product_table(netlist: Netlist) -> Table:
    """Return the products of all operand codes.

    Returns:
        `(2^x_bits, 2^w_bits)` int32 by code, the first axis the activation's; two's complement products of a signed
        netlist as negative numbers.
    """
    pairs = 1 << (netlist.x_bits + netlist.w_bits)
    parts = []
    for values in signal_blocks(netlist):
        rows = values[list(netlist.outputs)].astype("<u8").view(np.uint8)
        planes = np.unpackbits(rows, axis=1, bitorder="little", count=min(pairs, _BLOCK))
        product = np.zeros(planes.shape[1], dtype=np.int32)
        for weight, plane in enumerate(planes):
            product |= plane.astype(np.int32) << weight
        parts.append(product)
    table = np.concatenate(parts).reshape(1 << netlist.x_bits, 1 << netlist.w_bits)
    if netlist.signed:
        unused = 32 - len(netlist.outputs)
        table = table << unused >> unused  # the highest bit is the sign
    return table


def _input(position: int, pairs: int, block: int, words: int) -> NDArray[np.uint64] | np.uint64:
    """Return the words of bit `position` of the pairs' numbers in one block."""
    if position < 6:
        pattern = sum(1 << pair for pair in range(64) if pair >> position & 1)
        return np.uint64(pattern)
    if 1 << position < pairs:
        return np.where(np.arange(words) >> (position - 6) & 1, _ALL, np.uint64(0))
    return _ALL if block * pairs >> position & 1 else np.uint64(0)
