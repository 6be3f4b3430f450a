"""A multiplier as a list of gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError

Signal: TypeAlias = int  # 0 and 1 are the constants, then come the bits of x, those of w, and the gates' outputs
ZERO: Signal = 0
ONE: Signal = 1
GATES = ("not", "and", "or", "xor", "nand", "nor", "xnor")  # a gate's kind is its place here
MAX_BITS = 12


@dataclass(frozen=True, eq=False)
class Netlist:
    """Gates in an order in which every input is ready before it is used.

    Signals are numbered: 0 and 1 are the constants, `2 .. 2 + x_bits - 1` the bits of x from the lowest, then those of w,
    then the outputs of the gates in order. Nothing in a netlist depends on whether operands are signed except how its
    product is read: as two's complement of `len(outputs)` bits where they are.

    Args:
        x_bits: Width of the activation, 1 to 12.
        w_bits: Width of the weight, 1 to 12.
        signed: Operands and product are two's complement.
        kinds: `(n,)` uint8, index into `GATES`.
        inputs: `(n, 2)` int32, the signals a gate takes; an inverter takes the first and repeats it.
        outputs: Signals of the product's bits from the lowest, 1 to 31 of them.

    Raises:
        InputError: A width, a kind, a shape or a signal's number is out of range, or a gate uses a later one.
    """

    x_bits: int
    w_bits: int
    signed: bool
    kinds: NDArray[np.uint8]
    inputs: NDArray[np.int32]
    outputs: tuple[Signal, ...]

    def __post_init__(self) -> None:
        for key in ("x_bits", "w_bits"):
            if not 1 <= getattr(self, key) <= MAX_BITS:
                raise InputError(f"netlist: {key} must be from 1 to {MAX_BITS}, got {getattr(self, key)}")
        object.__setattr__(self, "kinds", _frozen(self.kinds, np.uint8))
        object.__setattr__(self, "inputs", _frozen(self.inputs, np.int32))
        object.__setattr__(self, "outputs", tuple(int(signal) for signal in self.outputs))
        _check(self)

    def __len__(self) -> int:
        """Return the number of gates."""
        return len(self.kinds)

    @property
    def first_gate(self) -> Signal:
        """The signal of the first gate's output."""
        return 2 + self.x_bits + self.w_bits

    @property
    def x(self) -> range:
        """Signals of the activation's bits from the lowest."""
        return range(2, 2 + self.x_bits)

    @property
    def w(self) -> range:
        """Signals of the weight's bits from the lowest."""
        return range(2 + self.x_bits, self.first_gate)


def _frozen(values: NDArray[np.integer], dtype: type[np.integer]) -> NDArray[np.integer]:
    copy: NDArray[np.integer] = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


def _check(netlist: Netlist) -> None:
    count, first = len(netlist.kinds), netlist.first_gate
    if netlist.kinds.ndim != 1 or netlist.inputs.shape != (count, 2):
        raise InputError(
            f"netlist: expected kinds (n,) and inputs (n, 2), got {netlist.kinds.shape} and {netlist.inputs.shape}"
        )
    if count and netlist.kinds.max() >= len(GATES):
        raise InputError(f"netlist: kinds must be below {len(GATES)}, got {netlist.kinds.max()}")
    ready = first + np.arange(count)[:, None]
    if (netlist.inputs < 0).any() or (netlist.inputs >= ready).any():
        bad = int(np.argmax(((netlist.inputs < 0) | (netlist.inputs >= ready)).any(1)))
        raise InputError(
            f"netlist: gate {bad} takes signals {netlist.inputs[bad].tolist()}, expected 0..{first + bad - 1}"
        )
    if not 1 <= len(netlist.outputs) <= 31 or not all(0 <= signal < first + count for signal in netlist.outputs):
        raise InputError(
            f"netlist: expected 1 to 31 outputs out of signals 0..{first + count - 1}, got {netlist.outputs}"
        )
