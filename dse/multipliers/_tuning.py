"""Weight tuning: store another weight where the approximate multiplier then answers better."""

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
    share = _checked_share(table, exact, np.ones(len(table)) if x_weights is None else x_weights)
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


_TIE = 1e-12  # of the mean squared products: costs closer than this are equal, whatever order sums were taken in


def fit_weights(
    table: NDArray[np.integer], x_values: NDArray[np.integer], w_values: NDArray[np.integer], x_weights: Floats
) -> NDArray[np.int64]:
    """Map every weight to the column of least mean squared error under a distribution of activations.

    For each `w` this is the column `w'` that minimises `sum_x p(x) (x w - table[x, w'])^2`, expanded into three moments of
    the columns. Ties, up to rounding, keep `w` and take the first column elsewhere.

    Args:
        table: Approximate products `(X, W)`.
        x_values, w_values: What codes stand for, `(X,)` and `(W,)`.
        x_weights: How much each activation counts `(X,)`, as for `tune_weights`.

    Returns:
        The column for every weight `(W,)` int64.

    Raises:
        InputError: As for `tune_weights`.
    """
    share = _checked_share(table, np.multiply.outer(x_values, w_values), x_weights)
    share = share / share.sum()
    approximate, x, w = table.astype(np.float64), x_values.astype(np.float64), w_values.astype(np.float64)
    squares = np.add.outer(w**2 * (share @ x**2), share @ approximate**2)  # (W, W) of exact plus of approximate products
    cost = squares - 2 * np.multiply.outer(w, (share * x) @ approximate)
    best = cost <= cost.min(axis=1, keepdims=True) + _TIE * squares
    return np.where(best.diagonal(), np.arange(len(w)), best.argmax(axis=1))


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


def _checked_share(table: NDArray[np.integer], exact: NDArray[np.integer], x_weights: Floats) -> Floats:
    if table.ndim != 2 or table.shape != exact.shape:
        raise InputError(f"weight tuning: expected two tables of one shape, got {table.shape} and {exact.shape}")
    share = np.asarray(x_weights, dtype=np.float64)
    if share.shape != table.shape[:1]:
        raise InputError(
            f"weight tuning: x_weights must be {table.shape[:1]}, one per activation code, got {share.shape}"
        )
    if not np.isfinite(share).all() or (share < 0).any() or not share.any():
        raise InputError("weight tuning: x_weights must be finite, >= 0 and not all zero; pass a histogram")
    return share
