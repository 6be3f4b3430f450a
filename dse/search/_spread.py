"""In which order to evaluate a chain of designs, so that any number of them covers it evenly."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from dse.types import Floats


def spread_order(positions: Floats) -> NDArray[np.int64]:
    """Return the order in which to visit points on a line: both ends, then what is nearest to the widest gap's middle.

    Args:
        positions: Sorted, rising or falling, `(N,)`.

    Returns:
        `(N,)` indices, each once.
    """
    count = len(positions)
    place = np.asarray(positions, dtype=np.float64) * (1 if count < 2 or positions[-1] >= positions[0] else -1)
    order = [0, count - 1][: min(count, 2)]
    gaps = [(0.0, 0, count - 1)] if count > 2 else []
    while gaps:
        _, low, high = heapq.heappop(gaps)
        middle = _nearest(place, (place[low] + place[high]) / 2, low + 1, high - 1)
        order.append(middle)
        for start, end in ((low, middle), (middle, high)):
            if end - start > 1:
                heapq.heappush(gaps, (float(place[start] - place[end]), start, end))
    return np.array(order, dtype=np.int64)


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of `count` places, the first and the last among them, at equal distances up to rounding."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


def _nearest(place: Floats, value: float, first: int, last: int) -> int:
    """Return the index in first..last whose place is nearest to `value`; among equally near ones the middle one."""
    right = first + int(np.searchsorted(place[first : last + 1], value))
    near = max((i for i in (right - 1, right) if first <= i <= last), key=lambda i: -abs(place[i] - value))
    same = first + np.searchsorted(place[first : last + 1], place[near], side="left")
    end = first + np.searchsorted(place[first : last + 1], place[near], side="right") - 1
    return int((same + end) // 2)
