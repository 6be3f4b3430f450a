"""Integer factors of an integer matrix, of exactly its rank, from a short basis of the lattice that its rows span.

Such factors always exist: every row is an integer combination of the basis. What takes work is keeping them small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

_LOVASZ = 0.75**0.5  # the usual constant of the LLL condition, for lengths instead of their squares
_STEPS_PER_ROW = 4096  # of a reduction; real tables need some tens


def lattice_factors(table: Integers, max_rank: int) -> tuple[Integers, Integers] | None:
    """Return `a (R, r)` and `b (r, C)` int64 with `table == a @ b` exactly, or None if `r` would exceed `max_rank`.

    A row that the basis does not reach leaves a remainder, shorter than the basis is wide. The shortest remainder joins the
    basis, which is reduced again: Euclid's algorithm, with vectors. Entries therefore never grow beyond the table's.

    Args:
        table: Integers `(R, C)`, magnitudes up to 2^31.
        max_rank: Most columns of `a` allowed. None is also the answer where floating point can no longer tell the vectors
            apart, so the rank found is never too large.
    """
    basis = np.zeros((0, table.shape[1]), dtype=np.int64)
    for _ in range(2 * max_rank + 64):  # each turn adds a dimension or at least halves the lattice's volume
        a = np.rint(table @ np.linalg.pinv(basis)).astype(np.int64)
        rest = table - a @ basis
        if not rest.any():
            return _balanced(a, basis)
        lengths = np.square(rest, dtype=np.float64).sum(1)
        lengths[lengths == 0] = np.inf
        reduced = _reduced(np.vstack([basis, rest[np.argmin(lengths)]]))
        if reduced is None or len(reduced) > max_rank:
            return None
        basis = reduced
    return None


def _reduced(rows: Integers) -> Integers | None:
    """Return a short basis `(r, C)` of the lattice spanned by `rows (r or r + 1, C)`; None if it does not settle.

    Lenstra, Lenstra and Lovasz (1982), for generators as in Pohst (1987): a dependent vector sinks until it is zero.
    """
    rows, k = rows.copy(), 0
    unit = np.zeros(rows.shape)  # row k less its parts along the rows before it, at length 1; rows below k are done
    along = np.zeros((len(rows), len(rows)))  # column k: row k along each of `unit`
    for _ in range(_STEPS_PER_ROW * len(rows)):
        if k == len(rows):
            return rows
        rows[k], along[:k, k] = _size_reduced(rows[k], rows[:k], unit[:k], along[:k, :k])
        rest = rows[k] - along[:k, k] @ unit[:k]
        rest -= unit[:k] @ rest @ unit[:k]  # twice is enough, once is not
        along[k, k] = np.linalg.norm(rest)
        if not rows[k].any():
            rows, k = np.delete(rows, k, axis=0), max(k - 1, 0)
        elif k and np.hypot(along[k, k], along[k - 1, k]) < _LOVASZ * along[k - 1, k - 1]:
            rows[[k - 1, k]] = rows[[k, k - 1]]
            k -= 1
        else:
            unit[k] = rest / along[k, k]
            k += 1
    return None


def _size_reduced(row: Integers, before: Integers, unit: Reals, along: Reals) -> tuple[Integers, Reals]:
    """Return `row (C,)` less multiples of `before (k, C)`, as nearly orthogonal to them as it gets, and it along `unit`."""
    parts = unit @ row
    for j in range(len(before) - 1, -1, -1):
        steps = np.rint(parts[j] / along[j, j])
        parts = parts - steps * along[:, j]
        row = row - int(steps) * before[j]
    return row, parts


def _balanced(a: Integers, b: Integers) -> tuple[Integers, Integers]:
    """Return the same product with smaller factors: `b_i -= q b_j` and `a_j += q a_i` while `sum |a_i|^2 |b_i|^2` falls.

    Seysen (1993), who reduces a basis and its dual at once; here the coefficients stand in for the dual.
    """
    a, b = a.copy(), b.copy()
    for _ in range(64 * len(b)):
        in_a, in_b = a.T.astype(np.float64) @ a, b.astype(np.float64) @ b.T
        of_a, of_b = np.diag(in_a)[:, None], np.diag(in_b)[:, None]
        q = np.rint((in_b / of_b.T - in_a / of_a) / 2)  # best step for the pair (i, j)
        np.fill_diagonal(q, 0)
        before = of_a * of_b + of_a.T * of_b.T
        after = of_a * (of_b - 2 * q * in_b + q**2 * of_b.T) + (of_a.T + 2 * q * in_a + q**2 * of_a) * of_b.T
        i, j = np.unravel_index(np.argmax(before - after), q.shape)
        if after[i, j] >= before[i, j] * (1 - 1e-9):
            break
        b[i] -= int(q[i, j]) * b[j]
        a[:, j] += int(q[i, j]) * a[:, i]
    return a, b
