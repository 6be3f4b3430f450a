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
    x_low: int  # smallest values that quantisation produces
    w_low: int

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Return the operands that a bundle describes by width, sign and range."""
        w_values = _values(described["w_bits"], described["w_signed"])
        return cls(_values(8, described["x_signed"]), w_values, described["x_range"][0], described["w_range"][0])

    def occurring(self, table: Array) -> Array:
        """Return a table's products of codes that occur: without the values below those that quantisation produces."""
        rows, columns = self.x_values >= self.x_low, np.ones(table.shape[1], dtype=bool)
        columns[: len(self.w_values)] = self.w_values >= self.w_low  # behind them come words
        return table[np.ix_(rows, columns)]


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
    x_zero = layer["x_zero_point"]
    parts = [
        _sums(x, w, table, stored) - _zeros(operands.x_values[x], operands.w_values[w], x_zero, w_zero)
        for x, w, w_zero in _parts(x_codes, w_codes, layer)
    ]
    return _whole(parts, layer)


def circuit_sums(x_codes: Array, w_codes: Array, table: Array, stored: Array | None, layer: Mapping[str, Any]) -> Ints:
    """Return the plain sum over the fan-in of `T[x, s(w)]`, nothing taken out; arguments as for `accumulators`."""
    return _whole([_sums(x, w, table, stored) for x, w, _ in _parts(x_codes, w_codes, layer)], layer)


def _parts(x_codes: Array, w_codes: Array, layer: Mapping[str, Any]) -> list[tuple[Array, Array, Ints]]:
    """Return the operands that meet, by group: codes x `(..., K)` and w `(N, K)`, and zero points of the weights `(N,)`."""
    w_zero = layer["w_zero_point"].astype(np.int64)
    if layer["kind"] == "linear":
        return [(x_codes, w_codes, w_zero)]
    groups = layer["groups"]
    by_group = zip(
        np.split(_windows(x_codes, layer), groups, axis=3),
        np.split(w_codes, groups),
        np.split(w_zero, groups),
        strict=True,
    )
    return [(x.reshape(*x.shape[:3], -1), w.reshape(len(w), -1), zero) for x, w, zero in by_group]


def _whole(parts: list[Ints], layer: Mapping[str, Any]) -> Ints:
    """Put the groups' outputs together, channels where they belong."""
    return parts[0] if layer["kind"] == "linear" else np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)


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


def _sums(x: Array, w: Array, table: Array, stored: Array | None) -> Ints:
    """Return the sums of products of codes x `(..., K)` and w `(N, K)`: `(..., N)`."""
    total = np.zeros((*x.shape[:-1], len(w)), dtype=np.int64)
    table = table.astype(np.int64)
    for k in range(x.shape[-1]):
        w_code = w[:, k]
        total += table[x[..., k, None], w_code if stored is None else stored[w_code]]
    return total


def _zeros(x: Ints, w: Ints, x_zero: int, w_zero: Ints) -> Ints:
    """Return what zero points add to the sums of products of values x `(..., K)` and w `(N, K)`: `(..., N)`."""
    return x.sum(axis=-1, keepdims=True) * w_zero + x_zero * (w.sum(axis=1) - w.shape[1] * w_zero)


def _values(bits: int, signed: bool) -> Ints:
    """Return the value of every code of so many bits, two's complement where signed."""
    codes = np.arange(2**bits, dtype=np.int64)
    return np.where(codes >= 2 ** (bits - 1), codes - 2**bits, codes) if signed else codes
