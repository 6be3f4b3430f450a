"""How wrong a netlist is and how often its gates are 1: compiled where it was built, else by numpy, with equal results."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.circuits._evaluate import product_table, signal_blocks
from dse.circuits._netlist import Netlist, Signal
from dse.types import Table

_STEM = "_netlist_native"  # setup.py builds it under this name
_WORDS = 64  # of a block in native/netlist.c

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Genome:
    """A netlist's arrays, as `Netlist` has them, C-contiguous; their values may change."""

    kinds: NDArray[np.uint8]
    inputs: NDArray[np.int32]
    outputs: NDArray[np.int32]

    def copy(self) -> Genome:
        """Return a genome of its own."""
        return Genome(self.kinds.copy(), self.inputs.copy(), self.outputs.copy())


class Measure:
    """Measures netlists of one shape against the products wanted.

    Args:
        netlist: Gives the shape: widths, sign, numbers of gates and outputs.
        exact: Products wanted, `(2^x_bits, 2^w_bits)` int32.
        x_weights, w_weights: How much a code of an operand counts in the error, `(2^x_bits,)` and `(2^w_bits,)` int32, each
            of a sum of at most 2^18.
        bound: Largest sum of `x_weights[x] * w_weights[w] * |error|` allowed.
    """

    def __init__(
        self, netlist: Netlist, exact: Table, x_weights: NDArray[np.int32], w_weights: NDArray[np.int32], bound: int
    ) -> None:
        self._shape = netlist.x_bits, netlist.w_bits, netlist.signed
        self._weights = x_weights, w_weights
        self._exact, self._bound = exact, bound
        library = _library()
        self._native = None if library is None else _Native(library, netlist, exact, x_weights, w_weights, bound)

    def error(self, genome: Genome) -> int | None:
        """Return the weighted sum of |error|, None where it exceeds the bound."""
        if self._native is not None:
            return self._native.error(genome)
        distance = np.abs(product_table(self._netlist(genome)).astype(np.int64) - self._exact)
        x_weights, w_weights = (weights.astype(np.int64) for weights in self._weights)
        total = int(x_weights @ distance @ w_weights)
        return None if total > self._bound else total

    def ones(self, genome: Genome) -> Counts:
        """Return in how many pairs each gate is 1, `(n,)` int64; 0 for gates that no output needs."""
        if self._native is not None:
            return self._native.ones(genome)
        netlist = self._netlist(genome)
        used = np.uint64((1 << min(1 << (netlist.x_bits + netlist.w_bits), 64)) - 1)
        counts = np.zeros(len(netlist), dtype=np.int64)
        for values in signal_blocks(netlist):
            counts += np.bitwise_count(values[netlist.first_gate :] & used).sum(1, dtype=np.int64)
        return np.where(active(genome, netlist.first_gate), counts, 0)

    def _netlist(self, genome: Genome) -> Netlist:
        return Netlist(*self._shape, genome.kinds, genome.inputs, tuple(genome.outputs.tolist()))


def active(genome: Genome, first: Signal) -> NDArray[np.bool_]:
    """Return which gates any output needs, `(n,)` bool; `first` is the signal of the first gate."""
    needed = bytearray(first + len(genome.kinds))
    for signal in genome.outputs.tolist():
        needed[signal] = True
    inputs = genome.inputs.tolist()
    for gate in range(len(inputs) - 1, -1, -1):
        if needed[first + gate]:
            a, b = inputs[gate]
            needed[a] = needed[b] = True
    return np.frombuffer(needed, dtype=bool)[first:]


class _Structure(ctypes.Structure):
    """`struct netlist`."""

    _fields_ = (
        *((name, c_void_p) for name in ("kinds", "inputs", "outputs")),
        *((name, c_int64) for name in ("gates", "bits", "x_bits", "w_bits", "is_signed")),
        *((name, c_void_p) for name in ("exact", "x_weight", "w_weight")),
        ("bound", c_int64),
        *((name, c_void_p) for name in ("active", "ones", "memory")),
    )


class _Native:
    def __init__(
        self,
        library: ctypes.CDLL,
        netlist: Netlist,
        exact: Table,
        x_weights: NDArray[np.int32],
        w_weights: NDArray[np.int32],
        bound: int,
    ) -> None:
        self._library = library
        self._ones = np.zeros(len(netlist), dtype=np.int64)
        self._kept = (
            np.ascontiguousarray(exact, dtype=np.int32),
            np.ascontiguousarray(x_weights, dtype=np.int32),
            np.ascontiguousarray(w_weights, dtype=np.int32),
            np.zeros(len(netlist), dtype=np.uint8),
            np.zeros((netlist.first_gate + len(netlist), _WORDS), dtype=np.uint64),
        )
        exact, x_weights, w_weights, needed, memory = self._kept
        self._structure = _Structure(
            gates=len(netlist),
            bits=len(netlist.outputs),
            x_bits=netlist.x_bits,
            w_bits=netlist.w_bits,
            is_signed=netlist.signed,
            exact=exact.ctypes.data,
            x_weight=x_weights.ctypes.data,
            w_weight=w_weights.ctypes.data,
            bound=bound,
            active=needed.ctypes.data,
            ones=self._ones.ctypes.data,
            memory=memory.ctypes.data,
        )

    def error(self, genome: Genome) -> int | None:
        error = int(self._library.dse_netlist_error(self._filled(genome)))
        return None if error < 0 else error

    def ones(self, genome: Genome) -> Counts:
        self._library.dse_netlist_ones(self._filled(genome))
        return self._ones.copy()

    def _filled(self, genome: Genome) -> object:
        structure = self._structure
        structure.kinds, structure.inputs = genome.kinds.ctypes.data, genome.inputs.ctypes.data
        structure.outputs = genome.outputs.ctypes.data
        return ctypes.byref(structure)


@cache
def _library() -> ctypes.CDLL | None:
    """Return the compiled loop, None where it was not built or comes from another version."""
    here = Path(__file__).parent
    for path in (here / f"{_STEM}{suffix}" for suffix in EXTENSION_SUFFIXES):
        if path.is_file():
            library = ctypes.CDLL(str(path))
            library.dse_netlist_error.restype, library.dse_netlist_ones.restype = c_int64, None
            for function in (library.dse_netlist_error, library.dse_netlist_ones):
                function.argtypes = (POINTER(_Structure),)
            return library
    return None
