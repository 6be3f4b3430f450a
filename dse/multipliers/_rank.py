"""The rank of an error table: what it costs to simulate a multiplier by matrix products."""

from __future__ import annotations

import numpy as np

from dse.multipliers._multiplier import Multiplier

MOST_RANK = 1024  # that is told apart: the singular values of a 12 x 12 table would take a minute


def error_rank(multiplier: Multiplier) -> int:
    """Return the rank of the error table: the number of products of one factor per operand that make the error up.

    It is the number of singular values of the error as float64 above `largest * size * eps` (numpy.linalg.matrix_rank). A
    table with more than `MOST_RANK` rows and columns is projected onto so many random vectors from both sides first, which
    keeps every lower rank (Halko, Martinsson and Tropp, SIAM Review 53(2), 2011).

    Returns:
        The rank; `MOST_RANK` stands for itself and all above.
    """
    error = multiplier.error.astype(np.float64)
    if not error.any():
        return 0
    if min(error.shape) > MOST_RANK:
        rng = np.random.default_rng(0)
        left, right = (rng.standard_normal((size, MOST_RANK)) for size in error.shape)
        error = left.T @ error @ right
    return int(np.linalg.matrix_rank(error))
