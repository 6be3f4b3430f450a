"""How far a multiplier's table is from the exact product, over uniformly distributed operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError


@dataclass(frozen=True)
class ErrorMetrics:
    """Error figures of one multiplier in units of its product; the error is `approximate - exact`.

    The definitions are EvoApproxLib's (Mrazek et al., DATE 2017), every pair of operands counted once.
    """

    mae: float  # mean |error|
    wce: int  # largest |error|
    mean_error: float  # mean error, the bias
    std_error: float  # population standard deviation of the error
    mre: float  # mean of |error| / |exact| over the pairs whose exact product is not zero, a fraction
    error_probability: float  # fraction of the pairs whose product is wrong


def error_metrics(table: NDArray[np.integer], exact: NDArray[np.integer]) -> ErrorMetrics:
    """Compare a table of products with the exact ones.

    Args:
        table: Approximate products, `(2^Bx, 2^Bw)` integers.
        exact: Exact products of the same codes, same shape.

    Returns:
        The error figures. `mre` leaves out the pairs whose exact product is zero, as the published figures do (the
        circuit that always answers 0 has 100 %); it is 0 when there is no other pair.

    Raises:
        InputError: The two shapes differ, or there is nothing to compare.
    """
    if table.shape != exact.shape or table.size == 0:
        raise InputError(f"error_metrics: expected two filled arrays of one shape, got {table.shape} and {exact.shape}")
    error = table.astype(np.int64) - exact
    distance = np.abs(error)
    nonzero = exact != 0
    relative = distance[nonzero] / np.abs(exact[nonzero].astype(np.int64))
    return ErrorMetrics(
        mae=float(distance.mean()),
        wce=int(distance.max()),
        mean_error=float(error.mean()),
        std_error=float(error.std()),
        mre=float(relative.mean()) if relative.size else 0.0,
        error_probability=float(np.count_nonzero(error) / error.size),
    )
