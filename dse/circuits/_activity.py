"""How often the signals of a circuit are one, under a stated distribution of its operands."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.circuits._evaluate import signal_blocks
from dse.circuits._netlist import Netlist
from dse.exceptions import InputError


def one_probabilities(
    netlist: Netlist, x_probabilities: ArrayLike | None = None, w_probabilities: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the chance of every signal to be one, summed exactly over all pairs of operands.

    Args:
        netlist: The circuit.
        x_probabilities: `(2^x_bits,)`, chance or count of each activation code; uniform if None.
        w_probabilities: `(2^w_bits,)`, the same of each weight code, independent of the activation's.

    Returns:
        `(signals,)` float64, numbered as in `Netlist`.

    Raises:
        InputError: A distribution has another shape, or values that are negative, not finite or all zero.
    """
    x = distribution("x_probabilities", x_probabilities, netlist.x_bits)
    w = distribution("w_probabilities", w_probabilities, netlist.w_bits)
    weight = None if x_probabilities is None and w_probabilities is None else np.multiply.outer(x, w).ravel()
    parts = [_block_ones(values, weight, block) for block, values in enumerate(signal_blocks(netlist))]
    return np.sum(parts, axis=0) / (len(parts) if weight is None else 1)


def distribution(name: str, values: ArrayLike | None, bits: int) -> NDArray[np.float64]:
    """Return chances that sum to one, `(2^bits,)` float64, from chances, counts or None (uniform)."""
    given = counts(name, values, bits)
    return given / given.sum()


def counts(name: str, values: ArrayLike | None, bits: int) -> NDArray[np.float64]:
    """Return chances or counts, `(2^bits,)` float64, divided by a power of two so that their sum is finite; None: ones."""
    try:
        given = np.ones(1 << bits) if values is None else np.asarray(values)
    except ValueError:  # lists of several lengths
        given = np.array(None)
    valid = given.shape == (1 << bits,) and given.dtype.kind in "biuf"
    if not valid or not np.isfinite(given).all() or (given < 0).any() or not given.any():
        raise InputError(
            f"{name} must be {1 << bits} finite numbers >= 0, not all 0, got {given.dtype} {given.shape}; pass one for "
            "each code"
        )
    given = given.astype(np.float64)
    return np.ldexp(given, -np.frexp(given.max())[1])  # exact: results are those of the values given


def _block_ones(values: NDArray[np.uint64], weight: NDArray[np.float64] | None, block: int) -> NDArray[np.float64]:
    """Return the chance of ones within one block, uniform there (None) or by the weights of all pairs."""
    if weight is None:
        return np.bitwise_count(values).sum(axis=1) / (64 * values.shape[1])
    part = weight[64 * values.shape[1] * block :][: 64 * values.shape[1]]  # below 64 pairs there are fewer
    planes = (np.unpackbits(row.view(np.uint8), bitorder="little", count=len(part)) for row in values.astype("<u8"))
    return np.array([part[plane.view(bool)].sum() for plane in planes])
