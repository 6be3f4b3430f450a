"""Sets of columns: which one of a size serves all rows best, and how many there are of which kind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dse.types import Floats

_MOST_SETS = 5000  # sets of multipliers tried one by one


def best_subset(price: Floats, count: int) -> NDArray[np.int64]:
    """Return at most `count` columns of `(L, M)` whose row minima have the least sum; inf marks what is not possible.

    Exact for up to 5,000 sets. Beyond, columns are added one at a time from column 0, which must be finite, then exchanged
    one at a time while that helps.
    """
    n_rows, n_columns = price.shape
    if count >= min(n_rows, n_columns):
        return np.unique(price.argmin(axis=1))
    if math.comb(n_columns, count) <= _MOST_SETS:
        sets = np.array(list(combinations(range(n_columns), count)), dtype=np.int64)
        return sets[np.argmin(price[:, sets].min(axis=2).sum(axis=0))]
    chosen = [0]
    while len(chosen) < count:
        chosen.append(int(np.argmin(_with_each(price, chosen))))
    for _ in range(10 * count):
        rests = [chosen[:i] + chosen[i + 1 :] for i in range(count)]
        sums = np.stack([_with_each(price, rest) for rest in rests])
        place, column = np.unravel_index(np.argmin(sums), sums.shape)
        if not sums[place, column] < price[:, chosen].min(axis=1).sum():
            break
        chosen = [*rests[place], int(column)]
    return np.array(sorted(set(chosen)), dtype=np.int64)


def _with_each(price: Floats, chosen: list[int]) -> Floats:
    """Return the sum of row minima of the chosen columns and each one more: `(M,)`."""
    least = price[:, chosen].min(axis=1) if chosen else np.full(len(price), np.inf)
    return np.asarray(np.minimum(price, least[:, None]).sum(axis=0))


def count_vectors(most: list[int], total: int) -> Iterator[tuple[int, ...]]:
    """Yield the vectors of integers from 0 to `most` whose sum is at most `total`."""
    if not most:
        yield ()
        return
    for first in range(min(most[0], total) + 1):
        for rest in count_vectors(most[1:], total - first):
            yield first, *rest
