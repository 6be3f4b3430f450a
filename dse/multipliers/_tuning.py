"""ALWANN's weight tuning: store another weight where the approximate multiplier then answers better."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.multipliers._multiplier import Multiplier
from dse.types import Floats


def tune_weights(
    table: NDArray[np.integer], exact: NDArray[np.integer], *, x_weights: Floats | None = None
) -> NDArray[np.int64]:
    """Map every weight code to the one whose products come nearest (ALWANN: Mrazek et al., ICCAD 2019).

    For each `w` this is the `w'` that minimises `sum_x p(x) |exact[x, w] - table[x, w']|`. Ties keep `w` where it
    attains the minimum and take the smallest `w'` elsewhere. The map depends on the multiplier only and is applied to
    the weights offline: it costs nothing in hardware.

    Args:
        table: Approximate products, `(2^Bx, 2^Bw)` integers.
        exact: Exact products, same shape.
        x_weights: How much each activation code counts, `(2^Bx,)` >= 0 such as a histogram; all the same by default.

    Returns:
        The code to store for every weight code, `(2^Bw,)` int64.

    Raises:
        InputError: The shapes do not match, or `x_weights` holds a negative or non-finite entry or only zeros.
    """
    if table.ndim != 2 or table.shape != exact.shape:
        raise InputError(f"tune_weights: expected two tables of one shape, got {table.shape} and {exact.shape}")
    share = np.ones(len(table)) if x_weights is None else np.asarray(x_weights, dtype=np.float64)
    if share.shape != table.shape[:1]:
        raise InputError(
            f"tune_weights: x_weights must be {table.shape[:1]}, one per activation code, got {share.shape}"
        )
    if not np.isfinite(share).all() or (share < 0).any() or not share.any():
        raise InputError("tune_weights: x_weights must be finite, >= 0 and not all zero; pass a histogram")
    # float64 sums of integers are exact here, so ties are true ties; one column of the cost at a time stays in cache.
    approximate, wanted = table.astype(np.float64), exact.astype(np.float64)
    distance = np.empty_like(approximate)
    codes = np.empty(table.shape[1], dtype=np.int64)
    for w in range(table.shape[1]):
        np.subtract(approximate, wanted[:, w, None], out=distance)
        cost = share @ np.abs(distance, out=distance)
        best = int(cost.argmin())
        codes[w] = w if cost[w] == cost[best] else best
    return codes


def tuned(multiplier: Multiplier, *, x_weights: Floats | None = None) -> Multiplier:
    """Return the multiplier as the network sees it when its weights are tuned.

    Args:
        multiplier: The multiplier.
        x_weights: As for `tune_weights`.

    Returns:
        The multiplier with the remapped table `T'[x, w] = T[x, w'(w)]` and the same name and figures.

    Raises:
        InputError: As for `tune_weights`.
    """
    codes = tune_weights(multiplier.table, multiplier.exact, x_weights=x_weights)
    origin = "; ".join(filter(None, (multiplier.origin, "weights tuned (ALWANN)")))
    return dataclasses.replace(multiplier, table=multiplier.table[:, codes], origin=origin)
