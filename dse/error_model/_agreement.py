"""How well predicted errors agree with measured ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.error_model._error_table import ErrorTable


@dataclass(frozen=True)
class Agreement:
    """How well predicted standard deviations agree with measured ones over all layers and approximate multipliers."""

    # correlation of log std over the cells where both are positive; None below 3 cells or where one does not vary
    pearson_log_std: float | None
    median_relative_error: float | None  # of |predicted - measured| / measured; None without cells
    p90_relative_error: float | None
    cells: int  # cells with a measured error
    cells_without_prediction: int  # cells measured > 0 but predicted 0: counted as 100 % error, outside the correlation


def agreement(predicted: ErrorTable, measured: ErrorTable) -> Agreement:
    """Compare two error tables of the same layers and multipliers, over the cells whose measured std is positive."""
    truth = measured.std[measured.std > 0]
    guess = predicted.std[measured.std > 0]
    positive = guess > 0
    relative = np.abs(guess - truth) / truth
    pearson = None
    if positive.sum() >= 3 and np.ptp(guess[positive]) > 0 and np.ptp(truth[positive]) > 0:
        pearson = float(np.corrcoef(np.log(guess[positive]), np.log(truth[positive]))[0, 1])
    return Agreement(
        pearson_log_std=pearson,
        median_relative_error=float(np.median(relative)) if truth.size else None,
        p90_relative_error=float(np.quantile(relative, 0.9)) if truth.size else None,
        cells=int(truth.size),
        cells_without_prediction=int((~positive).sum()),
    )
