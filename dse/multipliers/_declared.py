"""Error figures that come with a circuit, held against those of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse.multipliers._multiplier import Multiplier


@dataclass(frozen=True)
class DeclaredError:
    """One error figure that a file states."""

    metric: str  # a key of `measured`
    value: float
    slack: float  # how far the table's own figure may be from it, for it is rounded


def measured(multiplier: Multiplier) -> dict[str, float]:
    """Return the error figures of a table under the names that files use.

    Those of `ErrorMetrics`, and EvoApproxLib's: `mse` (mean square), and in per cent `mae%` and `wce%` of the number of
    products `2^(Bx + Bw)`, `ep%` of the pairs, `mre%` of the exact product (Mrazek et al., DATE 2017, and the comments of
    the library's files, where MAE 4276 of an 8 x 8 circuit is 6.53 %).
    """
    e = multiplier.errors
    pairs = multiplier.table.size
    return {
        "mae": e.mae,
        "wce": float(e.wce),
        "mean_error": e.mean_error,
        "std_error": e.std_error,
        "mre": e.mre,
        "error_probability": e.error_probability,
        "mse": e.mean_error**2 + e.std_error**2,
        "mae%": 100 * e.mae / pairs,
        "wce%": 100 * e.wce / pairs,
        "mre%": 100 * e.mre,
        "ep%": 100 * e.error_probability,
    }


def contradiction(multiplier: Multiplier, declared: Sequence[DeclaredError]) -> str | None:
    """Return the first declared figure that the table does not have, in words; None where all agree."""
    found = measured(multiplier)
    for error in declared:
        if abs(found[error.metric] - error.value) > error.slack:
            return f"{error.metric} {error.value:g}, but the table has {found[error.metric]:.6g}"
    return None
