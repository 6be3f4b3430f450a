"""What a choice of a hand-over bundle computes, from its circuit's own products, in plain numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dse.operating_points._handover_replay import Array, Ints, Operands


def is_clipped(choice: Mapping[str, Any]) -> bool:
    """Return whether the circuit multiplies other codes than the layer's."""
    return (choice["x_clip"], choice["w_clip"]) != (100, 100)


def products(circuit: Array, signed: bool, choice: Mapping[str, Any], operands: Operands, words: Array | None) -> Ints:
    """Return what a choice's table holds `(256, S)`: `raw_products` times the shares of the ranges, rounded.

    Args:
        circuit: The circuit's products of its first operand's codes (row) and its second's `(256, 256)`.
        signed: Whether these codes are two's complement.
        choice: As the bundle describes it.
        operands: What the layers' codes stand for.
        words: Sign and operand of each stored code beyond the weight codes `(S - 2^Bw, 2)`, or None.
    """
    table = raw_products(circuit, signed, choice, operands)
    if is_clipped(choice):
        table = _rounded(table * (choice["x_clip"] * choice["w_clip"]), 100 * 100)
    if words is None:
        return table
    signs, magnitudes = words.astype(np.int64).T
    columns = _oriented(circuit, choice)[np.abs(operands.x_values)[:, None], magnitudes]
    return np.concatenate([table, signs * _signs_of_x(operands)[:, None] * columns], axis=1)


def raw_products(circuit: Array, signed: bool, choice: Mapping[str, Any], operands: Operands) -> Ints:
    """Return the products that the circuit gives for each activation code and weight code of the layer `(256, 2^Bw)`.

    With clipped operands these are `T[q(x), q(w)]`, as an array of the circuit accumulates them. An unsigned circuit whose
    weights have a sign multiplies magnitudes, and the sign is applied to its product; that of 0 makes it 0. Arguments are
    those of `products`.
    """
    x, w, signs = operands.x_values, operands.w_values, np.ones((1, 1), dtype=np.int64)
    if not signed and operands.w_low < 0:
        w = np.where(w < operands.w_low, 0, w)
        signs = _signs_of_x(operands)[:, None] * np.sign(w)
        x, w = np.abs(x), np.abs(w)
    most = 127 if signed else 255
    rows, columns = _spread(x, choice["x_clip"], most), _spread(w, choice["w_clip"], most)
    return signs * _oriented(circuit, choice)[np.ix_(rows % 256, columns % 256)]


def _oriented(circuit: Array, choice: Mapping[str, Any]) -> Ints:
    """Return a circuit's products by activation (row) and weight."""
    return (circuit.T if choice["first_operand"] == "weight" else circuit).astype(np.int64)


def _signs_of_x(operands: Operands) -> Ints:
    """Return the sign of every activation code; 1 where activations have none, for their 0 passes through the circuit."""
    x = operands.x_values
    return np.sign(x) if x.min() < 0 else np.ones_like(x)


def _spread(values: Ints, clip: int, most: int) -> Ints:
    """Return what the circuit multiplies by for each value where its codes cover `clip` per cent of the range."""
    return values if clip == 100 else np.clip(_rounded(100 * values, clip), -most, most)


def _rounded(numerators: Ints, denominator: int) -> Ints:
    """Divide and round to the nearest integer, halves away from 0."""
    return np.sign(numerators) * ((2 * np.abs(numerators) + denominator) // (2 * denominator))
