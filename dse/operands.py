"""Operand formats: what the codes of a quantised layer mean, and how a multiplier serves them.

A layer multiplies integer codes. The format says which values the codes of activations and weights stand for and turns a
multiplier's table into the layer's table `(2^Bx, 2^Bw)`, which is all that the simulation kernels see:

| name | activations | weights | multiplier |
|---|---|---|---|
| `sm8` | u8 affine | sign, 8-bit magnitude, symmetric; code: 9-bit two's complement | unsigned; sign applied outside |
| `u8` | u8 affine | u8 affine | unsigned (ALWANN, QoS-Nets) |
| `s8` | s8 symmetric, -127..127 | s8 symmetric, -127..127 | signed (AGN), or unsigned in a sign-magnitude wrapper |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, unknown_name
from dse.multipliers import Multiplier, operand_values
from dse.types import Table


@dataclass(frozen=True)
class OperandFormat:
    """Codes and values of one operand format.

    Args:
        name: Short name, as in a configuration.
        x_low, x_high: Smallest and largest activation value that quantisation produces.
        x_affine: Whether activations have a zero point (else they are symmetric around 0).
        w_bits: Width of a weight's code.
        w_low, w_high: Smallest and largest weight value that quantisation produces.
        w_affine: Whether weights have a zero point.
    """

    name: str
    x_low: int
    x_high: int
    x_affine: bool
    w_bits: int
    w_low: int
    w_high: int
    w_affine: bool

    @cached_property
    def x_values(self) -> NDArray[np.int64]:
        """The value of every activation code `(256,)`."""
        return operand_values(8, self.x_low < 0)

    @cached_property
    def w_values(self) -> NDArray[np.int64]:
        """The value of every weight code `(2^Bw,)`."""
        return operand_values(self.w_bits, self.w_low < 0)

    @cached_property
    def exact(self) -> Table:
        """The table of exact products `(256, 2^Bw)` int32."""
        return np.multiply.outer(self.x_values, self._reachable).astype(np.int32)

    @property
    def _reachable(self) -> NDArray[np.int64]:
        """Weight values, with the one code that quantisation never produces (such as -256 in sm8) standing for 0."""
        return np.where(self.w_values < self.w_low, 0, self.w_values)

    def table(self, multiplier: Multiplier) -> Table:
        """Return the layer's table `(256, 2^Bw)` int32 when `multiplier` does the products.

        A weight of magnitude 0 yields 0 in `sm8` and in the sign-magnitude wrapper whatever the circuit says: the hardware
        gates the product with the sign, which is 0 there.

        Raises:
            InputError: If the multiplier's widths or signs do not serve this format.
        """
        if (multiplier.x_bits, multiplier.w_bits) != (8, 8):
            raise self._refusal(
                multiplier, f"is {multiplier.x_bits} x {multiplier.w_bits} bits", "use 8 x 8 multipliers"
            )
        if multiplier.x_signed != multiplier.w_signed:
            raise self._refusal(multiplier, "mixes signed and unsigned operands", "use one with equal signs")
        if not multiplier.x_signed:
            if self.name == "u8":
                return multiplier.table
            return _sign_magnitude(multiplier.table, self.x_values, self._reachable)
        if self.name == "s8":
            return multiplier.table
        raise self._refusal(multiplier, "is signed", "use an unsigned library, or quantisation.format = 's8'")

    def _refusal(self, multiplier: Multiplier, fault: str, cure: str) -> InputError:
        return InputError(f"multiplier '{multiplier.name}' {fault}, which format '{self.name}' cannot use; {cure}")


def _sign_magnitude(table: Table, x_values: NDArray[np.int64], w_values: NDArray[np.int64]) -> Table:
    signs = np.multiply.outer(np.sign(x_values), np.sign(w_values))
    if x_values.min() >= 0:  # unsigned activations have no sign: a zero activation still passes through the circuit
        signs = np.broadcast_to(np.sign(w_values), signs.shape)
    return np.ascontiguousarray(signs * table[np.abs(x_values)[:, None], np.abs(w_values)], dtype=np.int32)


FORMATS: dict[str, OperandFormat] = {
    "sm8": OperandFormat("sm8", 0, 255, True, 9, -255, 255, False),
    "u8": OperandFormat("u8", 0, 255, True, 8, 0, 255, True),
    "s8": OperandFormat("s8", -127, 127, False, 8, -127, 127, False),
}


def operand_format(name: str) -> OperandFormat:
    """Return the format called `name`; raises `InputError` for any other name."""
    if name not in FORMATS:
        raise unknown_name("operand format", name, FORMATS)
    return FORMATS[name]
