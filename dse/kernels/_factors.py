"""A table as the product of two thin matrices: exactly, in integers, where its rank allows, else as near as possible.

The whole table is factored, not its error `lut - exact`: the exact product would be one more column beside the error's, and
21 of the 47 approximate EvoApprox tables need fewer when both are factored together (an operand cut short: 1 instead of 3).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.kernels._lattice import lattice_factors

MAX_RANK = 64  # columns tried where the caller names no limit: with more, no engine would win by them
_MODEST = 2**40  # largest reach called exact: leaves blocks of 8,192 products in float64
_GROWTH = 4  # entries may grow so far beyond the table's before peeling counts as stuck
_PEELED = 2**28  # largest entry peeled: products of two entries then stay in int64

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Factors:
    """Two factors of a table `(2^Bx, 2^Bw)`, and how far their product is from it.

    Args:
        a: Factor of the activation's codes `(2^Bx, r)`, int64 where exact, else float64.
        b: Factor of the weight's codes `(r, 2^Bw)`, same dtype.
        max_abs_residual: Largest magnitude of `a @ b - table`, 0 where exact.
        mean_abs_residual: Mean magnitude over all pairs of codes, 0 where exact.
    """

    a: NDArray[np.int64] | NDArray[np.float64]
    b: NDArray[np.int64] | NDArray[np.float64]
    max_abs_residual: float
    mean_abs_residual: float

    @property
    def rank(self) -> int:
        """Columns of `a`."""
        return self.a.shape[1]

    @property
    def is_exact(self) -> bool:
        """Whether the factors are integers and their product is the table."""
        return self.a.dtype == np.int64

    @cached_property
    def reach(self) -> float:
        """Largest `sum_r |a[x, r]| |b[r, w]|`: no partial sum of one entry's terms exceeds it, in whatever order."""
        return reach(self.a, self.b)

    def sum_error_bound(self, depth: int) -> float:
        """Return the largest error of a sum of `depth` entries formed in float64 and rounded to an integer; 0 where exact.

        The residuals, the rounding to an integer, and float64's own rounding of `depth * r` products (Higham, Accuracy and
        Stability of Numerical Algorithms, 2002, section 3.1).
        """
        if self.is_exact:
            return 0.0
        units = (depth * self.rank + 2) * sys.float_info.epsilon
        return depth * self.max_abs_residual + 0.5 + units * depth * self.reach


def reach(a: NDArray[np.number], b: NDArray[np.number]) -> float:
    """Return the largest `sum_r |a[x, r]| |b[r, w]|` of factors `(2^Bx, r)` and `(r, 2^Bw)`."""
    return float((np.abs(a) @ np.abs(b)).max(initial=0))


def factor(table: NDArray[np.integer], *, max_rank: int | None = None) -> Factors:
    """Factor a table: exactly where `max_rank` columns suffice, else the nearest in the sum of squares of the residuals.

    Args:
        table: Products `(2^Bx, 2^Bw)` within int32.
        max_rank: Most columns allowed, from 1; None stands for 64.

    Raises:
        InputError: If `max_rank` is below 1.
    """
    limit = MAX_RANK if max_rank is None else max_rank
    if limit < 1:
        raise InputError(f"max_rank: expected at least 1 (or None for up to {MAX_RANK}), got {max_rank}")
    return exact_factors(table, limit) or _nearest(table, limit)


def exact_factors(table: NDArray[np.integer], max_rank: int) -> Factors | None:
    """Return exact integer factors of at most `max_rank` columns, or None where there are none of modest size."""
    entries = table.astype(np.int64)
    largest = int(np.abs(entries).max(initial=0))
    found = []
    if largest <= _PEELED:
        a, b, rest = _peeled(entries, max_rank)
        if not rest.any():
            found.append(Factors(a, b, 0.0, 0.0))
        elif len(b) == max_rank:
            return None  # every column peeled has taken one from the rank
    # The float rank only spares the lattice tables far too high; it agrees with the exact rank on all circuits at hand.
    if not found and np.linalg.matrix_rank(entries.astype(np.float64)) > max_rank:
        return None
    if not found or found[0].reach > 2 * largest:
        pair = lattice_factors(entries, max_rank)
        found += [Factors(*pair, 0.0, 0.0)] if pair else []
    best = min(found, key=lambda factors: factors.reach, default=None)
    return best if best is not None and best.reach <= _MODEST else None


def _peeled(rest: Integers, max_rank: int) -> tuple[Integers, Integers, Integers]:
    """Peel integer rank-1 matrices off `rest (R, C)`: return `a (R, r)`, `b (r, C)` and what is left.

    Gaussian elimination with full pivoting, restricted to pivots that divide the product of their row and column, so that
    nothing leaves the integers; among them the one whose product is smallest. Circuits nearly always offer such pivots.
    What is left is not zero where `max_rank` is reached, where no pivot divides, or where the entries start to grow.
    """
    a: list[Integers] = []
    b: list[Integers] = []
    bound = _GROWTH * int(np.abs(rest).max(initial=0))
    while rest.any() and len(b) < max_rank and np.abs(rest).max() <= bound:
        in_row, in_column = np.gcd.reduce(rest, axis=1), np.gcd.reduce(rest, axis=0)
        divides = np.multiply.outer(in_row, in_column) % np.where(rest == 0, 1, rest) == 0
        i, j = np.nonzero((rest != 0) & divides)
        if not len(i):
            break
        size = np.abs(rest).max(1)[i] * np.abs(rest).max(0)[j] / np.abs(rest[i, j])
        row, column = i[np.argmin(size)], j[np.argmin(size)]
        first = rest[np.flatnonzero(rest[:, column])[0], column]
        unit = in_column[column] * np.sign(first)  # a column that is the code's value comes out as just that
        a.append(rest[:, column] // unit)
        b.append(rest[row] // (rest[row, column] // unit))
        rest = rest - np.multiply.outer(a[-1], b[-1])
    rows, columns = rest.shape
    return np.array(a, dtype=np.int64).reshape(-1, rows).T, np.array(b, dtype=np.int64).reshape(-1, columns), rest


def _nearest(table: NDArray[np.integer], rank: int) -> Factors:
    u, s, v = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    scale = np.sqrt(s[:rank])
    a, b = u[:, :rank] * scale, scale[:, None] * v[:rank]
    residual = np.abs(a @ b - table)
    return Factors(a, b, float(residual.max()), float(residual.mean()))
