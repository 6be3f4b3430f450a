"""What the layers of a hand-over bundle compute, in plain numpy.

All integers are formed here as hardware forms them: one table entry for each product, summed, with the zero points taken
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Operands:
    """What codes stand for."""

    x_values: Ints  # (256,) value of each activation code
    w_values: Ints  # (2^Bw,) value of each weight code

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Return the operands that a bundle describes by width and sign."""
        return cls(_values(8, described["x_signed"]), _values(described["w_bits"], described["w_signed"]))


def require_shapes(
    x: Array, w: Array, expected: Array, channels: Iterable[Array], layer: Mapping[str, Any], where: str
) -> None:
    """Raise InputError unless arrays fit each other and the layer's geometry, before anything is formed of them."""
    if any(len(array) != len(w) for array in channels):
        raise InputError(f"{where}: expected arrays ({len(w)},) for its channels")
    if layer["kind"] == "linear":
        if w.ndim != 2 or x.ndim == 0 or x.shape[-1] != w.shape[1]:
            raise InputError(f"{where}: codes {x.shape} and weights {w.shape} are not those of a linear layer")
        shape = (*x.shape[:-1], len(w))
    else:
        groups, kernel = layer["groups"], layer["kernel"]
        of = f"a convolution, kernel {kernel}, groups {groups}"
        if w.ndim != 4 or x.ndim != 4 or len(w) % groups or x.shape[1] != groups * w.shape[1] or [*w.shape[2:]] != kernel:
            raise InputError(f"{where}: codes {x.shape} and weights {w.shape} are not those of {of}")
        sides = zip(x.shape[2:], layer["padding"], kernel, layer["stride"], layer["dilation"], strict=True)
        shape = (len(x), len(w), *((n + sum(pad) - d * (k - 1) - 1) // s + 1 for n, pad, k, s, d in sides))
    if shape != expected.shape:
        raise InputError(f"{where}: expected accumulators {expected.shape}, the layer has {shape}")


def accumulators(
    x_codes: Array, w_codes: Array, table: Array, stored: Array | None, layer: Mapping[str, Any], operands: Operands
) -> Ints:
    """Return a layer's accumulators, zero points taken out: the sum over the fan-in of `T[x, s(w)] - zw x - zx w + zx zw`.

    `x` and `w` are codes in `T[x, s(w)]` and their values elsewhere; `s(w)` is the code that is stored for `w`.

    Args:
        x_codes: Input codes, `(B, C, H, W)` of a convolution, `(..., F)` of a linear layer, uint8.
        w_codes: Weight codes, `(C', C / groups, kh, kw)` or `(C', F)`.
        table: `T`, the products of every activation code and stored code `(256, S)`.
        stored: `s`, the code stored for each weight code `(2^Bw,)`; None: itself.
        layer: Geometry and `x_zero_point` as in the bundle, `w_zero_point` as an array `(C',)`.
        operands: What codes stand for.

    Returns:
        `(B, C', H', W')` or `(..., C')`.
    """
    if layer["kind"] == "linear":
        return _sums(x_codes, w_codes, layer["w_zero_point"], table, stored, layer["x_zero_point"], operands)
    windows, groups = _windows(x_codes, layer), layer["groups"]
    by_group = [
        _sums(
            part.reshape(*part.shape[:3], -1),
            w.reshape(len(w), -1),
            zero,
            table,
            stored,
            layer["x_zero_point"],
            operands,
        )
        for part, w, zero in zip(
            np.split(windows, groups, axis=3),
            np.split(w_codes, groups),
            np.split(layer["w_zero_point"], groups),
            strict=True,
        )
    ]
    return np.moveaxis(np.concatenate(by_group, axis=-1), -1, 1)


def _windows(x_codes: Array, layer: Mapping[str, Any]) -> Array:
    """Return what the kernel covers at each output position: `(B, C, H, W)` -> `(B, H', W', C, kh, kw)` uint8."""
    fill = layer["x_zero_point"] % 256  # the code that stands for 0; padding goes through the multiplier as any operand
    x_codes = np.pad(x_codes, ((0, 0), (0, 0), *map(tuple, layer["padding"])), constant_values=fill)
    (kh, kw), (sh, sw), (dh, dw) = layer["kernel"], layer["stride"], layer["dilation"]
    batch, channels, height, width = x_codes.shape
    rows, columns = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    windows = np.empty((batch, rows, columns, channels, kh, kw), dtype=np.uint8)
    for i in range(kh):
        for j in range(kw):
            down = slice(i * dh, i * dh + (rows - 1) * sh + 1, sh)
            across = slice(j * dw, j * dw + (columns - 1) * sw + 1, sw)
            windows[..., i, j] = np.moveaxis(x_codes[:, :, down, across], 1, -1)
    return windows


def _sums(
    x: Array, w: Array, w_zero: Array, table: Array, stored: Array | None, x_zero: int, operands: Operands
) -> Ints:
    """Return the sums of products of codes x (..., K) and w (N, K), zero points taken out: `(..., N)`."""
    total = np.zeros((*x.shape[:-1], len(w)), dtype=np.int64)
    table, w_zero = table.astype(np.int64), w_zero.astype(np.int64)
    for k in range(x.shape[-1]):
        x_code, w_code = x[..., k, None], w[:, k]
        total += table[x_code, w_code if stored is None else stored[w_code]]
        total -= w_zero * operands.x_values[x_code] + x_zero * operands.w_values[w_code] - x_zero * w_zero
    return total


def _values(bits: int, signed: bool) -> Ints:
    """Return the value of every code of so many bits, two's complement where signed."""
    codes = np.arange(2**bits, dtype=np.int64)
    return np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes) if signed else codes
